import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm, truncate } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { demoPrompt } from "../../cli/demo/prompt.ts";
import { systemClock } from "../../engine/clock.ts";
import { openSqlite } from "../../engine/store/sqlite.ts";
import { startEmbeddedS3, type EmbeddedS3 } from "../../recordings/embedded-s3/server.ts";
import { startCarrierProcess, type CarrierProcess } from "../peers/carrier-process.ts";
import { startSautikit, type Child } from "../peers/child.ts";
import { freePort } from "../peers/free-ports.ts";
import { describeOnSwitch, startSwitchUnderTest, type SwitchUnderTest } from "../peers/switch-under-test.ts";
import { eventually } from "../peers/waiting.ts";
import { Customer, wavSeconds } from "../world/customer.ts";
import { WebhookInbox } from "../world/webhook-inbox.ts";
import { sautikit, toldLine } from "./sautikit.ts";

const wanjiru = "+254700000001";
const hangsUpAfter3s = "+254700000103";
const nairobi = "+254200000001";
const roles = ["api", "controller", "spool"] as const;
type Role = (typeof roles)[number];

/** A customer's web server with a prompt, which counts how often it was fetched. */
async function servePrompt(): Promise<{ url: string; fetched: () => number; close: () => void }> {
  let fetched = 0;
  const web = createServer((_, response) => {
    fetched++;
    response.setHeader("Content-Type", "audio/wav").end(demoPrompt());
  }).listen(0, "127.0.0.1");
  await once(web, "listening");
  return {
    url: `http://127.0.0.1:${(web.address() as AddressInfo).port}/prompt.wav`,
    fetched: () => fetched,
    close() {
      web.closeAllConnections();
      web.close();
    },
  };
}

describeOnSwitch("sautikit start, each role a process of its own", function () {
  this.timeout(60_000);
  let folder: string;
  let carrier: CarrierProcess;
  let peer: SwitchUnderTest;
  let s3: EmbeddedS3;
  let inbox: WebhookInbox;
  let customer: Customer;
  let env: Record<string, string>;
  const running = new Map<Role, Child>();

  async function start(role: Role): Promise<void> {
    running.set(role, (await startSautikit(["start", "--role", role], { folder, env })).child);
  }
  async function kill(role: Role): Promise<void> {
    const child = running.get(role)!;
    child.kill("SIGKILL");
    await child.exited();
  }

  /** What an operator's command prints. */
  const told = (...args: string[]) => toldLine(args, env);

  /** More questions a minute than these tests ask. */
  async function liftLimits(workspace: string): Promise<void> {
    const store = await openSqlite(join(folder, "data", "sautikit.db"), { clock: systemClock });
    await store.write((tx) =>
      tx.run("UPDATE workspaces SET requests_per_minute = 100000 WHERE id = ?", [workspace]),
    );
    await store.close();
  }

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "sautikit-roles-"));
    carrier = await startCarrierProcess();
    peer = await startSwitchUnderTest({ carrier });
    const credentials = { accessKeyId: "wanjiru", secretAccessKey: "wanjiru-secret" };
    s3 = await startEmbeddedS3({
      ...{ host: "127.0.0.1", port: 0, directory: join(folder, "objects"), region: "af-nairobi-1" },
      ...{ credentials, clock: systemClock },
    });
    const { host, port, password } = peer.esl;
    const apiPort = await freePort();
    env = {
      DATA_DIR: join(folder, "data"),
      PORT: String(apiPort),
      SECRETS_KEY: randomBytes(32).toString("hex"),
      SPOOL_DIR: peer.spoolDir,
      FREESWITCH_URLS: `freeswitch://:${password}@${host}:${port}`,
      S3_ENDPOINT: s3.endpoint,
      S3_ACCESS_KEY_ID: credentials.accessKeyId,
      S3_SECRET_ACCESS_KEY: credentials.secretAccessKey,
      ALLOW_PRIVATE_URLS: "yes",
      LOG_LEVEL: "warn",
    };
    const workspace = String((await told("workspace", "create", "Wanjiru"))["workspace_id"]);
    const { api_key: key } = await told("key", "create", workspace, "--name", "till");
    const number = await told("number", "add", workspace, nairobi);
    await told("credit", workspace, "1000");
    await liftLimits(workspace);
    inbox = await WebhookInbox.listen(String(number["voice_signing_secret"]));
    customer = new Customer(`http://127.0.0.1:${apiPort}`, String(key));
    // All at once, in whatever order they come up.
    await Promise.all(roles.map(start));
  });
  after(async () => {
    const beganMs = performance.now();
    await Promise.all([...running.values()].map((child) => child.stop()));
    const tookMs = performance.now() - beganMs;
    await inbox.close();
    await s3.close();
    await peer.stop();
    await carrier.stop();
    const output = [...running.values()].map((child) => child.output()).join("");
    await rm(folder, { recursive: true, force: true });
    assert.ok(tookMs < 10_000, `${tookMs} ms to stop`);
    assert.doesNotMatch(output, /could not stop cleanly|Unhandled|"level":(50|60)/, output);
  });

  /** The stored audio of each recorded leg. */
  async function checkRecorded(callId: string, count: number): Promise<void> {
    const ready = await inbox.kind(callId, "call.recording.ready", count, 30_000);
    for (const { data } of ready) {
      const seconds = wavSeconds(await customer.download(callId, String(data["recording_id"])));
      assert.ok(Math.abs(seconds - Number(data["duration_seconds"])) < 0.01, `${seconds} s`);
    }
  }

  it("carry a call through, record it, and tell each event once", async () => {
    const prompt = await servePrompt();
    try {
      // The spool makes the bucket, in its own time.
      await eventually("the API's readiness", async () =>
        (await customer.ask("GET", "/readyz")).status === 200 ? true : undefined,
      );
      // Which the controller, another process, takes from the storage: it asks this API for nothing.
      const uploaded = await customer.upload(demoPrompt());
      const id = await customer.place({
        ...{ from: nairobi, to: wanjiru, events_url: inbox.url, record: true },
        actions: [
          { dial: { number: hangsUpAfter3s, record: true } },
          { play: { url: prompt.url } },
          { play: { url: uploaded } },
          { wait: { seconds: 1 } },
        ],
      });
      const call = await customer.ended(id, 30_000);
      assert.equal(call.status, "completed");
      assert.deepEqual(
        call.legs.map(({ status }) => status),
        ["completed", "completed"],
      );
      assert.deepEqual(
        call.events.filter(({ kind }) => kind === "play.finished").map(({ payload }) => payload["url"]),
        [prompt.url, uploaded],
      );
      assert.equal(prompt.fetched(), 1);
      await checkRecorded(id, 2);
      const sequences = inbox.of(id).map(({ data }) => data["sequence"]);
      assert.deepEqual(
        sequences,
        sequences.map((_, index) => index + 1),
      );
      assert.equal((await carrier.calls()).length, 2);
    } finally {
      prompt.close();
    }
  });

  it("keep what a killed spool had to do for the next one", async () => {
    const id = await customer.place({
      ...{ from: nairobi, to: hangsUpAfter3s, events_url: inbox.url, record: true },
    });
    await customer.until(id, "its answer", ({ status }) => status === "answered");
    await kill("spool");
    const call = await customer.ended(id);
    assert.equal(call.events.find(({ kind }) => kind === "leg.ended")?.payload["known_by"], "event");
    assert.equal(
      call.events.some(({ kind }) => kind === "call.recording.ready"),
      false,
    );
    await start("spool");
    await checkRecorded(id, 1);
    assert.equal((await customer.call(id)).cost_minor, call.cost_minor);
  });

  it("say of a recording that lacks a part how long that is: on the call, in the log, and to Prometheus", async () => {
    const short = async () =>
      Number(
        /^sautikit_recordings_short (\d+)$/m.exec(
          await (await fetch(`${customer.baseUrl}/metrics`)).text(),
        )?.[1],
      );
    const before = await short();
    const id = await customer.place({
      ...{ from: nairobi, to: hangsUpAfter3s, events_url: inbox.url, record: true },
    });
    await customer.until(id, "its answer", ({ status }) => status === "answered");
    await kill("spool");
    const call = await customer.ended(id);
    const recording = call.legs[0]!.recording_ids[0]!;
    const file = join(peer.spoolDir, "recordings", `${recording}.wav`);
    // A second of it, as a disk that filled up leaves it.
    await truncate(file, 44 + 32_000);
    await start("spool");

    const [ready] = await inbox.kind(id, "call.recording.ready", 1, 30_000);
    const { duration_seconds: seconds, talk_ms: talkMs, gap_ms: gapMs } = ready!.data;
    const [leg] = call.legs;
    assert.equal(seconds, 1);
    const talked = Date.parse(leg!.ended_at!) - Date.parse(leg!.answered_at!);
    assert.ok(Math.abs(Number(talkMs) - talked) <= 100, `${String(talkMs)} ms, not ${talked}`);
    assert.equal(gapMs, Number(talkMs) - 1000);
    assert.match(
      running.get("spool")!.output(),
      new RegExp(`"recording":"${recording}".*shorter than the talk`),
    );
    assert.equal(await short(), before + 1);
  });

  it("leave what a call is to do next to the controller, whoever told of the end before it", async () => {
    const prompt = await servePrompt();
    try {
      const id = await customer.place({
        ...{ from: nairobi, to: wanjiru, events_url: inbox.url },
        actions: [{ dial: { number: hangsUpAfter3s } }, { play: { url: prompt.url } }],
      });
      await customer.until(id, "the two joined", ({ events }) =>
        events.some(({ kind }) => kind === "leg.bridged"),
      );
      await kill("controller");
      await customer.until(id, "its prompt", ({ events }) =>
        events.some(({ kind, payload }) => kind === "action.started" && payload["verb"] === "play"),
      );
      // The spool told of Otieno's end; fetching and playing are none of its business.
      await systemClock.sleep(1_500);
      assert.equal(prompt.fetched(), 0);
      await start("controller");
      const call = await customer.ended(id);
      assert.ok(call.events.some(({ kind }) => kind === "play.finished"));
      assert.equal(prompt.fetched(), 1);
    } finally {
      prompt.close();
    }
  });

  it("take calls without a controller, end them by their records, and hang up when it comes", async () => {
    const talking = await customer.place({ from: nairobi, to: wanjiru, events_url: inbox.url });
    const ending = await customer.place({ from: nairobi, to: hangsUpAfter3s, events_url: inbox.url });
    for (const id of [talking, ending])
      await customer.until(id, "its answer", ({ status }) => status === "answered");
    await kill("controller");
    await customer.hangUp(talking);
    const waiting = await customer.place({ from: nairobi, to: "+254712000501", events_url: inbox.url });
    const ended = await customer.ended(ending);
    assert.equal(ended.events.find(({ kind }) => kind === "leg.ended")?.payload["known_by"], "end_record");
    assert.equal((await customer.call(talking)).ended_at, null);
    await start("controller");
    assert.equal((await customer.ended(talking)).hangup_cause, "normal_clearing");
    await customer.until(waiting, "its answer", ({ status }) => status === "answered");
    await customer.hangUp(waiting);
    await customer.ended(waiting);
    for (const id of [talking, ending, waiting]) await inbox.kind(id, "call.completed");
    const rang = (await carrier.calls()).filter(({ number }) => number === "+254712000501");
    assert.equal(rang.length, 1);
  });

  it("refuse a key from the moment in which an operator revokes it", async () => {
    const workspace = String((await customer.ask("GET", "/v1/wallet")).body.workspace_id);
    const made = await told("key", "create", workspace, "--name", "lost");
    const lost = new Customer(customer.baseUrl, String(made["api_key"]));
    assert.equal((await lost.ask("GET", "/v1/wallet")).status, 200);
    await told("key", "revoke", String(made["key_id"]));
    const refusal = await lost.ask("GET", "/v1/wallet");
    assert.deepEqual([refusal.status, refusal.body.error.code], [401, "auth.invalid"]);
  });

  it("go on without an API, which shows all of it when it is back", async () => {
    const id = await customer.place({ from: nairobi, to: hangsUpAfter3s, events_url: inbox.url });
    await kill("api");
    await inbox.kind(id, "call.completed");
    await start("api");
    assert.equal((await customer.ended(id)).status, "completed");
  });

  it("leave the books in order", async () => {
    const { code, stdout } = await sautikit(["ledger", "verify"], env);
    assert.equal(code, 0, stdout);
  });

  it("say what they need where the storage would be another process's", async () => {
    for (const role of ["api", "controller"]) {
      // A folder where nobody has the role yet.
      const elsewhere = { DATA_DIR: join(env["DATA_DIR"]!, role), S3_ENDPOINT: "", PORT: "0" };
      const refused = await sautikit(["start", "--role", role], { ...env, ...elsewhere });
      assert.equal(refused.code, 1, refused.stdout);
      assert.match(refused.stderr, /S3_ENDPOINT is needed/);
    }
  });
});
