import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import {
  CopyObjectCommand,
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetBucketAclCommand,
  GetBucketLocationCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListBucketsCommand,
  ListObjectsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
} from "@aws-sdk/client-s3";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";
import fc from "fast-check";
import { bucket, noise, region, signed, Store } from "./store.ts";

describe("objects and buckets, through the AWS SDK", function () {
  this.timeout(20_000);
  let store: Store;
  before(async () => {
    store = await Store.open();
  });
  after(() => store.close());

  const put = (Key: string, Body: string | Buffer = "habari") =>
    store.client.send(new PutObjectCommand({ Bucket: bucket, Key, Body }));
  const get = async (Key: string, options: object = {}) => {
    const reply = await store.client.send(new GetObjectCommand({ Bucket: bucket, Key, ...options }));
    return { ...reply, bytes: Buffer.from(await reply.Body!.transformToByteArray()) };
  };

  it("makes, finds, lists and deletes a bucket, and makes none twice", async () => {
    await store.client.send(new CreateBucketCommand({ Bucket: "kept-for-otieno" }));
    const head = await store.client.send(new HeadBucketCommand({ Bucket: "kept-for-otieno" }));
    const list = await store.client.send(new ListBucketsCommand({}));
    const location = await store.client.send(new GetBucketLocationCommand({ Bucket: "kept-for-otieno" }));
    assert.equal(head.BucketRegion, region);
    assert.deepEqual(
      list.Buckets?.map(({ Name }) => Name),
      ["kept-for-otieno", bucket],
    );
    assert.equal(location.LocationConstraint, region);

    const again = store.client.send(new CreateBucketCommand({ Bucket: "kept-for-otieno" }));
    await assert.rejects(again, { name: "BucketAlreadyOwnedByYou" });

    await store.client.send(new DeleteBucketCommand({ Bucket: "kept-for-otieno" }));
    const gone = store.client.send(new HeadBucketCommand({ Bucket: "kept-for-otieno" }));
    await assert.rejects(gone, { name: "NotFound" });
  });

  it("deletes no bucket that holds a recording", async () => {
    await put("held.wav");
    const attempt = store.client.send(new DeleteBucketCommand({ Bucket: bucket }));
    await assert.rejects(attempt, { name: "BucketNotEmpty" });
    assert.equal((await get("held.wav")).bytes.toString(), "habari");
  });

  it("makes no bucket outside its folder", async () => {
    for (const path of ["/..", "/.", "/UPPER", "/a", "/a..b", "/a%00b"]) {
      const reply = await store.send(await signed(store.port, { method: "PUT", path }));
      assert.equal(reply.code, "InvalidBucketName", path);
    }
  });

  it("gives back bytes, headers, metadata and ETag as they were put", async () => {
    const Body = noise(300_000);
    const written = await store.client.send(
      new PutObjectCommand({
        Bucket: bucket,
        Key: "ws/call/leg.wav",
        Body,
        ContentType: "audio/wav",
        ContentDisposition: 'attachment; filename="leg.wav"',
        CacheControl: "private",
        Metadata: { leg: "leg_01", direction: "inbound" },
      }),
    );
    const read = await get("ws/call/leg.wav");
    const head = await store.client.send(new HeadObjectCommand({ Bucket: bucket, Key: "ws/call/leg.wav" }));

    assert.deepEqual(read.bytes, Body);
    assert.equal(written.ETag, `"${createHash("md5").update(Body).digest("hex")}"`);
    for (const reply of [read, head]) {
      assert.equal(reply.ETag, written.ETag);
      assert.equal(reply.ContentLength, 300_000);
      assert.equal(reply.ContentType, "audio/wav");
      assert.equal(reply.ContentDisposition, 'attachment; filename="leg.wav"');
      assert.equal(reply.CacheControl, "private");
      assert.deepEqual(reply.Metadata, { leg: "leg_01", direction: "inbound" });
      assert.equal(reply.AcceptRanges, "bytes");
    }
  });

  it("takes a stream of known length with the SDK's trailing checksum, without its framing", async () => {
    const Body = noise(300_000);
    await store.client.send(
      new PutObjectCommand({
        Bucket: bucket,
        Key: "streamed",
        Body: Readable.from([Body]),
        ContentLength: Body.length,
      }),
    );
    const read = await get("streamed", { ChecksumMode: "ENABLED" });
    assert.deepEqual(read.bytes, Body);
    assert.equal(read.ContentEncoding, undefined);
    assert.match(read.ChecksumCRC32 ?? "", /^.{6}==$/);
  });

  for (const ChecksumAlgorithm of ["CRC32", "CRC32C", "SHA1", "SHA256"] as const) {
    it(`checks, keeps and returns a ${ChecksumAlgorithm}`, async () => {
      const Key = `summed-${ChecksumAlgorithm}`;
      await store.client.send(
        new PutObjectCommand({ Bucket: bucket, Key, Body: "123456789", ChecksumAlgorithm }),
      );
      const head = await store.client.send(
        new HeadObjectCommand({ Bucket: bucket, Key, ChecksumMode: "ENABLED" }),
      );
      // The CRCs of these nine digits are in every table of check values.
      const known = {
        CRC32: "y/Q5Jg==",
        CRC32C: "4waSgw==",
        SHA1: createHash("sha1").update("123456789").digest("base64"),
        SHA256: createHash("sha256").update("123456789").digest("base64"),
      };
      assert.equal(head[`Checksum${ChecksumAlgorithm}`], known[ChecksumAlgorithm]);
      assert.equal(head.ChecksumType, "FULL_OBJECT");
    });
  }

  it("keeps an empty object, and gives it back empty", async () => {
    await put("empty", Buffer.alloc(0));
    const read = await get("empty");
    assert.equal(read.ContentLength, 0);
    assert.equal(read.bytes.length, 0);
  });

  const ranges = [
    { Range: "bytes=0-3", expect: "0123", contentRange: "bytes 0-3/10" },
    { Range: "bytes=7-", expect: "789", contentRange: "bytes 7-9/10" },
    { Range: "bytes=-2", expect: "89", contentRange: "bytes 8-9/10" },
    { Range: "bytes=-99", expect: "0123456789", contentRange: "bytes 0-9/10" },
    { Range: "bytes=5-99", expect: "56789", contentRange: "bytes 5-9/10" },
    { Range: "bytes=0-1,4-5", expect: "0123456789", contentRange: undefined },
    { Range: "seconds=1-2", expect: "0123456789", contentRange: undefined },
    { Range: "bytes=5-2", expect: "0123456789", contentRange: undefined },
  ];
  for (const { Range, expect, contentRange } of ranges) {
    it(`answers the range ${Range} with ${expect}`, async () => {
      await put("digits", "0123456789");
      const read = await get("digits", { Range });
      assert.equal(read.bytes.toString(), expect);
      assert.equal(read.ContentRange, contentRange);
      assert.equal(read.$metadata.httpStatusCode, contentRange ? 206 : 200);
    });
  }

  it("refuses a range beyond the end", async () => {
    await put("digits", "0123456789");
    await assert.rejects(get("digits", { Range: "bytes=10-" }), { name: "InvalidRange" });
    await assert.rejects(get("digits", { Range: "bytes=-0" }), { name: "InvalidRange" });
  });

  it("answers 304 to whoever has the object, 412 to whoever wants another", async () => {
    const { ETag } = await put("conditional");
    const statusOf = (error: unknown) =>
      (error as { $metadata: { httpStatusCode: number } }).$metadata.httpStatusCode;
    await assert.rejects(get("conditional", { IfNoneMatch: ETag }), (error) => statusOf(error) === 304);
    await assert.rejects(get("conditional", { IfMatch: '"other"' }), { name: "PreconditionFailed" });
    await assert.rejects(
      get("conditional", { IfModifiedSince: new Date() }),
      (error) => statusOf(error) === 304,
    );
    assert.equal(
      (await get("conditional", { IfNoneMatch: '"other"', IfMatch: ETag })).bytes.toString(),
      "habari",
    );
  });

  it("lets one of many concurrent creators win when each asks that the key be new", async () => {
    const puts = Array.from({ length: 8 }, (_, index) =>
      store.client.send(
        new PutObjectCommand({ Bucket: bucket, Key: "once", Body: `writer ${index}`, IfNoneMatch: "*" }),
      ),
    );
    const outcomes = await Promise.allSettled(puts);
    const winner = outcomes.findIndex(({ status }) => status === "fulfilled");
    assert.equal(outcomes.filter(({ status }) => status === "fulfilled").length, 1);
    assert.equal((await get("once")).bytes.toString(), `writer ${winner}`);
  });

  it("shows readers one whole object or another while eight writers race", async () => {
    const bodies = Array.from({ length: 8 }, (_, index) => Buffer.alloc(200_000 + index, 65 + index));
    await put("raced", bodies[0]);
    const written = Promise.all(bodies.map((Body) => put("raced", Body)));
    for (let reads = 0; reads < 20; reads++) {
      const { bytes, ETag } = await get("raced");
      assert.ok(bodies.some((body) => body.equals(bytes)));
      assert.equal(ETag, `"${createHash("md5").update(bytes).digest("hex")}"`);
    }
    await written;
  });

  it("finishes a download although the object is deleted meanwhile", async () => {
    const Body = noise(4_000_000);
    await put("leaving", Body);
    const reply = await store.client.send(new GetObjectCommand({ Bucket: bucket, Key: "leaving" }));
    await store.client.send(new DeleteObjectCommand({ Bucket: bucket, Key: "leaving" }));
    assert.deepEqual(Buffer.from(await reply.Body!.transformToByteArray()), Body);
    await assert.rejects(get("leaving"), { name: "NoSuchKey" });
  });

  it("deletes what is there and what is not alike, one or many at a time", async () => {
    await put("first & <last>");
    await put("second");
    const many = await store.client.send(
      new DeleteObjectsCommand({
        Bucket: bucket,
        Delete: { Objects: [{ Key: "first & <last>" }, { Key: "second" }, { Key: "never was" }] },
      }),
    );
    assert.deepEqual(
      many.Deleted?.map(({ Key }) => Key),
      ["first & <last>", "second", "never was"],
    );
    await store.client.send(new DeleteObjectCommand({ Bucket: bucket, Key: "second" }));
    await assert.rejects(get("first & <last>"), { name: "NoSuchKey" });
  });

  it("copies an object with its metadata, or with new", async () => {
    await store.client.send(
      new PutObjectCommand({
        Bucket: bucket,
        Key: "from here/ü",
        Body: "habari",
        Metadata: { leg: "leg_01" },
      }),
    );
    const CopySource = `${bucket}/${encodeURIComponent("from here/ü")}`;
    await store.client.send(new CopyObjectCommand({ Bucket: bucket, Key: "copied", CopySource }));
    await store.client.send(
      new CopyObjectCommand({
        Bucket: bucket,
        Key: "renamed",
        CopySource,
        MetadataDirective: "REPLACE",
        Metadata: { leg: "leg_02" },
      }),
    );
    assert.deepEqual((await get("copied")).Metadata, { leg: "leg_01" });
    assert.deepEqual((await get("renamed")).Metadata, { leg: "leg_02" });
    assert.equal((await get("renamed")).bytes.toString(), "habari");
  });

  it("says which of bucket and key is missing", async () => {
    await assert.rejects(get("nothing here"), { name: "NoSuchKey" });
    const elsewhere = new PutObjectCommand({ Bucket: "never-made", Key: "a", Body: "a" });
    await assert.rejects(store.client.send(elsewhere), { name: "NoSuchBucket" });
    const head = new HeadObjectCommand({ Bucket: bucket, Key: "nothing here" });
    await assert.rejects(store.client.send(head), { name: "NotFound" });
  });

  it("refuses what it does not do, rather than pass over it", async () => {
    await assert.rejects(store.client.send(new GetBucketAclCommand({ Bucket: bucket })), {
      name: "NotImplemented",
    });
    const encrypted = new PutObjectCommand({
      Bucket: bucket,
      Key: "secret",
      Body: "a",
      ServerSideEncryption: "AES256",
    });
    await assert.rejects(store.client.send(encrypted), { name: "NotImplemented" });
    await assert.rejects(get("secret"), { name: "NoSuchKey" });
    await assert.rejects(get("held.wav", { VersionId: "1" }), { name: "NotImplemented" });
  });

  it("keeps its objects over a restart", async () => {
    await put("lasting", "asubuhi");
    await store.stop();
    store = await Store.open({ directory: store.directory });
    assert.equal((await get("lasting")).bytes.toString(), "asubuhi");
  });

  it("closes twice without complaint, and lets a download under way finish", async () => {
    const other = await Store.open();
    const Body = noise(3_000_000);
    await other.client.send(new PutObjectCommand({ Bucket: bucket, Key: "long", Body }));
    const url = await getSignedUrl(other.client, new GetObjectCommand({ Bucket: bucket, Key: "long" }));
    const reply = await fetch(url);
    const closing = [other.close(), other.stop()];
    assert.equal((await reply.arrayBuffer()).byteLength, 3_000_000);
    await Promise.all(closing);
  });
});

describe("listing, through the AWS SDK", () => {
  const keys = ["a", "a/1", "a/2", "a/b/3", "a0", "b/1", "b/2", "c", "é", "z/日", "\u{1f600}", "\uffee"];
  // By the bytes of UTF-8: U+FFEE sorts before U+1F600, though not in JavaScript.
  const sorted = [...keys].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  let store: Store;
  before(async () => {
    store = await Store.open();
    for (const Key of keys) {
      await store.client.send(new PutObjectCommand({ Bucket: bucket, Key, Body: Key }));
    }
  });
  after(() => store.close());

  /** Every page, as the keys and prefixes on it. */
  async function walk(options: {
    Prefix?: string;
    Delimiter?: string;
    MaxKeys?: number;
  }): Promise<string[][]> {
    const pages: string[][] = [];
    let ContinuationToken: string | undefined;
    do {
      const page = await store.client.send(
        new ListObjectsV2Command({
          Bucket: bucket,
          ...options,
          ...(ContinuationToken && { ContinuationToken }),
        }),
      );
      const names = [
        ...(page.Contents ?? []).map(({ Key }) => Key!),
        ...(page.CommonPrefixes ?? []).map(({ Prefix }) => Prefix!),
      ];
      assert.equal(page.KeyCount, names.length);
      pages.push(names);
      ContinuationToken = page.NextContinuationToken;
      assert.equal(page.IsTruncated, ContinuationToken !== undefined);
    } while (ContinuationToken);
    return pages;
  }

  it("is sorted by bytes, with size and ETag", async () => {
    const page = await store.client.send(new ListObjectsV2Command({ Bucket: bucket }));
    assert.deepEqual(
      page.Contents?.map(({ Key }) => Key),
      sorted,
    );
    assert.equal(page.Contents[0]?.Size, 1);
    assert.equal(page.Contents[0].ETag, `"${createHash("md5").update("a").digest("hex")}"`);
  });

  it("has every entry once, in order, whatever the page size, prefix and delimiter", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 13 }),
        fc.constantFrom("", "a", "a/", "z/", "nothing"),
        fc.constantFrom(undefined, "/"),
        async (MaxKeys, Prefix, Delimiter) => {
          const pages = await walk({ MaxKeys, Prefix, ...(Delimiter && { Delimiter }) });
          const expected = new Set(
            sorted
              .filter((key) => key.startsWith(Prefix))
              .map((key) => {
                const end = Delimiter ? key.indexOf(Delimiter, Prefix.length) : -1;
                return end < 0 ? key : key.slice(0, end + 1);
              }),
          );
          assert.equal(pages.flat().length, expected.size);
          assert.deepEqual(new Set(pages.flat()), expected);
          assert.ok(pages.slice(0, -1).every((names) => names.length === MaxKeys));
        },
      ),
      { numRuns: 40 },
    );
  });

  it("goes on after a key, in both versions", async () => {
    const second = await store.client.send(new ListObjectsV2Command({ Bucket: bucket, StartAfter: "b/1" }));
    const first = await store.client.send(
      new ListObjectsCommand({ Bucket: bucket, Marker: "b/1", MaxKeys: 1 }),
    );
    assert.deepEqual(
      second.Contents?.map(({ Key }) => Key),
      sorted.slice(sorted.indexOf("b/2")),
    );
    assert.deepEqual(
      first.Contents?.map(({ Key }) => Key),
      ["b/2"],
    );
    assert.equal(first.NextMarker, "b/2");
  });

  it("writes names URL-encoded when asked", async () => {
    const page = await store.client.send(
      new ListObjectsV2Command({ Bucket: bucket, Prefix: "z/", EncodingType: "url" }),
    );
    assert.deepEqual(
      page.Contents?.map(({ Key }) => Key),
      ["z/%E6%97%A5"],
    );
  });

  it("refuses a token it did not give out", async () => {
    const attempt = store.client.send(new ListObjectsV2Command({ Bucket: bucket, ContinuationToken: "?!" }));
    await assert.rejects(attempt, { name: "InvalidArgument" });
  });
});
