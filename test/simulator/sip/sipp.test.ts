import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { createSocket } from "node:dgram";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../../engine/clock.ts";
import { type Carrier, startCarrier } from "../../../engine/simulator/carrier/carrier.ts";
import { agent, closeAgents, dial, happens, host, within } from "./agents.ts";

const scenario = (name: string): string => new URL(`sipp/${name}.xml`, import.meta.url).pathname;

describe("SIPp at the other end", function () {
  this.timeout(20_000);
  let folder: string;
  let running: ChildProcess | undefined;

  before(function () {
    if (spawnSync("sipp", ["-v"]).error === undefined) return;
    assert.notEqual(process.env.CI, "true", "SIPp (Debian: sip-tester) must be there in CI");
    console.log("    skipped: SIPp (Debian: sip-tester) is not on this machine");
    this.skip();
  });
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "sautikit-sipp-"));
  });
  afterEach(async () => {
    running?.kill("SIGKILL");
    await closeAgents();
    await rm(folder, { recursive: true });
  });

  /** Resolves to SIPp's exit code: 0 when every call went as the scenario says. */
  const sipp = (args: string[]): Promise<number | null> => {
    const child = spawn("sipp", [...args, "-i", host, "-nostdin", "-timeout", "15s", "-timeout_error"], {
      cwd: folder,
      stdio: "ignore",
      env: { ...process.env, TERM: "dumb" },
    });
    running = child;
    return within("SIPp's end", once(child, "exit"), 18_000).then(([code]) => code as number | null);
  };

  describe("as a caller of the carrier", () => {
    let carrier: Carrier;
    beforeEach(async () => {
      carrier = await startCarrier({ host, port: 0, clock: systemClock });
    });
    afterEach(() => carrier.close());

    const rows: [string, string, string, number][] = [
      ["is answered, 20 times at once", "uac-answered", "+254700000001", 20],
      ["is answered after early media", "uac-answered", "+254700000183", 2],
      ["hears that a number is busy", "uac-busy", "+254700000486", 5],
      ["gives up a number that rings", "uac-cancel", "+254700000180", 5],
    ];
    for (const [does, name, number, calls] of rows) {
      it(does, async () => {
        const code = await sipp([
          `${host}:${carrier.port}`,
          ...["-sf", scenario(name), "-s", number, "-m", String(calls), "-l", "20", "-r", "50"],
        ]);
        assert.equal(code, 0);
        assert.equal(carrier.counts.get(number)?.invites, calls);
      });
    }
  });

  describe("as a phone an agent calls", () => {
    const ring = async (name: string): Promise<{ port: number; ended: Promise<number | null> }> => {
      const port = await freePort();
      const ended = sipp(["-sf", scenario(name), "-p", String(port), "-m", "1"]);
      return { port, ended };
    };

    it("rings, answers and is hung up", async () => {
      const otieno = await ring("uas-answered");
      const wanjiru = dial(await agent(), otieno);
      const rings = happens(wanjiru, "ringing");
      await happens(wanjiru, "answered");
      await rings;
      wanjiru.end({ q850: 16 });
      assert.equal(await otieno.ended, 0);
    });

    it("rings and is given up", async () => {
      const otieno = await ring("uas-cancelled");
      const wanjiru = dial(await agent(), otieno);
      await happens(wanjiru, "ringing");
      wanjiru.end();
      assert.equal(await otieno.ended, 0);
    });
  });
});

/** SIPp cannot be asked which port it took. */
async function freePort(): Promise<number> {
  const socket = createSocket("udp4").bind(0, host);
  await once(socket, "listening");
  const { port } = socket.address();
  socket.close();
  return port;
}
