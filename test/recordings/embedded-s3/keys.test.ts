import assert from "node:assert/strict";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { DeleteObjectCommand, ListObjectsV2Command } from "@aws-sdk/client-s3";
import fc from "fast-check";
import { keyFileName, keyOfFileName } from "../../../recordings/embedded-s3/key-file-name.ts";
import { bucket, pathOf, signed, Store } from "./store.ts";

const awkward = [
  "../../x",
  "a/../b",
  "..",
  ".",
  "./a",
  "/",
  "//",
  "/etc/passwd",
  "a//b",
  "a/",
  "a b",
  "a+b",
  "a%b",
  "a%2Fb",
  "%2e%2e/%2e%2e/x",
  "a\\..\\b",
  "a\u0000b",
  "a\nb\r\n",
  "simu ya Wanjiru.wav",
  "é",
  "e\u0301",
  "日本",
  "\u{1f600}",
  "!'()*~-._",
  "a?b#c&d=e",
  "<key>&amp;</key>",
  "Case",
  "case",
  "con",
  "a".repeat(1024),
  "é".repeat(512),
  `${"é".repeat(511)}aa`,
];

describe("object keys", function () {
  this.timeout(20_000);
  let store: Store;
  before(async () => {
    store = await Store.open();
  });
  after(() => store.close());

  const put = async (key: string, body: Buffer) => {
    const reply = await store.send(await signed(store.port, { method: "PUT", path: pathOf(key), body }));
    assert.equal(reply.status, 200, `${JSON.stringify(key)} ${reply.body.toString()}`);
  };
  const get = async (key: string) =>
    (await store.send(await signed(store.port, { method: "GET", path: pathOf(key) }))).body;
  const listed = async () => {
    const page = await store.client.send(new ListObjectsV2Command({ Bucket: bucket, EncodingType: "url" }));
    return (page.Contents ?? []).map(({ Key }) => decodeURIComponent(Key!));
  };

  it("name objects and never paths, however awkward", async () => {
    for (const key of awkward) await put(key, Buffer.from(key));
    for (const key of awkward) assert.equal((await get(key)).toString(), key);
    assert.deepEqual((await listed()).sort(), [...awkward].sort());

    const files = await readdir(store.directory, { recursive: true });
    const objects = join("buckets", bucket, "objects");
    for (const file of files.filter((each) => !["incoming", "buckets"].includes(each))) {
      assert.ok(
        file === join("buckets", bucket) ||
          file === join("buckets", bucket, "uploads") ||
          file.startsWith(objects),
        file,
      );
    }
    assert.equal((await readdir(join(store.directory, objects))).length, awkward.length);
    await assert.rejects(stat(join(store.directory, "..", "x")));

    for (const Key of awkward.filter((key) => !key.includes("\u0000"))) {
      await store.client.send(new DeleteObjectCommand({ Bucket: bucket, Key }));
    }
    assert.deepEqual(await listed(), ["a\u0000b"]);
  });

  const key = fc
    .oneof(
      fc.string({ unit: "binary", minLength: 1, maxLength: 200 }),
      fc.stringMatching(/^[./%+~A-Za-z]{1,400}$/),
    )
    .filter((each) => each.isWellFormed());

  it("of any characters bring back any bytes", async () => {
    const bytes = fc.uint8Array({ maxLength: 2000 });
    await fc.assert(
      fc.asyncProperty(key, bytes, async (anyKey, anyBytes) => {
        await put(anyKey, Buffer.from(anyBytes));
        assert.deepEqual(await get(anyKey), Buffer.from(anyBytes));
      }),
      { numRuns: 60 },
    );
  });

  it("become file names that are safe, short, and read back", () => {
    fc.assert(
      fc.property(key, (anyKey) => {
        const name = keyFileName(anyKey);
        assert.match(name, /^[a-z0-9_%+-][a-z0-9._%+~-]{0,254}$/);
        assert.equal(keyOfFileName(name) ?? anyKey, anyKey);
      }),
      { numRuns: 2000 },
    );
  });

  it("that differ have file names that differ, even where case does not count", () => {
    fc.assert(
      fc.property(key, key, (one, other) => {
        fc.pre(one !== other);
        assert.notEqual(keyFileName(one).toLowerCase(), keyFileName(other).toLowerCase());
      }),
      { numRuns: 2000 },
    );
    assert.notEqual(keyFileName("Case"), keyFileName("case"));
    assert.notEqual(keyFileName(`${"x".repeat(1000)}a`), keyFileName(`${"x".repeat(1000)}b`));
  });
});
