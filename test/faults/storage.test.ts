import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { join } from "node:path";
import { ListMultipartUploadsCommand, S3Client } from "@aws-sdk/client-s3";
import { systemClock } from "../../engine/clock.ts";
import { startEmbeddedS3, type EmbeddedS3 } from "../../recordings/embedded-s3/server.ts";
import { sideBySide } from "../peers/side-by-side.ts";
import { openStorageProxy, type StorageProxy } from "../peers/storage-proxy.ts";
import { describeOnSwitch } from "../peers/switch-under-test.ts";
import { eventually } from "../peers/waiting.ts";
import { speech, wav } from "../recordings/world.ts";
import type { ApiCall } from "../world/customer.ts";
import { nairobi, TestWorld } from "../world/world.ts";

const hangsUpAfter3s = "+254700000103";
const bucket = "sautikit-recordings";
const region = "af-nairobi-1";
const credentials = { accessKeyId: "wanjiru", secretAccessKey: "calls-otieno" };

/** What the storage does to one call's recording; what passes neither goes through. */
type Fault = { [Part in "refuse" | "meddle"]?: StorageProxy[Part] | undefined };

const refusing =
  (status: number, code: string, methods = ["HEAD", "PUT", "GET", "POST"]): Fault["refuse"] =>
  (asked, reply) => {
    if (!methods.includes(asked.method ?? "")) return false;
    asked.resume();
    asked.on("end", () => {
      reply.writeHead(status, { "Content-Type": "application/xml" });
      reply.end(asked.method === "HEAD" ? "" : `<Error><Code>${code}</Code></Error>`);
    });
    return true;
  };

function drip(asked: IncomingMessage): true {
  asked.resume();
  asked.socket.write("HTTP/1.1 200 OK\r\nX-Drip: ");
  const timer = setInterval(() => asked.socket.write("."), 1000);
  asked.socket.once("close", () => clearInterval(timer));
  return true;
}

/** Half of what was asked for is read, or answered with other bytes of the same length. */
const otherBytes: Fault["meddle"] = (asked, answer, reply) => {
  delete answer.headers["x-amz-checksum-sha256"];
  if (asked.method !== "GET") return false;
  reply.writeHead(200, answer.headers);
  answer.on("data", (bytes: Buffer) => reply.write(bytes.map((byte) => byte ^ 1)));
  answer.on("end", () => reply.end());
  return true;
};

const keepsNothing: Fault["refuse"] = (asked: IncomingMessage, reply: ServerResponse) => {
  if (asked.method !== "PUT") return false;
  asked.resume();
  asked.on("end", () => reply.writeHead(200, { ETag: '"yes"' }).end());
  return true;
};

const faults: [what: string, fault: Fault, failures: number][] = [
  ["drips a byte a second", { refuse: drip }, 1],
  ["refuses our key", { refuse: refusing(403, "AccessDenied") }, 2],
  ["fails", { refuse: refusing(500, "InternalError") }, 3],
  ["is full", { refuse: refusing(507, "InsufficientStorage", ["PUT"]) }, 2],
  ["finds the recording too large", { refuse: refusing(400, "EntityTooLarge", ["PUT"]) }, 2],
  ["asks us to slow down", { refuse: refusing(503, "SlowDown", ["PUT"]) }, 2],
  ["dies while it is sent", { refuse: ({ method, socket }) => method === "PUT" && !!socket.destroy() }, 2],
  ["says yes and keeps nothing", { refuse: keepsNothing }, 2],
  [
    "tells another checksum",
    {
      meddle(asked, answer) {
        if (asked.method === "HEAD") answer.headers["x-amz-checksum-sha256"] &&= sha256Of("other", "base64");
        return false;
      },
    },
    2,
  ],
  ["gives back other bytes than it was given", { meddle: otherBytes }, 2],
];

const sha256Of = (bytes: Buffer | string, encoding: "hex" | "base64" = "hex") =>
  createHash("sha256").update(bytes).digest(encoding);

/** A world whose storage is S3 behind a proxy that can spoil each call's requests apart. */
class SpoiltStorage {
  readonly world: TestWorld;
  readonly proxy: StorageProxy;
  readonly storage: EmbeddedS3;
  readonly faults = new Map<string, Fault>();

  private constructor(world: TestWorld, proxy: StorageProxy, storage: EmbeddedS3) {
    [this.world, this.proxy, this.storage] = [world, proxy, storage];
    const faultOf = ({ url = "" }: IncomingMessage) => this.faults.get(/call_[0-9a-z]+/.exec(url)?.[0] ?? "");
    proxy.refuse = (asked, reply) => faultOf(asked)?.refuse?.(asked, reply) ?? false;
    proxy.meddle = (asked, answer, reply) => faultOf(asked)?.meddle?.(asked, answer, reply) ?? false;
  }

  static async start(directory: string): Promise<SpoiltStorage> {
    const storage = await startEmbeddedS3({
      ...{ host: "127.0.0.1", port: 0, directory, region, credentials },
      buckets: [bucket],
      clock: systemClock,
    });
    const proxy = await openStorageProxy(storage);
    const world = await TestWorld.start({
      S3_ENDPOINT: proxy.endpoint,
      S3_PUBLIC_URL: storage.endpoint,
      S3_ACCESS_KEY_ID: credentials.accessKeyId,
      S3_SECRET_ACCESS_KEY: credentials.secretAccessKey,
    });
    return new SpoiltStorage(world, proxy, storage);
  }

  /** A recorded call that has ended; its recording meets the fault. */
  async recordedCall(fault: Fault): Promise<{ call: ApiCall; recordingId: string; file: string }> {
    const { customer, inbox, switch: peer } = this.world;
    const id = await customer.place({
      ...{ from: nairobi, to: hangsUpAfter3s, events_url: inbox.url },
      record: true,
    });
    this.faults.set(id, fault);
    const call = await customer.ended(id);
    const [recordingId] = call.legs[0]!.recording_ids;
    assert.ok(recordingId);
    return { call, recordingId, file: join(peer.spoolDir, "recordings", `${recordingId}.wav`) };
  }

  /** When, ms, it was noted that the recording could not be stored. */
  failures(recordingId: string): number[] {
    return this.world.sautikit
      .output()
      .split("\n")
      .filter((line) => line.includes(`"recording":"${recordingId}"`) && line.includes('"failures":'))
      .map((line) => (JSON.parse(line) as { time: number }).time);
  }

  /** Has failed so often; and meanwhile nobody was told that it is there, and nothing was lost. */
  async checkKept({ call, recordingId, file }: Recorded, failures: number): Promise<string> {
    const { customer, inbox } = this.world;
    const times = await eventually(
      `${failures} failures`,
      () => {
        const found = this.failures(recordingId);
        return found.length >= failures ? found : undefined;
      },
      { withinMs: 25_000 },
    );
    for (const [index, time] of times.entries()) {
      const waited = time - (times[index - 1] ?? -Infinity);
      // A second, and twice as long each time; a timer of the log's clock may be a few ms off.
      assert.ok(waited >= 1000 * 2 ** (index - 1) - 20, `failure ${index + 1} after ${waited} ms`);
    }
    const answer = await customer.ask("GET", `/v1/calls/${call.id}/recording`);
    assert.deepEqual([answer.status, answer.body], [202, { status: "pending", retry_after_seconds: 2 }]);
    const listed = await customer.ask("GET", `/v1/calls/${call.id}/recordings`);
    const [{ status, download_url: link, sha256 }] = listed.body.data;
    assert.deepEqual([status, link, sha256], ["uploading", null, null]);
    assert.deepEqual(
      inbox.of(call.id).filter(({ kind }) => kind === "call.recording.ready"),
      [],
    );
    assert.ok(existsSync(file), "the spool keeps the file");
    return sha256Of(readFileSync(file));
  }

  /** It is told once, and is what the switch wrote, byte for byte; the spool is rid of it. */
  async checkStored({ call, recordingId, file }: Recorded, sha256: string): Promise<void> {
    const { customer, inbox } = this.world;
    const [told] = await inbox.kind(call.id, "call.recording.ready", 1, 40_000);
    assert.equal(told!.data["sha256"], sha256);
    const stored = await customer.download(call.id, recordingId);
    assert.equal(sha256Of(stored), sha256);
    const { events } = await customer.call(call.id);
    assert.equal(events.filter(({ kind }) => kind === "call.recording.ready").length, 1);
    await eventually("the file to be gone from the spool", () => (existsSync(file) ? undefined : true));
  }

  async end(): Promise<void> {
    await this.world.end();
    await this.proxy.close();
    await this.storage.close();
  }
}

type Recorded = Awaited<ReturnType<SpoiltStorage["recordedCall"]>>;

describeOnSwitch("a storage in trouble", function () {
  this.timeout(60_000);
  let spoilt: SpoiltStorage;
  let fromDown: Recorded;
  let keptWhileDown: string;

  before(async () => {
    spoilt = await SpoiltStorage.start(join(process.env["TMPDIR"]!, "spoilt-storage"));
    await spoilt.proxy.down();
    fromDown = await spoilt.recordedCall({});
    keptWhileDown = await spoilt.checkKept(fromDown, 2);
    const { status, body } = await spoilt.world.customer.ask("GET", "/readyz");
    assert.deepEqual([status, body.checks.storage], [503, "failed"]);
    await spoilt.proxy.up();
  });
  after(() => spoilt.end());

  const concurrently = sideBySide(faults.length + 2);

  concurrently("that refuses connections gets the recording when it is back", async () => {
    await spoilt.checkStored(fromDown, keptWhileDown);
    await eventually("the storage to be reported well", async () => {
      const { body } = await spoilt.world.customer.ask("GET", "/readyz");
      return body.checks.storage === "ok" ? true : undefined;
    });
  });

  for (const [what, fault, failures] of faults) {
    concurrently(`that ${what} gets the recording when it is well again`, async () => {
      const recorded = await spoilt.recordedCall(fault);
      const sha256 = await spoilt.checkKept(recorded, failures);
      spoilt.faults.delete(recorded.call.id);
      await spoilt.checkStored(recorded, sha256);
    });
  }

  concurrently("keeps no other recording waiting", async () => {
    const met = (id: string) => spoilt.proxy.requests.some((asked) => asked.includes(id));
    await eventually("five faults at once", () =>
      [...spoilt.faults.keys()].filter(met).length >= 5 ? true : undefined,
    );
    const { call } = await spoilt.recordedCall({});
    await spoilt.world.inbox.kind(call.id, "call.recording.ready", 1, 5_000);
  });

  it("leaves nothing for the auditor to find", () => spoilt.world.audit());
});

describeOnSwitch("a storage that dies in the middle of a long recording", function () {
  this.timeout(60_000);
  let spoilt: SpoiltStorage;
  before(async () => {
    spoilt = await SpoiltStorage.start(join(process.env["TMPDIR"]!, "dying-storage"));
  });
  after(() => spoilt.end());

  it("gets all of it when it is back, and keeps no parts", async () => {
    const recorded = await spoilt.recordedCall({ refuse: refusing(403, "AccessDenied") });
    const { call, file } = recorded;
    // As a call of ten minutes leaves it: three parts.
    writeFileSync(`${file}.long`, wav({ frames: speech(600_000) }));
    renameSync(`${file}.long`, file);
    let died: Promise<void> | undefined;
    spoilt.faults.set(call.id, {
      refuse({ url = "" }) {
        if (!url.includes("partNumber=2")) return false;
        died ??= spoilt.proxy.down();
        return true;
      },
    });
    await eventually("it to die", () => (died ? true : undefined));
    await died;
    const sha256 = await spoilt.checkKept(recorded, spoilt.failures(recorded.recordingId).length + 1);
    assert.equal((await partsLeft(spoilt)).length, 1, "what had been sent of it is there");

    spoilt.faults.delete(call.id);
    await spoilt.proxy.up();
    await spoilt.checkStored(recorded, sha256);
    assert.deepEqual(await partsLeft(spoilt), []);
    await spoilt.world.verifyLedger();
  });

  async function partsLeft({ storage }: SpoiltStorage) {
    const client = new S3Client({ endpoint: storage.endpoint, region, credentials, forcePathStyle: true });
    const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket: bucket }));
    client.destroy();
    return Uploads;
  }
});
