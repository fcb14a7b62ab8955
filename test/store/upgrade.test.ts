import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import type { WorkspaceId } from "../../engine/ids.ts";
import { findResponse } from "../../engine/store/idempotency.ts";
import type { Store } from "../../engine/store/store.ts";
import { statementOf } from "../../engine/wallet/statement.ts";
import { verifyLedger } from "../../engine/wallet/verify.ts";
import { databaseKind, testDatabase, type TestDatabase } from "./test-database.ts";

const directory = new URL("../../engine/store/migrations/", import.meta.url);
/** What was there when the rows below were written. */
const filesOfThen = readdirSync(directory).filter((name) => name < "019");

const workspace = "ws_01j00000000000000000000001" as WorkspaceId;
const at = (time: string) => Date.parse(time);

describe(`a database with rows, upgraded, on ${databaseKind}`, () => {
  let database: TestDatabase;
  let store: Store;

  before(async () => {
    database = await testDatabase({ migrated: false });
    await database.byHand(
      "CREATE TABLE migrations (name TEXT PRIMARY KEY, sha256 TEXT NOT NULL, applied_at TEXT NOT NULL)",
    );
    for (const name of filesOfThen) {
      const sql = readFileSync(new URL(name, directory), "utf8");
      const sha256 = createHash("sha256").update(sql).digest("hex");
      await database.byHand(sql.replace(/^\s*--.*$/gm, ""));
      await database.byHand(`INSERT INTO migrations VALUES ('${name}', '${sha256}', '2026-11-01')`);
    }
    await database.byHand(rows.join(";\n"));
    store = await database.open();
  });
  after(async () => {
    await store.close();
    await database.remove();
  });

  const all = (sql: string) => store.read((tx) => tx.all<Record<string, unknown>>(sql));

  it("breaks no invariant of the ledger, nor of the storage", async () => {
    const findings = await store.read(verifyLedger);
    assert.deepEqual(
      findings.filter(({ ok }) => !ok),
      [],
    );
  });

  it("tells a month's statement from the days that it was given", async () => {
    const may = await statementOf(store, workspace, "2026-05");
    const june = await statementOf(store, workspace, "2026-06");
    // 31 May, 21:30 UTC, is June in Nairobi.
    assert.deepEqual([may.openingMinor, may.closingMinor], [0, 700]);
    assert.deepEqual([june.openingMinor, june.closingMinor], [700, 1200]);
  });

  it("knows the object that an upload of before may have left, and what is in use", async () => {
    assert.deepEqual(await all("SELECT id, object_key, put_until_ms FROM recordings ORDER BY id"), [
      { id: "rec_1", objectKey: `${workspace}/call_1/rec_1.wav`, putUntilMs: null },
      { id: "rec_2", objectKey: `${workspace}/call_1/rec_2.wav`, putUntilMs: null },
      { id: "rec_3", objectKey: null, putUntilMs: null },
    ]);
    assert.deepEqual(await all("SELECT used_bytes FROM storage_meters"), [{ usedBytes: 5000 }]);
  });

  it("keeps exports with why they ended, and has the open one made", async () => {
    assert.deepEqual(
      await all("SELECT id, status, ended_by, next_attempt_at_ms, attempts FROM privacy_exports ORDER BY id"),
      [
        { id: "exp_1", status: "pending", endedBy: null, nextAttemptAtMs: 5, attempts: 0 },
        { id: "exp_2", status: "ready", endedBy: null, nextAttemptAtMs: null, attempts: 0 },
        { id: "exp_3", status: "expired", endedBy: "time", nextAttemptAtMs: null, attempts: 0 },
        { id: "exp_4", status: "expired", endedBy: "erasure", nextAttemptAtMs: null, attempts: 0 },
      ],
    );
    assert.deepEqual(await all("SELECT erasure_id, call_id FROM privacy_erased_calls"), [
      { erasureId: "era_1", callId: "call_2" },
    ]);
  });

  it("answers an Idempotency-Key of before again", async () => {
    const request = {
      owner: workspace,
      method: "POST",
      path: "/v1/calls",
      idempotencyKey: "once",
      bodySha256: "",
    };
    const kept = await store.read((tx) => findResponse(tx, request, 0));
    assert.equal(kept?.response, "{}");
  });

  it("has a paper for each porting request, and knows which is its document", async () => {
    assert.deepEqual(await all("SELECT id, document_key FROM ports ORDER BY id"), [
      { id: "port_1", documentKey: `${workspace}/ports/port_1` },
      { id: "port_2", documentKey: null },
    ]);
    assert.deepEqual(
      await all("SELECT port_id, kept_at_ms, deleted_at_ms FROM port_papers ORDER BY port_id"),
      [
        { portId: "port_1", keptAtMs: 7, deletedAtMs: null },
        { portId: "port_2", keptAtMs: null, deletedAtMs: null },
      ],
    );
  });

  it("knows which foreign countries were called, and has every workspace watched", async () => {
    assert.deepEqual(await all("SELECT id, country FROM legs ORDER BY id"), [
      { id: "leg_1", country: "UG" },
      // Who was dialled on, of whom nobody knows.
      { id: "leg_2", country: null },
      { id: "leg_3", country: null },
    ]);
    assert.deepEqual(
      await all("SELECT short_calls_max, numbers_per_range_max, new_country_watch FROM workspaces"),
      [{ shortCallsMax: 60, numbersPerRangeMax: 30, newCountryWatch: 1 }],
    );
  });
});

const insert = (table: string, row: Record<string, string | number | null>): string => {
  const values = Object.values(row).map((value) => (typeof value === "string" ? `'${value}'` : `${value}`));
  return `INSERT INTO ${table} (${Object.keys(row).join(", ")}) VALUES (${values.join(", ")})`;
};

const call = (id: string, more: Record<string, string | number | null>) =>
  insert("calls", {
    ...{
      id,
      workspace_id: workspace,
      from_e164: "+254200000007",
      to_e164: "+256700000001",
      status: "completed",
    },
    ...{
      direction: "outbound",
      country: "UG",
      options: "{}",
      created_at_ms: 1,
      ended_at_us: 2,
      updated_at_ms: 1,
    },
    ...more,
  });
const leg = (id: string, callId: string, position: number, more: Record<string, string | number | null>) =>
  insert("legs", {
    ...{ id, call_id: callId, workspace_id: workspace, position, kind: "pstn", direction: "outbound" },
    ...{ from_e164: "+254200000007", to_e164: "+256700000001", status: "failed", box: "box", ended_at_us: 2 },
    ...{ rate_micro_kes_per_minute: 0, created_at_ms: 1, max_duration_seconds: 60, cut_after_seconds: 60 },
    ...{ started_at_us: 1, billed_seconds: 0, cost_minor: 0, hangup_cause: "no_answer", ended_by: "event" },
    ...more,
  });
/** Nobody answered it. */
const cdr = (legId: string, callId: string, direction: string) =>
  insert("cdrs", {
    ...{
      leg_id: legId,
      call_id: callId,
      workspace_id: workspace,
      direction,
      started_at_us: 1,
      ended_at_us: 2,
    },
    ...{ from_e164: "+254200000007", to_e164: "+256700000001", ring_us: 0, talk_us: 0, billed_seconds: 0 },
    ...{
      rate_micro_kes_per_minute: 0,
      cost_minor: 0,
      hangup_cause: "no_answer",
      ended_by: "event",
      created_at_ms: 1,
    },
  });
const recording = (id: string, status: string, more: Record<string, string | number | null> = {}) =>
  insert("recordings", {
    ...{
      id,
      call_id: "call_1",
      leg_id: "leg_1",
      workspace_id: workspace,
      box: "box",
      status,
      created_at_ms: 1,
    },
    ...more,
  });
const privacyExport = (id: string, status: string, expiresAtMs: number | null) =>
  insert("privacy_exports", {
    ...{ id, workspace_id: workspace, pseudonym: "p", status, created_at_ms: 5, expires_at_ms: expiresAtMs },
  });
const port = (id: string, e164: string, documentAtMs: number | null) =>
  insert("ports", {
    ...{ id, workspace_id: workspace, e164, country: "KE", current_carrier: "a" },
    ...{ account_reference: "b", document_at_ms: documentAtMs, status: "submitted" },
    ...{ expected_from: "2026-06-01", expected_by: "2026-06-09", created_at_ms: 1, updated_at_ms: 1 },
  });

/** A credit of so many cents, out of `promotions`. */
function credit(sequence: number, amountMinor: number, afterMinor: number, time: string): string[] {
  const id = `txn_${sequence}`;
  const entry = (accountId: string, sign: 1 | -1) =>
    insert("ledger_entries", {
      ...{ transaction_id: id, account_id: accountId, sequence },
      ...{ amount_minor: sign * amountMinor, balance_after_minor: sign * afterMinor },
    });
  return [
    insert("ledger_transactions", {
      ...{ id, reference: `credit ${sequence}`, kind: "promotion", description: "", workspace_id: workspace },
      created_at_ms: at(time),
    }),
    entry("acc_wallet", 1),
    entry("acc_promotions", -1),
  ];
}

const account = (id: string, kind: string, workspaceId: string | null, balanceMinor: number) =>
  insert("ledger_accounts", {
    id,
    kind,
    workspace_id: workspaceId,
    balance_minor: balanceMinor,
    last_sequence: 3,
  });

const rows = [
  insert("workspaces", { id: workspace, name: "Duka", created_at_ms: 1, mpesa_account_ref: "SKDUKA" }),
  account("acc_wallet", "wallet", workspace, 1200),
  account("acc_promotions", "promotions", null, -1200),
  ...credit(1, 500, 500, "2026-05-02T09:00:00Z"),
  ...credit(2, 200, 700, "2026-05-31T20:30:00Z"),
  ...credit(3, 500, 1200, "2026-05-31T21:30:00Z"),
  call("call_1", {}),
  call("call_2", { erased_by: "era_1" }),
  leg("leg_1", "call_1", 0, {}),
  leg("leg_2", "call_1", 1, { to_e164: "+254700000002" }),
  leg("leg_3", "call_2", 0, { direction: "inbound" }),
  cdr("leg_1", "call_1", "outbound"),
  cdr("leg_2", "call_1", "outbound"),
  cdr("leg_3", "call_2", "inbound"),
  recording("rec_1", "ready", { size_bytes: 5000, sha256: "00", stored_at_ms: 3 }),
  recording("rec_2", "uploading"),
  recording("rec_3", "empty"),
  insert("storage_meters", { workspace_id: workspace, next_day: 0, settled_to_day: 0 }),
  privacyExport("exp_1", "pending", null),
  privacyExport("exp_2", "ready", 9),
  privacyExport("exp_3", "expired", 9),
  privacyExport("exp_4", "expired", null),
  insert("privacy_erasures", {
    ...{
      id: "era_1",
      workspace_id: workspace,
      pseudonym: "p",
      status: "complete",
      created_at_ms: 1,
      counts: "{}",
    },
  }),
  insert("idempotent_responses", {
    ...{
      workspace_id: workspace,
      method: "POST",
      path: "/v1/calls",
      idempotency_key: "once",
      body_sha256: "",
    },
    ...{ status: 201, response: "{}", created_at_ms: 1 },
  }),
  port("port_1", "+254700000008", 7),
  port("port_2", "+254700000009", null),
];
