import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListPartsCommand,
  PutObjectCommand,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import { Upload } from "@aws-sdk/lib-storage";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";
import { bucket, noise, signed, Store } from "./store.ts";

const partSize = 5 * 1024 ** 2;

describe("multipart uploads, through the AWS SDK", function () {
  this.timeout(20_000);
  const big = noise(12_000_000);
  const [first, second, third] = [0, 1, 2].map((index) =>
    big.subarray(index * partSize, (index + 1) * partSize),
  );
  let store: Store;
  before(async () => {
    store = await Store.open();
  });
  after(() => store.close());

  const read = async (Key: string) => {
    const reply = await store.client.send(
      new GetObjectCommand({ Bucket: bucket, Key, ChecksumMode: "ENABLED" }),
    );
    return { ...reply, bytes: Buffer.from(await reply.Body!.transformToByteArray()) };
  };
  const create = async (Key: string, options: object = {}) =>
    (await store.client.send(new CreateMultipartUploadCommand({ Bucket: bucket, Key, ...options })))
      .UploadId!;
  const part = async (Key: string, UploadId: string, PartNumber: number, Body: Buffer | string) => {
    const { ETag } = await store.client.send(
      new UploadPartCommand({ Bucket: bucket, Key, UploadId, PartNumber, Body }),
    );
    return { PartNumber, ETag };
  };
  const complete = (
    Key: string,
    UploadId: string,
    Parts: { PartNumber: number; ETag?: string | undefined }[],
  ) =>
    store.client.send(
      new CompleteMultipartUploadCommand({
        Bucket: bucket,
        Key,
        UploadId,
        MultipartUpload: {
          Parts: Parts.map(({ PartNumber, ETag }) => ({ PartNumber, ...(ETag && { ETag }) })),
        },
      }),
    );
  const uploadsLeft = async () =>
    (await store.client.send(new ListMultipartUploadsCommand({ Bucket: bucket }))).Uploads ?? [];

  it("are put together by lib-storage, with a SHA-256 of every part and of them all", async () => {
    const done = await new Upload({
      client: store.client,
      params: {
        Bucket: bucket,
        Key: "big.wav",
        Body: big,
        ChecksumAlgorithm: "SHA256",
        ContentType: "audio/wav",
      },
      partSize,
    }).done();
    const { bytes, ...reply } = await read("big.wav");

    const sums = [first!, second!, third!].map((piece) => createHash("sha256").update(piece).digest());
    const composite = `${createHash("sha256").update(Buffer.concat(sums)).digest("base64")}-3`;
    const md5s = [first!, second!, third!].map((piece) => createHash("md5").update(piece).digest());
    assert.ok(bytes.equals(big));
    assert.equal(reply.ContentType, "audio/wav");
    assert.equal(done.ChecksumSHA256, composite);
    assert.equal(reply.ChecksumSHA256, composite);
    assert.equal(reply.ChecksumType, "COMPOSITE");
    assert.equal(done.ETag, `"${createHash("md5").update(Buffer.concat(md5s)).digest("hex")}-3"`);
    assert.deepEqual(await uploadsLeft(), []);
  });

  it("are put together with the SDK's defaults, and with no checksums at all", async () => {
    for (const requestChecksumCalculation of ["WHEN_SUPPORTED", "WHEN_REQUIRED"] as const) {
      const client = store.clientWith({ requestChecksumCalculation });
      const params = { Bucket: bucket, Key: requestChecksumCalculation, Body: big };
      await new Upload({ client, params, partSize }).done();
      assert.ok((await read(requestChecksumCalculation)).bytes.equals(big));
    }
  });

  it("carry the CRC of the whole object when asked for it", async () => {
    const id = await create("whole", { ChecksumAlgorithm: "CRC32", ChecksumType: "FULL_OBJECT" });
    const parts = [await part("whole", id, 1, first!), await part("whole", id, 2, "the end")];
    await complete("whole", id, parts);
    const expected = Buffer.alloc(4);
    expected.writeUInt32BE(crc32("the end", crc32(first!)));
    const reply = await read("whole");
    assert.equal(reply.ChecksumCRC32, expected.toString("base64"));
    assert.equal(reply.ChecksumType, "FULL_OBJECT");
  });

  it("show nothing until they are complete, and can be listed meanwhile", async () => {
    const id = await create("unfinished/ü");
    await part("unfinished/ü", id, 2, "second");
    await part("unfinished/ü", id, 1, "first");
    await part("unfinished/ü", id, 1, "first again");

    const uploads = await uploadsLeft();
    const page = (PartNumberMarker?: string) =>
      store.client.send(
        new ListPartsCommand({
          Bucket: bucket,
          Key: "unfinished/ü",
          UploadId: id,
          MaxParts: 1,
          ...(PartNumberMarker && { PartNumberMarker }),
        }),
      );
    const firstPage = await page();
    const secondPage = await page(firstPage.NextPartNumberMarker);
    assert.deepEqual(
      uploads.map(({ Key, UploadId }) => [Key, UploadId]),
      [["unfinished/ü", id]],
    );
    assert.deepEqual(
      firstPage.Parts?.map(({ PartNumber, Size }) => [PartNumber, Size]),
      [[1, 11]],
    );
    assert.deepEqual(
      secondPage.Parts?.map(({ PartNumber, Size }) => [PartNumber, Size]),
      [[2, 6]],
    );
    assert.equal(secondPage.IsTruncated, false);
    await assert.rejects(read("unfinished/ü"), { name: "NoSuchKey" });

    await store.client.send(
      new AbortMultipartUploadCommand({ Bucket: bucket, Key: "unfinished/ü", UploadId: id }),
    );
    assert.deepEqual(await uploadsLeft(), []);
    await assert.rejects(part("unfinished/ü", id, 3, "late"), { name: "NoSuchUpload" });
    assert.deepEqual(await readdir(join(store.directory, "incoming")), []);
  });

  it("take each part as it was last sent, and leave out what the completion leaves out", async () => {
    const id = await create("chosen");
    await part("chosen", id, 1, "first");
    const kept = await part("chosen", id, 1, "first again");
    await part("chosen", id, 2, "left out");
    await complete("chosen", id, [kept]);
    assert.equal((await read("chosen")).bytes.toString(), "first again");
  });

  it("complete twice with the same answer, for a client that lost the first", async () => {
    const id = await create("repeated");
    const parts = [await part("repeated", id, 1, "once")];
    const once = await complete("repeated", id, parts);
    const again = await complete("repeated", id, parts);
    assert.equal(again.ETag, once.ETag);
  });

  it("replace an object in one step, also when completions race", async () => {
    await store.client.send(new PutObjectCommand({ Bucket: bucket, Key: "replaced", Body: "old" }));
    const id = await create("replaced");
    const parts = [await part("replaced", id, 1, "new")];
    const outcomes = await Promise.allSettled([1, 2, 3, 4].map(() => complete("replaced", id, parts)));
    assert.ok(outcomes.some(({ status }) => status === "fulfilled"));
    assert.equal((await read("replaced")).bytes.toString(), "new");
    assert.deepEqual(await uploadsLeft(), []);
  });

  it("are refused with a part unknown, altered, out of order, too small or none", async () => {
    const id = await create("refused");
    const one = await part("refused", id, 1, "small");
    const two = await part("refused", id, 2, "small");
    const attempt = (parts: Parameters<typeof complete>[2]) => complete("refused", id, parts);
    await assert.rejects(attempt([one, { ...two, PartNumber: 3 }]), { name: "InvalidPart" });
    await assert.rejects(attempt([{ ...one, ETag: `"${"0".repeat(32)}"` }]), { name: "InvalidPart" });
    await assert.rejects(attempt([two, one]), { name: /InvalidPartOrder|EntityTooSmall/ });
    await assert.rejects(attempt([one, two]), { name: "EntityTooSmall" });
    await assert.rejects(attempt([]), { name: "MalformedXML" });
    await assert.rejects(part("refused", id, 10_001, "a"), { name: "InvalidArgument" });
    await assert.rejects(part("refused", id, 0, "a"), { name: "InvalidArgument" });
    await assert.rejects(part("another key", id, 1, "a"), { name: "NoSuchUpload" });
    await assert.rejects(part("refused", "../../objects", 1, "a"), { name: "NoSuchUpload" });
    await assert.rejects(read("refused"), { name: "NoSuchKey" });
  });

  it("are refused when the completion is no such document", async () => {
    const id = await create("documented");
    for (const body of [
      "",
      "<",
      "<a/>",
      "<CompleteMultipartUpload>",
      "<CompleteMultipartUpload><Part/></CompleteMultipartUpload>",
      '<!DOCTYPE a [<!ENTITY b "c">]><CompleteMultipartUpload/>',
      "<CompleteMultipartUpload>&b;</CompleteMultipartUpload>",
    ]) {
      const reply = await store.send(
        await signed(store.port, {
          method: "POST",
          path: `/${bucket}/documented`,
          query: { uploadId: id },
          headers: { "content-length": String(body.length) },
          body,
        }),
      );
      assert.equal(reply.code, "MalformedXML", body);
    }
  });

  it("take a part by a presigned link", async () => {
    const id = await create("linked");
    const client = store.clientWith({ requestChecksumCalculation: "WHEN_REQUIRED" });
    const put = new UploadPartCommand({ Bucket: bucket, Key: "linked", UploadId: id, PartNumber: 1 });
    const reply = await fetch(await getSignedUrl(client, put), { method: "PUT", body: "habari" });
    await complete("linked", id, [{ PartNumber: 1, ETag: reply.headers.get("etag") ?? "" }]);
    assert.equal((await read("linked")).bytes.toString(), "habari");
  });

  it("survive a restart half-way", async () => {
    const id = await create("interrupted");
    const one = await part("interrupted", id, 1, "before the restart");
    await store.stop();
    store = await Store.open({ directory: store.directory });
    await complete("interrupted", id, [one]);
    assert.equal((await read("interrupted")).bytes.toString(), "before the restart");
    const head = new HeadObjectCommand({ Bucket: bucket, Key: "interrupted" });
    assert.match((await store.client.send(head)).ETag ?? "", /-1"$/);
  });

  it("leave no fault behind", () => assert.deepEqual(store.faults, []));
});
