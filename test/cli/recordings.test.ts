import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { systemClock } from "../../engine/clock.ts";
import { systemIds } from "../../engine/ids.ts";
import { openSqlite } from "../../engine/store/sqlite.ts";
import { startEmbeddedS3 } from "../../recordings/embedded-s3/server.ts";
import { createStorage, type Storage } from "../../recordings/storage.ts";
import { openStorageProxy } from "../peers/storage-proxy.ts";
import { sautikit } from "./sautikit.ts";

const bucket = "sautikit-recordings";
const ids = systemIds(systemClock);

describe("recordings verify", function () {
  this.timeout(60_000);
  let folder: string;
  let env: Record<string, string>;
  let s3: Awaited<ReturnType<typeof startEmbeddedS3>>;
  let storage: Storage;
  const [workspace, call, leg] = [ids.next("ws"), ids.next("call"), ids.next("leg")];

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "sautikit-verify-"));
    const credentials = { accessKeyId: "operator", secretAccessKey: "operator-secret" };
    const region = "af-nairobi-1";
    s3 = await startEmbeddedS3({
      ...{ host: "127.0.0.1", port: 0, directory: join(folder, "s3"), region, credentials },
      ...{ buckets: [bucket], clock: systemClock },
    });
    storage = createStorage({
      ...{ ...credentials, region, bucket, endpoint: s3.endpoint, forcePathStyle: true, clock: systemClock },
    });
    env = {
      ...{ DATA_DIR: folder, S3_ENDPOINT: s3.endpoint },
      ...{ S3_ACCESS_KEY_ID: credentials.accessKeyId, S3_SECRET_ACCESS_KEY: credentials.secretAccessKey },
    };
    assert.equal((await sautikit(["ledger", "verify"], env)).code, 0);
    await write(
      `INSERT INTO workspaces (id, name, created_at_ms, mpesa_account_ref) VALUES ('${workspace}', 'Duka', 0, 'SKDUKA')`,
      `INSERT INTO calls (id, workspace_id, direction, from_e164, to_e164, status, options, created_at_ms, updated_at_ms)
       VALUES ('${call}', '${workspace}', 'outbound', '+254200000007', '+254712345678', 'completed', '{}', 0, 0)`,
      `INSERT INTO legs (id, call_id, workspace_id, position, kind, direction, from_e164, to_e164, status, box,
         rate_micro_kes_per_minute, max_duration_seconds, cut_after_seconds, created_at_ms)
       VALUES ('${leg}', '${call}', '${workspace}', 0, 'pstn', 'outbound', '+254200000007', '+254712345678', 'completed', 'box', 0, 1, 1, 0)`,
    );
  });
  after(async () => {
    storage.close();
    await s3.close();
    await rm(folder, { recursive: true, force: true });
  });

  async function write(...statements: string[]): Promise<void> {
    const store = await openSqlite(join(folder, "sautikit.db"), { clock: systemClock });
    await store.write(async (tx) => {
      for (const statement of statements) await tx.run(statement);
    });
    await store.close();
  }
  async function verified(...options: string[]) {
    const { code, stdout, stderr } = await sautikit(["recordings", "verify", ...options], env);
    const lines = stdout
      .split("\n")
      .filter(Boolean)
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    return { code, stderr, findings: lines.slice(0, -1), summary: lines.at(-1) };
  }
  /** A recording of `content`, stored. */
  async function record(
    content: string,
    status = "ready",
    { gone = false } = {},
  ): Promise<{ id: string; key: string }> {
    const id = ids.next("rec");
    const key = `${workspace}/${call}/${id}.wav`;
    const sha256 = createHash("sha256").update(content).digest("hex");
    const deleted = status === "deleted" ? [1, "'retention'", gone ? 2 : "NULL"] : ["NULL", "NULL", "NULL"];
    await write(
      `INSERT INTO recordings (id, call_id, leg_id, workspace_id, box, status, created_at_ms, size_bytes, sha256, object_key,
         stored_at_ms, deleted_at_ms, delete_reason, object_removed_at_ms)
       VALUES ('${id}', '${call}', '${leg}', '${workspace}', 'box', '${status}', 0, ${content.length}, '${sha256}', '${key}',
         1, ${deleted.join(", ")})`,
    );
    if (!gone) await storage.putBytes(new TextEncoder().encode(content), key, "audio/wav");
    return { id, key };
  }

  it("finds nothing where all is as the rows say, however many there are", async () => {
    for (let count = 0; count < 3; count++) await record(`recording ${count}`);
    await record("it was deleted", "deleted", { gone: true });
    const prompts = Array.from({ length: 205 }, () => ids.next("med"));
    await write(
      ...prompts.map(
        (id) =>
          `INSERT INTO media (id, workspace_id, content_type, size_bytes, sha256, duration_ms, object_key, created_at_ms)
           VALUES ('${id}', '${workspace}', 'audio/wav', 1, '', 1, '${workspace}/media/${id}', 1)`,
      ),
    );
    for (const id of prompts)
      await storage.putBytes(new Uint8Array([1]), `${workspace}/media/${id}`, "audio/wav");
    await storage.putBytes(new Uint8Array([1]), "doctor/checked.txt", "text/plain");

    const { code, findings, summary, stderr } = await verified("--checksums");

    assert.deepEqual(findings, []);
    assert.equal(code, 0, stderr);
    assert.deepEqual(summary, {
      ...{ recordings: 4, ready: 3, objects: 208, bytes: 3 * "recording 0".length + 205 },
      ...{ findings: 0, checksums: true },
    });
  });

  it("tells of each recording that the bucket lacks, holds otherwise, or should not hold, and of what is nobody's", async () => {
    const lost = await record("lost");
    await storage.delete(lost.key);
    const cut = await record("cut short");
    await storage.delete(cut.key);
    await storage.putBytes(new TextEncoder().encode("cut"), cut.key, "audio/wav");
    const other = await record("said this");
    await storage.delete(other.key);
    await storage.putBytes(new TextEncoder().encode("said that"), other.key, "audio/wav");
    const left = await record("deleted long ago", "deleted");
    const orphans = [`${workspace}/${call}/${ids.next("rec")}.wav`, `${workspace}/notes.txt`].sort();
    for (const key of orphans) await storage.putBytes(new Uint8Array([1, 2]), key, "audio/wav");

    const quick = await verified();
    assert.equal(quick.code, 1);
    const told = (findings: Record<string, unknown>[]) =>
      findings.map(({ finding, recording_id, object_key }) => [finding, recording_id, object_key]);
    const expected = [
      ["missing", lost.id, lost.key],
      ["size", cut.id, cut.key],
      ["not_removed", left.id, left.key],
      ...orphans.map((key) => ["orphan", null, key]),
    ];
    assert.deepEqual(told(quick.findings).sort(), [...expected].sort());
    assert.deepEqual([quick.summary!["findings"], quick.summary!["checksums"]], [5, false]);
    assert.deepEqual(
      [quick.findings[1]!["expected_bytes"], quick.findings[1]!["bytes"]],
      ["cut short".length, "cut".length],
    );

    const thorough = await verified("--checksums");
    assert.deepEqual(told(thorough.findings).sort(), [...expected, ["checksum", other.id, other.key]].sort());
  });

  it("reads on behind a page that is shorter than was asked for, as a storage may give", async () => {
    const proxy = await openStorageProxy(s3);
    let pages = 0;
    proxy.meddle = (asked, answer, reply) => {
      if (!asked.url?.includes("list-type=2")) return false;
      pages++;
      void text(answer).then((body) => {
        const objects = body.match(/<Contents>.*?<\/Contents>/gs) ?? [];
        const short = objects.slice(60).reduce((left, object) => left.replace(object, ""), body);
        reply.writeHead(200, { "content-type": "application/xml" }).end(short);
      });
      return true;
    };
    const before = await verified();
    const direct = env;
    env = { ...env, S3_ENDPOINT: proxy.endpoint };
    const { summary } = await verified().finally(() => (env = direct));
    await proxy.close();
    assert.deepEqual(summary, before.summary);
    assert.ok(pages > 3, `${pages} pages`);
  });

  it("fails, and says so, where the storage cannot be reached", async () => {
    for (const [change, says] of [
      [
        { S3_ENDPOINT: "http://127.0.0.1:9" },
        /The bucket sautikit-recordings at http:\/\/127\.0\.0\.1:9 cannot be reached/,
      ],
      [{ S3_ENDPOINT: "" }, /embedded storage cannot be reached: it is served by `npx sautikit start`/],
    ] as const) {
      const { code, stdout, stderr } = await sautikit(["recordings", "verify"], { ...env, ...change });
      assert.deepEqual([code, stdout], [1, ""]);
      assert.match(stderr, says);
    }
    const { code, stderr } = await sautikit(["recordings", "verify", "all"], env);
    assert.equal(code, 1);
    assert.match(stderr, /one word too many/);
  });
});
