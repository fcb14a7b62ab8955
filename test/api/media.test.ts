import { strict as assert } from "node:assert";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { request, type IncomingMessage } from "node:http";
import { join } from "node:path";
import { SautikitError } from "../../engine/errors.ts";
import type { Storage } from "../../recordings/storage.ts";
import { wav } from "../media/wav.ts";
import { startObjectStorage, type ObjectStorage } from "../peers/object-storage.ts";
import { eventually } from "../peers/waiting.ts";
import { nairobi, otienosPhone, world, type World } from "./world.ts";

const tone = wav({ seconds: 0.5 });
const mp3 = readFileSync(join(import.meta.dirname, "../media/fixtures/tone-440.mp3"));

describe("uploaded prompts", function () {
  // An hour of sound is converted among them, which takes some seconds of a processor.
  this.timeout(60_000);
  let objectStorage: ObjectStorage;
  let storage: Storage;
  /** What the storage does to the next put. */
  let put: "as it should" | "refuse" | "die after it" = "as it should";
  let lastPut: { bytes: Uint8Array; key: string; contentType: string };
  /** Keys that the storage removes nothing of. */
  const deaf = new Set<string>();
  let api: World;
  let wanjiru: Awaited<ReturnType<World["workspace"]>>;
  let otieno: Awaited<ReturnType<World["workspace"]>>;

  before(async () => {
    objectStorage = await startObjectStorage();
    storage = objectStorage.storage;
    const troubled: Storage = {
      ensureBucket: () => storage.ensureBucket(),
      put: (file, key, expected) => storage.put(file, key, expected),
      putFile: (file, key, contentType) => storage.putFile(file, key, contentType),
      getFile: (key, file, bytes) => storage.getFile(key, file, bytes),
      get: (key, max) => storage.get(key, max),
      head: (key) => storage.head(key),
      read: (key, bytes) => storage.read(key, bytes),
      list: (prefix, after, limit) => storage.list(prefix, after, limit),
      presignGet: (key, options) => storage.presignGet(key, options),
      delete: (key, options) =>
        deaf.has(key)
          ? Promise.reject(new SautikitError("storage.unavailable", "No."))
          : storage.delete(key, options),
      healthy: () => storage.healthy(),
      close: () => storage.close(),
      async putBytes(bytes, key, contentType) {
        lastPut = { bytes, key, contentType };
        if (put === "refuse") throw new SautikitError("storage.unavailable", "No.", { retryAfterSeconds: 5 });
        await storage.putBytes(bytes, key, contentType);
        // As a process that is killed between the two: nothing after this happens.
        if (put === "die after it") await new Promise(() => undefined);
      },
    };
    api = await world({}, { storage: troubled });
    wanjiru = await api.workspace();
    otieno = await api.workspace({ name: "Otieno", number: "+254200000002" });
  });
  beforeEach(() => {
    put = "as it should";
  });
  after(async () => {
    await api.end();
    await objectStorage.close();
  });

  const upload = (
    body: Uint8Array | string,
    { path = "/v1/media", key = wanjiru.key, type = "audio/wav", headers = {} } = {},
  ) => api.ask("POST", path, { key, body, headers: { "content-type": type, ...headers } });
  const objects = (media: { id: string }) => storage.head(`${wanjiru.id}/media/${media.id}`);
  const rows = async () =>
    (await api.store.read((tx) => tx.get<{ rows: number }>("SELECT COUNT(*) AS rows FROM media")))!.rows;

  it("are no forms: the MP3 in one would be found, and the form's own bytes kept with it", async () => {
    const form = new FormData();
    form.append("file", new Blob([mp3]), "karibu.mp3");
    const before = await rows();
    const sent = new Response(form);
    const type = sent.headers.get("content-type")!;
    const refused = await upload(new Uint8Array(await sent.arrayBuffer()), { type });
    assert.deepEqual(
      [refused.status, refused.body.error.code, refused.body.error.message],
      [
        415,
        "media.unsupported",
        "The body is a form. Send the file itself: curl --data-binary @file, not -F.",
      ],
    );
    assert.equal(await rows(), before);
  });

  it("come as they are, are told by their content, listed, fetched by a link, and deleted for good", async () => {
    const first = await upload(tone, { path: "/v1/media?name=Karibu%20sana" });
    // What it is called does not matter.
    const second = await upload(mp3, { type: "application/octet-stream" });

    assert.equal(first.status, 201);
    const { id, created_at: createdAt, ...told } = first.body;
    assert.deepEqual(told, {
      url: `https://sautikit.example/v1/media/${id}/file`,
      sha256: createHash("sha256").update(tone).digest("hex"),
      size_bytes: tone.length,
      duration_seconds: 0.5,
      content_type: "audio/wav",
      name: "Karibu sana",
    });
    assert.ok(Math.abs(Date.parse(createdAt) - Date.now()) < 10_000);
    assert.deepEqual(
      [second.body.content_type, second.body.duration_seconds, "name" in second.body],
      ["audio/mpeg", 1, false],
    );

    const one = await api.ask("GET", `/v1/media/${id}`, { key: wanjiru.key });
    assert.deepEqual(one.body, first.body);
    const list = await api.ask("GET", "/v1/media?limit=1", { key: wanjiru.key });
    assert.deepEqual(list.body.data, [second.body]);
    const next = await api.ask("GET", `/v1/media?limit=1&cursor=${list.body.next_cursor}`, {
      key: wanjiru.key,
    });
    assert.deepEqual([next.body.data, next.body.next_cursor], [[first.body], null]);

    const file = await api.ask("GET", `/v1/media/${id}/file`, { key: wanjiru.key });
    assert.equal(file.status, 302);
    const fetched = await fetch(file.headers.get("location")!);
    assert.equal(fetched.headers.get("content-type"), "audio/wav");
    assert.ok(Buffer.from(await fetched.arrayBuffer()).equals(tone));

    for (const media of [first.body, second.body]) {
      const path = `/v1/media/${media.id}`;
      assert.equal((await api.ask("DELETE", path, { key: wanjiru.key })).status, 204);
      assert.equal((await api.ask("DELETE", path, { key: wanjiru.key })).body.error.code, "media.not_found");
      assert.equal(
        (await api.ask("GET", `${path}/file`, { key: wanjiru.key })).body.error.code,
        "media.not_found",
      );
      assert.ok(await objects(media), "still in the storage");
    }
    await api.prompts.sweep();
    assert.equal(await objects(first.body), null);
    assert.equal(await rows(), 0);
  });

  it("are their workspace's alone, and need the scopes of calls", async () => {
    const { body: media } = await upload(tone);
    const path = `/v1/media/${media.id}`;
    for (const [method, at] of [
      ["GET", path],
      ["GET", `${path}/file`],
      ["DELETE", path],
    ] as const) {
      const asked = await api.ask(method, at, { key: otieno.key });
      assert.deepEqual([asked.status, asked.body.error.code], [404, "media.not_found"]);
    }
    assert.deepEqual((await api.ask("GET", "/v1/media", { key: otieno.key })).body.data, []);

    const reader = await api.key(wanjiru.id, { scopes: ["calls.read"] });
    assert.equal((await upload(tone, { key: reader })).body.error.code, "auth.scope");
    assert.equal((await api.ask("DELETE", path, { key: reader })).body.error.code, "auth.scope");
    assert.equal((await api.ask("GET", path, { key: reader })).status, 200);
    const writer = await api.key(wanjiru.id, { scopes: ["calls.write"] });
    assert.equal((await api.ask("GET", path, { key: writer })).body.error.code, "auth.scope");
  });

  it("are refused at the POST of a document, by their field, where there is no such prompt", async () => {
    const { body: mine } = await upload(tone);
    const { body: theirs } = await upload(tone, { key: otieno.key });
    const gone = await upload(tone);
    await api.ask("DELETE", `/v1/media/${gone.body.id}`, { key: wanjiru.key });
    const place = (actions: unknown[]) =>
      api.ask("POST", "/v1/calls", { key: wanjiru.key, body: { from: nairobi, to: otienosPhone, actions } });
    const documents = (url: string): [field: string, action: object][] => [
      ["actions[0].play.url", { play: { url } }],
      [
        "actions[0].getDigits.nested[1].play.url",
        { getDigits: { nested: [{ say: { text: "Karibu" } }, { play: { url } }] } },
      ],
      ["actions[0].dial.ringback", { dial: { number: otienosPhone, ringback: url } }],
    ];
    const base = "https://sautikit.example/v1/media/";
    for (const url of [
      ...[theirs.url, gone.body.url, base, `${base}${mine.id}`, `${mine.url}/x`, `${mine.url}?key=1`],
      ...[`HTTPS://SAUTIKIT.EXAMPLE:443/v1/./media/${theirs.id}/file`, `${base}rec_1/file`],
    ])
      for (const [field, action] of documents(url)) {
        const { status, body } = await place([action]);
        assert.deepEqual(
          [status, body.error.code, body.error.fields],
          [
            ...[400, "validation.invalid"],
            [{ field, code: "media_not_found", message: "is no prompt of this workspace" }],
          ],
          url,
        );
      }

    for (const [, action] of documents(mine.url)) assert.equal((await place([action])).status, 201);
    // Somebody else's server is asked in the call, and not before.
    assert.equal((await place([{ play: { url: "https://shop.example/v1/media/x" } }])).status, 201);
    const { body: call } = await place([{ wait: { seconds: 1 } }]);
    const directed = await api.ask("POST", `/v1/calls/${call.id}/actions`, {
      key: wanjiru.key,
      body: { actions: [{ play: { url: theirs.url } }] },
    });
    assert.equal(directed.body.error.fields[0].field, "actions[0].play.url");
  });

  it("are refused where they cannot be played, with a reason, and leave nothing behind", async () => {
    const before = await rows();
    for (const [body, status, code] of [
      ["", 415, "media.unsupported"],
      ['{"url":"https://shop.example/karibu.wav"}', 415, "media.unsupported"],
      [wav({ tag: 2, bits: 16 }), 415, "media.unsupported"],
      [wav({ seconds: 0 }), 415, "media.unsupported"],
      [mp3.subarray(0, 3), 415, "media.unsupported"],
      [Buffer.alloc(10 * 1024 * 1024 + 1), 413, "media.too_large"],
      // 8 bits at 1 kHz: an hour and a second in 3.6 MB.
      [tiny(3601), 422, "media.too_long"],
    ] as const) {
      const refusal = await upload(body);
      assert.deepEqual([refusal.status, refusal.body.error.code], [status, code]);
    }
    assert.deepEqual((await upload(tone, { path: "/v1/media?nmae=x" })).body.error.fields[0], {
      field: "nmae",
      code: "unknown",
      message: "is not known here",
    });
    assert.equal((await upload(tone, { path: "/v1/media?name=%00" })).body.error.fields[0].field, "name");
    assert.equal(await rows(), before);
  });

  it("may be 10 MiB to the byte, while every other body stays under 256 KiB", async () => {
    const largest = tiny(2, 10 * 1024 * 1024);
    const { status, body } = await upload(largest);
    assert.deepEqual([status, body.size_bytes, body.duration_seconds], [201, largest.length, 2]);
    const [row] = await api.prompts.list(wanjiru.id, { limit: 1, before: null });
    assert.ok(Buffer.from(await api.prompts.read(row!)).equals(largest), "it came in parts, and is whole");

    const other = await api.ask("POST", "/v1/calls", {
      key: wanjiru.key,
      body: " ".repeat(256 * 1024 + 1),
    });
    assert.deepEqual([other.status, other.body.error.code], [413, "validation.body_too_large"]);
  });

  it("are taken once for an Idempotency-Key, whatever their bytes and name", async () => {
    const headers = { "idempotency-key": "prompt-1" };
    const first = await upload(tone, { headers });
    const again = await upload(tone, { headers });
    assert.deepEqual([again.status, again.body], [201, first.body]);
    assert.equal(again.headers.get("idempotent-replay"), "true");
    for (const other of [
      await upload(mp3, { headers }),
      await upload(tone, { headers, path: "/v1/media?name=x" }),
    ])
      assert.deepEqual([other.status, other.body.error.code], [409, "idempotency.conflict"]);
  });

  it("take no more room than a workspace may have, also when they come at once", async () => {
    const njeri = await api.workspace({ name: "Njeri", number: "+254200000003" });
    const full = (count: number, bytes: number) =>
      api.store.write(async (tx) => {
        await tx.run("DELETE FROM media WHERE workspace_id = ?", [njeri.id]);
        for (let index = 0; index < count; index++)
          await tx.run(
            `INSERT INTO media (id, workspace_id, content_type, size_bytes, sha256, duration_ms, object_key, created_at_ms, stored_at_ms)
             VALUES (?, ?, 'audio/wav', ?, '', 1, '', 1, 1)`,
            [api.ids.next("med"), njeri.id, bytes],
          );
      });
    const send = () => upload(tone, { key: njeri.key });

    await full(1, 200_000_000 - tone.length);
    const two = await Promise.all([send(), send()]);
    assert.deepEqual(two.map(({ status }) => status).sort(), [201, 409]);
    assert.equal(two.find(({ status }) => status === 409)?.body.error.code, "media.storage_full");
    await full(1000, 1);
    assert.equal((await send()).body.error.code, "media.storage_full");
    await api.store.write((tx) => tx.run("DELETE FROM media WHERE workspace_id = ?", [njeri.id]));
  });

  it("are two at a time for a workspace; a third is told when to come back, and who sends nothing holds up nobody else", async () => {
    const slow = Array.from({ length: 3 }, () => {
      const headers = { authorization: `Bearer ${wanjiru.key}`, "content-length": 100 };
      const sending = request(`${api.url}/v1/media`, { method: "POST", headers });
      sending.on("error", () => undefined);
      sending.write("RIFF");
      return sending;
    });
    const [refusal] = (await Promise.race(slow.map((sending) => once(sending, "response")))) as [
      IncomingMessage,
    ];
    assert.equal(refusal.statusCode, 429);
    assert.equal(refusal.headers["retry-after"], "2");
    assert.equal((await upload(tone)).body.error.code, "media.busy");
    assert.equal((await upload(tone, { key: otieno.key })).status, 201);

    for (const sending of slow) sending.destroy();
    await eventually("room", async () => ((await upload(tone)).status === 201 ? true : undefined));
  });

  it("that the storage takes after it has said that it does not, or of which it has parts, stay no longer", async () => {
    put = "refuse";
    assert.equal((await upload(tone)).status, 503);
    const { bytes, key, contentType } = lastPut;
    await api.prompts.sweep();
    await storage.putBytes(bytes, key, contentType);
    await objectStorage.leaveUnfinished(key);

    api.clock.offsetMs += 16 * 60_000;
    await api.prompts.sweep();
    api.clock.offsetMs = 0;

    assert.equal(await storage.head(key), null);
    assert.deepEqual(await objectStorage.unfinished(), []);
    assert.deepEqual(
      await api.store.read((tx) => tx.all("SELECT id FROM media WHERE stored_at_ms IS NULL")),
      [],
    );
  });

  it("of which one cannot be removed are removed all the same", async () => {
    const [kept, other] = [await upload(tone), await upload(tone)];
    for (const { body } of [kept, other])
      await api.ask("DELETE", `/v1/media/${body.id}`, { key: wanjiru.key });
    deaf.add(`${wanjiru.id}/media/${kept.body.id}`);

    await assert.rejects(api.prompts.sweep());
    assert.deepEqual([!!(await objects(kept.body)), await objects(other.body)], [true, null]);

    deaf.clear();
    await api.prompts.sweep();
    assert.equal(await objects(kept.body), null);
  });

  it("are nobody's where the storage fails or the process dies, and no object stays behind", async () => {
    put = "refuse";
    const refused = await upload(tone);
    assert.deepEqual([refused.status, refused.body.error.code], [503, "storage.unavailable"]);

    put = "die after it";
    void upload(tone).catch(() => undefined);
    const row = await eventually("an object without a prompt", async () => {
      const found = await api.store.read((tx) =>
        tx.get<{ id: string }>("SELECT id FROM media WHERE stored_at_ms IS NULL AND deleted_at_ms IS NULL"),
      );
      return found && (await objects(found)) ? found : undefined;
    });
    assert.equal((await api.ask("GET", `/v1/media/${row.id}`, { key: wanjiru.key })).status, 404);
    await api.prompts.sweep();
    assert.ok(await objects(row), "it may still be on its way");

    api.clock.offsetMs += 16 * 60_000;
    await api.prompts.sweep();
    api.clock.offsetMs = 0;
    assert.equal(await objects(row), null);
    const left = await api.store.read((tx) => tx.all("SELECT id FROM media WHERE stored_at_ms IS NULL"));
    assert.deepEqual(left, []);
  });
});

/** As many seconds in as few bytes as can be: 8 bits at 1 kHz. Padded by a chunk that nobody reads. */
function tiny(seconds: number, bytes?: number): Buffer {
  const [head] = [wav({ bits: 8, sampleRate: 1000, seconds: 0 })];
  const data = Buffer.alloc(seconds * 1000, 128);
  for (let at = 0; at < data.length; at += 2) data[at] = 140;
  head.writeUInt32LE(data.length, 40);
  const padding = bytes === undefined ? Buffer.alloc(0) : Buffer.alloc(bytes - head.length - data.length);
  return Buffer.concat([head, data, padding]);
}
