import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { createConnection, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { GetObjectCommand, ListObjectsV2Command, PutObjectCommand } from "@aws-sdk/client-s3";
import { systemClock } from "../../../engine/clock.ts";
import { bucket, credentials, noise, region, send, signed, Store } from "./store.ts";

/** Waits for what a peer will do soon and does not announce. */
async function eventually(check: () => Promise<boolean>): Promise<void> {
  const deadlineMs = systemClock.monotonicMs() + 5000;
  while (!(await check())) {
    assert.ok(systemClock.monotonicMs() < deadlineMs, "It did not happen within 5 s.");
    await systemClock.sleep(10);
  }
}

/** Sends the head of a large PUT and half of its body. */
async function putHalf(port: number, key: string): Promise<Socket> {
  const body = noise(2_000_000);
  const wire = await signed(port, {
    method: "PUT",
    path: `/${bucket}/${key}`,
    payloadHash: "UNSIGNED-PAYLOAD",
    headers: { "content-length": String(body.length) },
  });
  const socket = createConnection({ host: "127.0.0.1", port });
  const headers = Object.entries(wire.headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.write(`PUT ${wire.path} HTTP/1.1\r\n${headers.join("")}\r\n`);
  socket.write(body.subarray(0, 1_000_000));
  return socket;
}

const incoming = (directory: string) => readdir(join(directory, "incoming"));

describe("a write that ends half-way", function () {
  this.timeout(20_000);
  it("leaves the old object when the client goes away", async () => {
    const store = await Store.open();
    await store.client.send(new PutObjectCommand({ Bucket: bucket, Key: "leg.wav", Body: "the old one" }));

    const socket = await putHalf(store.port, "leg.wav");
    await eventually(async () => (await incoming(store.directory)).length === 1);
    socket.destroy();
    await eventually(async () => (await incoming(store.directory)).length === 0);

    const read = await store.client.send(new GetObjectCommand({ Bucket: bucket, Key: "leg.wav" }));
    assert.equal(await read.Body!.transformToString(), "the old one");
    assert.deepEqual(store.faults, []);
    await store.close();
  });

  it("leaves nothing of a new object when the server is killed, and is swept at the next start", async () => {
    const directory = await mkdtemp(join(tmpdir(), "sautikit-s3-"));
    const server = new URL("../../../recordings/embedded-s3/server.ts", import.meta.url);
    const clock = new URL("../../../engine/clock.ts", import.meta.url);
    const options = { host: "127.0.0.1", port: 0, directory, region, credentials, buckets: [bucket] };
    const script = `
      import { startEmbeddedS3 } from ${JSON.stringify(server.href)};
      import { systemClock as clock } from ${JSON.stringify(clock.href)};
      console.log((await startEmbeddedS3({ ...${JSON.stringify(options)}, clock })).port);`;
    const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const [line] = (await once(child.stdout, "data")) as [Buffer];
    const port = Number(line.toString());

    const wire = await signed(port, { method: "PUT", path: `/${bucket}/whole.wav`, body: "whole" });
    assert.equal((await send(port, wire)).status, 200);
    const socket = await putHalf(port, "half.wav");
    socket.on("error", () => undefined);
    await eventually(async () => (await incoming(directory)).length === 1);
    child.kill("SIGKILL");
    await once(child, "exit");
    socket.destroy();

    const store = await Store.open({ directory });
    const page = await store.client.send(new ListObjectsV2Command({ Bucket: bucket }));
    assert.deepEqual(
      page.Contents?.map(({ Key }) => Key),
      ["whole.wav"],
    );
    assert.deepEqual(await incoming(directory), []);
    await store.close();
  });

  it("is refused with InternalError, and told to the owner, when the disk fails", async () => {
    const store = await Store.open();
    await rm(join(store.directory, "incoming"), { recursive: true });
    await writeFile(join(store.directory, "incoming"), "in the way");
    const put = store.client.send(new PutObjectCommand({ Bucket: bucket, Key: "leg.wav", Body: "a" }));
    await assert.rejects(put, { name: "InternalError" });
    assert.equal(store.faults.length, 1);
    await store.close();
  });

  it("of a second server on the same port, does not touch what the first is doing", async () => {
    const store = await Store.open();
    const socket = await putHalf(store.port, "leg.wav");
    await eventually(async () => (await incoming(store.directory)).length === 1);
    await assert.rejects(Store.open({ directory: store.directory, port: store.port }), {
      code: "EADDRINUSE",
    });
    assert.equal((await incoming(store.directory)).length, 1);
    socket.destroy();
    await store.close();
  });
});
