import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../engine/clock.ts";
import { openSqlite } from "../../engine/store/sqlite.ts";
import { startEmbeddedS3 } from "../../recordings/embedded-s3/server.ts";
import { unzipped } from "../privacy/world.ts";
import { sautikit, toldLines } from "./sautikit.ts";

const otieno = "+254712345678";

describe("the operator's commands for people", function () {
  this.timeout(60_000);
  let folder: string;
  let env: Record<string, string>;
  let s3: Awaited<ReturnType<typeof startEmbeddedS3>>;
  let workspace: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "sautikit-people-"));
    const credentials = { accessKeyId: "operator", secretAccessKey: "operator-secret" };
    s3 = await startEmbeddedS3({
      ...{ host: "127.0.0.1", port: 0, directory: join(folder, "s3"), region: "af-nairobi-1", credentials },
      ...{ buckets: ["sautikit-recordings"], clock: systemClock },
    });
    env = {
      ...{ DATA_DIR: folder, S3_ENDPOINT: s3.endpoint },
      ...{ S3_ACCESS_KEY_ID: credentials.accessKeyId, S3_SECRET_ACCESS_KEY: credentials.secretAccessKey },
    };
  });
  after(async () => {
    await s3.close();
    await rm(folder, { recursive: true, force: true });
  });

  const told = (...args: string[]) => toldLines(args, env);
  async function rows<Row>(sql: string): Promise<Row[]> {
    const store = await openSqlite(join(folder, "sautikit.db"), { clock: systemClock });
    try {
      return await store.read((tx) => tx.all<Row>(sql));
    } finally {
      await store.close();
    }
  }
  async function write(...statements: string[]): Promise<void> {
    const store = await openSqlite(join(folder, "sautikit.db"), { clock: systemClock });
    await store.write(async (tx) => {
      for (const statement of statements) await tx.run(statement);
    });
    await store.close();
  }

  it("make a workspace with its owner, who needs only to sign in", async () => {
    const [made] = await told("workspace", "create", "Duka", "--owner", "Wanjiru@Example.co.ke");
    workspace = String(made!["workspace_id"]);
    assert.equal(made!["owner"], "wanjiru@example.co.ke");
    const owners = await rows("SELECT m.role, u.email FROM members m JOIN users u ON u.id = m.user_id");
    assert.deepEqual(owners, [{ role: "owner", email: "wanjiru@example.co.ke" }]);
    const { code, stderr } = await sautikit(["workspace", "create", "Duka", "--owner", "nobody"], env);
    assert.deepEqual([code, stderr], [1, 'sautikit: "nobody" is not a mail address.\n']);
  });

  it("leave an entry each in the audit log of the workspace, as the operator's, without any secret", async () => {
    const [key] = await told("key", "create", workspace);
    await told("key", "revoke", String(key!["key_id"]));
    const [number] = await told("number", "add", workspace, "+254200000007");
    await told("number", "route", "+254200000007", "--voice-url", "");
    await told("number", "route", "+254200000007");
    await told("credit", workspace, "50", "--reference", "cheque 7");
    await told("credit", workspace, "50", "--reference", "cheque 7");

    const entries = await rows<Record<string, string>>("SELECT * FROM audit_entries ORDER BY id");

    assert.deepEqual(
      entries.map((one) => [one["actorKind"], one["workspaceId"], one["action"]]),
      ["workspace create", "key create", "key revoke", "number add", "number route", "credit"].map(
        (action) => ["operator", workspace, action],
      ),
    );
    const text = JSON.stringify(entries);
    for (const secret of [key!["api_key"], number!["voice_signing_secret"]])
      assert.ok(!text.includes(String(secret)));
  });

  it("list who was reached between two times: whom to tell of a breach", async () => {
    const at = Date.parse("2026-11-20T10:00:00Z");
    const call = (id: number, to: string, ms: number) => {
      const [callId, legId] = [`call_${id}`, `leg_${id}`];
      return [
        `INSERT INTO calls (id, workspace_id, direction, from_e164, to_e164, status, options, created_at_ms, ended_at_us, updated_at_ms)
         VALUES ('${callId}', '${workspace}', 'outbound', '+254200000007', '${to}', 'failed', '{}', ${ms}, ${ms * 1000 + 60_000_000}, ${ms})`,
        `INSERT INTO legs (id, call_id, workspace_id, position, kind, direction, from_e164, to_e164, status, box,
           rate_micro_kes_per_minute, max_duration_seconds, cut_after_seconds, created_at_ms, ended_at_us)
         VALUES ('${legId}', '${callId}', '${workspace}', 0, 'pstn', 'outbound', '+254200000007', '${to}', 'failed', 'box', 0, 1, 1, ${ms}, ${ms * 1000 + 60_000_000})`,
      ];
    };
    await write(
      ...call(1, otieno, at),
      ...call(2, otieno, at + 600_000),
      ...call(3, "+254733000001", at),
      // It ended within, and had begun before.
      ...call(4, "+254733000002", at - 30_000),
      ...call(5, "+254733000003", at - 120_000),
      ...call(6, "+254733000004", at + 3_600_000),
      // Placed by a device of the workspace's own, and recorded there: what is in the file is of whom it talked with.
      ...call(7, "+254733000005", at),
      `INSERT INTO legs (id, call_id, workspace_id, position, kind, direction, from_e164, to_e164, status, box,
         rate_micro_kes_per_minute, max_duration_seconds, cut_after_seconds, created_at_ms)
       VALUES ('leg_70', 'call_7', '${workspace}', 1, 'sip', 'inbound', '+254200000007', '+254733000005', 'failed', 'box', 0, 1, 1, ${at})`,
      `INSERT INTO recordings (id, call_id, leg_id, workspace_id, box, status, created_at_ms)
       VALUES ('rec_70', 'call_7', 'leg_70', '${workspace}', 'box', 'deleted', ${at})`,
    );

    const reached = await told("privacy", "reached", "2026-11-20T10:00:00Z", "2026-11-20T11:00:00Z");

    assert.deepEqual(
      reached.map(({ number, calls, recordings }) => [number, calls, recordings]),
      [
        [otieno, 2, 0],
        ["+254733000001", 1, 0],
        ["+254733000002", 1, 0],
        ["+254733000005", 1, 1],
      ],
    );
    assert.deepEqual(
      [reached[0]!["workspace_id"], reached[0]!["first_at"], reached[0]!["last_at"]],
      [workspace, "2026-11-20T10:00:00Z", "2026-11-20T10:10:00Z"],
    );
    const { code } = await sautikit(["privacy", "reached", "yesterday", "today"], env);
    assert.equal(code, 1);
  });

  it("export a person's data, with a link, and erase it, with a receipt", async () => {
    const [made] = await told("privacy", "export", workspace, otieno);
    assert.deepEqual([made!["status"], made!["calls"]], ["ready", 2]);
    const zip = await fetch(String(made!["download_url"]));
    const files = unzipped(Buffer.from(await zip.arrayBuffer()));
    assert.equal((JSON.parse(files.get("calls.json")!.toString()) as unknown[]).length, 2);

    const [receipt] = await told("privacy", "erase", workspace, otieno);
    assert.equal(receipt!["status"], "complete");
    assert.equal((receipt!["erased"] as { calls: number }).calls, 2);
    assert.equal((await fetch(String(made!["download_url"]))).status, 404, "the export is gone with it");
    const [again] = await told("privacy", "erase", workspace, otieno);
    assert.equal((again!["erased"] as { calls: number }).calls, 0);
    const reached = await told("privacy", "reached", "2026-11-20T10:00:00Z", "2026-11-20T11:00:00Z");
    assert.equal(reached.filter(({ number }) => number === receipt!["pseudonym"]).length, 1);
    const actions = await rows<{ action: string }>(
      "SELECT action FROM audit_entries WHERE action LIKE 'privacy%' ORDER BY id",
    );
    assert.deepEqual(
      actions.map(({ action }) => action),
      ["privacy export", "privacy erase", "privacy erase"],
    );
  });

  it("leave an export to the server where the storage cannot be reached", async () => {
    const { code, stdout, stderr } = await sautikit(["privacy", "export", workspace, "+254733000001"], {
      ...env,
      S3_ENDPOINT: "http://127.0.0.1:9",
    });
    assert.equal(code, 0, stderr);
    assert.match(stderr, /The server goes on with it/);
    assert.equal((JSON.parse(stdout) as { status: string }).status, "pending");
  });
});
