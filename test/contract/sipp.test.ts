import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { levelDbfs } from "../../engine/simulator/media/goertzel.ts";
import { parseWav } from "../../engine/simulator/media/wav.ts";
import { startProcess, startSautikit, type Child } from "../peers/child.ts";
import { freePort } from "../peers/free-ports.ts";
import { startSwitchUnderTest, type SwitchUnderTest } from "../peers/switch-under-test.ts";
import { Customer } from "../world/customer.ts";
import { WebhookInbox } from "../world/webhook-inbox.ts";
import { describeContract } from "./report.ts";
import { audibleDbfs } from "./world.ts";

const scenario = new URL("../simulator/sip/sipp/uas-answered.xml", import.meta.url).pathname;
const nairobi = "+254200000001";

describeContract("the whole product, with SIPp as the carrier and the operator's own commands", function () {
  this.timeout(60_000);
  let folder: string;
  let sipp: Child;
  let box: SwitchUnderTest;
  let sautikit: Child;
  let inbox: WebhookInbox;
  let customer: Customer;
  const started: { stop(): Promise<void> }[] = [];

  before(async function () {
    if (spawnSync("sipp", ["-v"]).error !== undefined) {
      assert.notEqual(process.env["CI"], "true", "SIPp (Debian: sip-tester) must be there in CI");
      console.log("    skipped: SIPp (Debian: sip-tester) is not on this machine");
      this.skip();
    }
    folder = mkdtempSync(join(tmpdir(), "sipp-"));
    const sippPort = await freePort();
    const at = [
      "-i",
      "127.0.0.1",
      "-p",
      String(sippPort),
      "-mi",
      "127.0.0.1",
      "-mp",
      String(await freePort()),
    ];
    // It rings, answers, and sends back what it hears.
    sipp = startProcess("sipp", ["-sf", scenario, ...at, "-rtp_echo", "-nostdin"], {
      outputFile: join(folder, "sipp.log"),
      env: { TERM: "dumb" },
    });
    started.push(sipp);
    box = await startSwitchUnderTest({ carrier: { host: "127.0.0.1", port: sippPort } });
    started.push(box);

    const { host, port, password } = box.esl;
    const env = {
      DATA_DIR: join(folder, "data"),
      PORT: "0",
      SPOOL_DIR: box.spoolDir,
      FREESWITCH_URLS: `freeswitch://:${password}@${host}:${port}`,
      ALLOW_PRIVATE_URLS: "yes",
      LOG_LEVEL: "warn",
    };
    const operator = async (...words: string[]) => {
      const { child, ready } = await startSautikit(words, { folder, env });
      assert.deepEqual(await child.exited(), { code: 0, signal: null }, child.output());
      return ready;
    };
    const workspace = String((await operator("workspace", "create", "Wanjiru"))["workspace_id"]);
    const key = String((await operator("key", "create", workspace))["api_key"]);
    const number = await operator("number", "add", workspace, nairobi);
    await operator("credit", workspace, "100");
    inbox = await WebhookInbox.listen(String(number["voice_signing_secret"]));
    started.push({ stop: () => inbox.close() });
    const { child, ready } = await startSautikit(["start"], { folder, env });
    sautikit = child;
    started.push(sautikit);
    customer = new Customer(String(ready["base_url"]), key);
  });
  after(async () => {
    for (const peer of started.reverse()) await peer.stop();
    if (folder) rmSync(folder, { recursive: true, force: true });
  });

  it("SIPp answers, hears the prompt, and is heard: both ways are in the recording, and the money is right", async () => {
    const id = await customer.place({
      from: nairobi,
      to: "+254733000001",
      events_url: inbox.url,
      record: true,
      actions: [{ play: { url: inbox.promptUrl } }, { wait: { seconds: 1 } }],
    });
    const call = await customer.ended(id);
    const [leg] = call.legs;
    assert.deepEqual([call.status, leg!.hangup_cause], ["completed", "normal_clearing"]);

    const { channels } = parseWav(await customer.download(id, leg!.recording_ids[0]!));
    for (const channel of channels) {
      const levels = [...channel.keys()]
        .filter((sample) => sample % 800 === 0)
        .map((sample) => levelDbfs(channel.subarray(sample, sample + 1600), 659));
      assert.ok(Math.max(...levels) > audibleDbfs, `${Math.max(...levels)} dBFS`);
    }

    const wallet = await customer.ask("GET", "/v1/wallet");
    assert.equal(wallet.body.balance_minor, 10_000 - call.cost_minor);
    assert.ok(call.cost_minor > 0);
    await inbox.kind(id, "call.recording.ready");
    assert.ok(sipp.running);
  });
});
