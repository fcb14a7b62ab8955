import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { appendFile } from "node:fs/promises";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { CreateMultipartUploadCommand, ListMultipartUploadsCommand, S3Client } from "@aws-sdk/client-s3";
import { systemClock } from "../../engine/clock.ts";
import { isError } from "../../engine/errors.ts";
import { fingerprintFile } from "../../recordings/fingerprint.ts";
import { openStorageProxy, type StorageProxy } from "../peers/storage-proxy.ts";
import { bucket, credentials, ids, openWorld, spoolFile, storageAt, until, type World } from "./world.ts";

describe("the object storage", function () {
  this.timeout(20_000);

  let world: World;
  let proxy: StorageProxy;

  beforeEach(async () => {
    world = await openWorld();
    proxy = await openStorageProxy(world.s3);
  });
  afterEach(async () => {
    await proxy.close();
    await world.close();
  });

  async function fileOf(bytes: number) {
    const content = ids.bytes(bytes);
    const path = await spoolFile(world.directory, "upload.wav", content);
    return { content, path, print: await fingerprintFile(path) };
  }

  const unavailable = (error: unknown) => isError(error, "storage.unavailable");

  for (const [what, bytes] of [
    ["an empty file", 0],
    ["a short recording", 16_044],
    ["exactly one part", 8 * 1024 * 1024],
    ["an hour, in parts", 20 * 1024 * 1024 + 44],
  ] as const) {
    it(`holds ${what}, byte for byte`, async () => {
      const { content, path, print } = await fileOf(bytes);

      await world.storage.put(path, "ws/call/rec.wav", print);

      assert.deepEqual(await world.storage.head("ws/call/rec.wav"), { sizeBytes: bytes });
      const { url } = await world.storage.presignGet("ws/call/rec.wav", {
        expiresInSeconds: 60,
        fileName: "a.wav",
      });
      const got = Buffer.from(await (await fetch(url)).arrayBuffer());
      assert.equal(createHash("sha256").update(got).digest("hex"), print.sha256);
      assert.equal(got.length, content.length);
    });
  }

  it("is not sent again what it holds", async () => {
    const { path, print } = await fileOf(9 * 1024 * 1024);
    await world.storage.put(path, "ws/call/rec.wav", print);
    const storage = storageAt(proxy.endpoint, world.clock);

    await storage.put(path, "ws/call/rec.wav", print);

    assert.deepEqual(
      proxy.requests.map((request) => request.split(" ")[0]),
      ["HEAD"],
    );
    storage.close();
  });

  it("is read back where it tells no checksum", async () => {
    const { path, print } = await fileOf(16_044);
    proxy.meddle = (asked, answer) => {
      if (asked.method === "HEAD") delete answer.headers["x-amz-checksum-sha256"];
      return false;
    };
    const storage = storageAt(proxy.endpoint, world.clock);

    await storage.put(path, "ws/call/rec.wav", print);

    const methods = proxy.requests.map((request) => request.split(" ")[0]);
    assert.deepEqual(methods, ["HEAD", "PUT", "HEAD", "GET"]);
    storage.close();
  });

  for (const [what, header, value] of [
    ["checksum", "x-amz-checksum-sha256", createHash("sha256").update("other").digest("base64")],
    ["size", "content-length", "16043"],
  ] as const) {
    it(`is not believed when the ${what} that it tells is another`, async () => {
      const { path, print } = await fileOf(16_044);
      proxy.meddle = (asked, answer) => {
        if (asked.method === "HEAD" && answer.statusCode === 200) answer.headers[header] = value;
        return false;
      };
      const storage = storageAt(proxy.endpoint, world.clock);

      await assert.rejects(storage.put(path, "ws/call/rec.wav", print), unavailable);
      storage.close();
    });
  }

  it("is not believed when it says yes and stores nothing", async () => {
    const { path, print } = await fileOf(16_044);
    proxy.refuse = (asked, reply) => {
      if (asked.method !== "PUT") return false;
      asked.resume();
      asked.on("end", () => reply.writeHead(200, { ETag: '"yes"' }).end());
      return true;
    };
    const storage = storageAt(proxy.endpoint, world.clock);

    await assert.rejects(storage.put(path, "ws/call/rec.wav", print), unavailable);
    storage.close();
  });

  it("is not believed when the file grew on the way", async () => {
    const { path, print } = await fileOf(16_044);
    await appendFile(path, "more");
    await assert.rejects(world.storage.put(path, "ws/call/rec.wav", print), unavailable);
  });

  it("is rid of the parts that a killed upload left", async () => {
    const client = new S3Client({
      endpoint: world.s3.endpoint,
      region: "ke-nairobi",
      credentials,
      forcePathStyle: true,
    });
    await client.send(new CreateMultipartUploadCommand({ Bucket: bucket, Key: "ws/call/rec.wav" }));
    const { path, print } = await fileOf(9 * 1024 * 1024);

    await world.storage.put(path, "ws/call/rec.wav", print);

    const { Uploads } = await client.send(new ListMultipartUploadsCommand({ Bucket: bucket }));
    assert.deepEqual(Uploads ?? [], []);
    client.destroy();
  });

  it("gives links that save the recording under its name and end after their time", async () => {
    const { path, print } = await fileOf(16_044);
    await world.storage.put(path, "ws/call/rec_1.wav", print);
    const options = { expiresInSeconds: 3600, fileName: "rec_1.wav" };
    const { url, expiresAtMs } = await world.storage.presignGet("ws/call/rec_1.wav", options);

    const now = await fetch(url);
    await now.arrayBuffer();
    assert.equal(now.status, 200);
    assert.equal(now.headers.get("content-type"), "audio/wav");
    assert.equal(now.headers.get("content-disposition"), 'attachment; filename="rec_1.wav"');

    world.clock.putForward(expiresAtMs - world.clock.nowMs() + 1000);
    assert.equal((await fetch(url)).status, 403);
  });

  it("refuses a link that was changed in any part", async () => {
    const { path, print } = await fileOf(16_044);
    await world.storage.put(path, "ws/call/rec_1.wav", print);
    await world.storage.put(path, "ws/call/rec_2.wav", print);
    const options = { expiresInSeconds: 3600, fileName: "rec_1.wav" };
    const { url } = await world.storage.presignGet("ws/call/rec_1.wav", options);

    for (const changed of [
      url.replace("rec_1.wav?", "rec_2.wav?"),
      url.replace("X-Amz-Expires=3600", "X-Amz-Expires=36000"),
      url.replace("attachment", "inline"),
      url.replace(/X-Amz-Signature=(.)/, (_, digit) => `X-Amz-Signature=${digit === "0" ? "1" : "0"}`),
      url.split("?")[0]!,
    ]) {
      assert.notEqual(changed, url);
      assert.equal((await fetch(changed)).status, 403, changed);
    }
    assert.equal((await fetch(url, { method: "DELETE" })).status, 403);
  });

  it("signs links for its public address", async () => {
    const storage = storageAt(world.s3.endpoint, world.clock, { publicEndpoint: proxy.endpoint });
    const { path, print } = await fileOf(16_044);
    await storage.put(path, "ws/call/rec_1.wav", print);
    const { url } = await storage.presignGet("ws/call/rec_1.wav", {
      expiresInSeconds: 60,
      fileName: "rec_1.wav",
    });

    assert.ok(url.startsWith(`${proxy.endpoint}/`));
    assert.equal((await fetch(url)).status, 200);
    storage.close();
  });

  it("deletes, also what is not there", async () => {
    const { path, print } = await fileOf(16_044);
    await world.storage.put(path, "ws/call/rec.wav", print);

    await world.storage.delete("ws/call/rec.wav");
    await world.storage.delete("ws/call/rec.wav");

    assert.equal(await world.storage.head("ws/call/rec.wav"), null);
  });

  it("deletes what a killed upload left there as well, where it is asked to", async () => {
    const client = new S3Client({
      ...{ endpoint: world.s3.endpoint, region: "ke-nairobi", forcePathStyle: true },
      credentials,
    });
    for (const Key of ["ws/call/rec.wav", "ws/call/other.wav"])
      await client.send(new CreateMultipartUploadCommand({ Bucket: bucket, Key }));

    await world.storage.delete("ws/call/rec.wav", { unfinished: true });

    const { Uploads } = await client.send(new ListMultipartUploadsCommand({ Bucket: bucket }));
    assert.deepEqual(
      Uploads?.map(({ Key }) => Key),
      ["ws/call/other.wav"],
    );
    client.destroy();
  });

  it("is healthy with its bucket, and not without, nor with another's key, nor when it is gone", async () => {
    assert.equal(await world.storage.healthy(), true);
    proxy.refuse = (_asked, reply) => {
      reply.writeHead(403).end();
      return true;
    };
    const refused = storageAt(proxy.endpoint, world.clock);
    assert.equal(await refused.healthy(), false);
    await world.s3.close();
    assert.equal(await world.storage.healthy(), false);
    await assert.rejects(world.storage.head("ws/call/rec.wav"), unavailable);
    refused.close();
  });

  it("makes its bucket once", async () => {
    const storage = storageAt(world.s3.endpoint, world.clock, { bucket: "another-bucket" });
    assert.equal(await storage.healthy(), false);

    await storage.ensureBucket();
    await storage.ensureBucket();

    assert.equal(await storage.healthy(), true);
    storage.close();
  });

  for (const [what, drip] of [
    ["its answer's head", (socket: Socket) => socket.write("HTTP/1.1 200 OK\r\n")],
    [
      "the bytes that it holds",
      (socket: Socket) => socket.write("HTTP/1.1 200 OK\r\nContent-Length: 16044\r\n\r\n"),
    ],
  ] as const) {
    it(`that drips ${what} is given up`, async () => {
      const { path, print } = await fileOf(16_044);
      await world.storage.put(path, "ws/call/rec.wav", print);
      proxy.meddle = (asked, answer) => {
        delete answer.headers["x-amz-checksum-sha256"];
        if (asked.method !== "GET") return false;
        drip(asked.socket);
        const timer = setInterval(() => asked.socket.write("X"), 20);
        asked.socket.once("close", () => clearInterval(timer));
        return true;
      };
      // A minute goes by in a second.
      const hasty = { ...world.clock, after: (ms: number, fn: () => void) => systemClock.after(ms / 60, fn) };
      const storage = storageAt(proxy.endpoint, hasty);

      await assert.rejects(storage.put(path, "ws/call/rec.wav", print), unavailable);
      storage.close();
    });
  }

  for (const [what, bytes] of [
    ["in one piece", 16_044],
    ["in parts", 20 * 1024 * 1024],
  ] as const) {
    it(`is sent no more of an upload ${what} that was given up: it cannot come when it was deleted`, async () => {
      const { path, print } = await fileOf(bytes);
      const underWay = new Set<IncomingMessage>();
      const begun = Promise.withResolvers<null>();
      proxy.refuse = (asked) => {
        if (asked.method !== "PUT") return false;
        underWay.add(asked);
        begun.resolve(null);
        asked.socket.once("close", () => underWay.delete(asked));
        asked.resume();
        return true;
      };
      // Once it is under way a minute goes by in a second.
      const after = (ms: number, fn: () => void) => {
        const cancelled = new AbortController();
        void begun.promise.then(() => systemClock.sleep(ms / 60, cancelled.signal)).then(fn, () => undefined);
        return { cancel: () => cancelled.abort() };
      };
      const hasty = { ...world.clock, after };
      const storage = storageAt(proxy.endpoint, hasty);

      await assert.rejects(storage.put(path, "ws/call/rec.wav", print), unavailable);

      await until("nothing is under way", () => underWay.size === 0);
      const { length } = proxy.requests.filter((request) => request.startsWith("PUT"));
      assert(length === 1 || length === 2, `${length} requests`);
      storage.close();
    });
  }

  it("that does not answer is given up", async () => {
    // Takes connections and drops each without a word.
    const silent = createServer((asked) => asked.socket.destroy());
    silent.listen(0, "127.0.0.1");
    await once(silent, "listening");
    const storage = storageAt(`http://127.0.0.1:${(silent.address() as AddressInfo).port}`, world.clock);

    await assert.rejects(storage.head("ws/call/rec.wav"), unavailable);

    storage.close();
    silent.close();
  });
});
