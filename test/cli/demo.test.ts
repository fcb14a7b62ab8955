import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startCarrierProcess, type CarrierProcess } from "../peers/carrier-process.ts";
import { startProcess } from "../peers/child.ts";
import {
  describeOnSwitch,
  startSwitchUnderTest,
  switchKind,
  type SwitchUnderTest,
} from "../peers/switch-under-test.ts";

const program = new URL("../../cli/sautikit.ts", import.meta.url).pathname;

describeOnSwitch("npm run demo", function () {
  this.timeout(90_000);
  let folder: string;
  let carrier: CarrierProcess | undefined;
  let peer: SwitchUnderTest | undefined;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "sautikit-demo-test-"));
  });
  after(async () => {
    await peer?.stop();
    await carrier?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  /** As docs/freeswitch.md has it; the simulated one is the demo's own. */
  async function besideTheSwitch(): Promise<{ args: string[]; env: Record<string, string> }> {
    if (switchKind === "simulator") return { args: [], env: {} };
    carrier = await startCarrierProcess();
    peer = await startSwitchUnderTest({ carrier });
    const { esl, sip, spoolDir } = peer;
    await fetch(`${carrier.statusUrl}/switch`, { method: "PUT", body: `${sip.host}:${sip.port}` });
    const FREESWITCH_URLS = `freeswitch://:${esl.password}@${esl.host}:${esl.port}`;
    return { args: ["--carrier", carrier.statusUrl], env: { FREESWITCH_URLS, SPOOL_DIR: spoolDir } };
  }

  it("shows a call out and a call in, and ends by itself when all of it held", async () => {
    const { args, env } = await besideTheSwitch();
    const outputFile = join(folder, "screen");
    const demo = startProcess(process.execPath, [program, "demo", ...args], { env, outputFile });
    try {
      assert.deepEqual(await demo.exited(), { code: 0, signal: null }, demo.output());
    } finally {
      await demo.stop();
    }
    for (const line of [
      /recorded +Wanjiru .* checksum right/,
      /pressed +1\n/,
      /heard +Achieng: [1-9]\d* s of the menu, then [2-9]\d* s of Otieno's 880 Hz\n/,
      /done +everything held\n$/,
    ])
      assert.match(demo.output(), line);
  });
});
