import type { CallId, Id, KeyId, UserId, WorkspaceId } from "../ids.ts";
import { camelCase } from "./column-names.ts";
import type { RecordingRow } from "./recordings.ts";
import type { ReadTx, Tx } from "./store.ts";

export interface ErasureRow {
  id: Id<"ers">;
  workspaceId: WorkspaceId;
  /** What stands where the number was. */
  pseudonym: string;
  /** Null once all is erased. */
  e164: string | null;
  status: "running" | "complete";
  /** Null: the operator. */
  requestedBy: KeyId | UserId | null;
  createdAtMs: number;
  completedAtMs: number | null;
  /** JSON: ErasureCounts. */
  counts: string;
}

/** How many rows of each kind were erased. */
export interface ErasureCounts {
  calls: number;
  legs: number;
  cdrs: number;
  events: number;
  recordings: number;
  deliveries: number;
  ledgerDescriptions: number;
  /** Other rows whose text named the number. */
  mentions: number;
}

/** False: one of the number is running. */
export async function insertErasure(
  tx: Tx,
  row: Omit<ErasureRow, "status" | "completedAtMs">,
): Promise<boolean> {
  const { changes } = await tx.run(
    `INSERT INTO privacy_erasures (id, workspace_id, pseudonym, e164, status, requested_by, created_at_ms, counts)
     VALUES (?, ?, ?, ?, 'running', ?, ?, ?) ON CONFLICT DO NOTHING`,
    [row.id, row.workspaceId, row.pseudonym, row.e164, row.requestedBy, row.createdAtMs, row.counts],
  );
  return changes === 1;
}

export const erasureById = (tx: ReadTx, workspaceId: WorkspaceId, id: ErasureRow["id"]) =>
  tx.get<ErasureRow>("SELECT * FROM privacy_erasures WHERE workspace_id = ? AND id = ?", [workspaceId, id]);

export const runningErasureOf = (tx: ReadTx, workspaceId: WorkspaceId, pseudonym: string) =>
  tx.get<ErasureRow>(
    "SELECT * FROM privacy_erasures WHERE workspace_id = ? AND pseudonym = ? AND status = 'running'",
    [workspaceId, pseudonym],
  );

/** Newest first, those older than `before`. */
export const erasuresOf = (
  tx: ReadTx,
  workspaceId: WorkspaceId,
  page: { limit: number; before: ErasureRow["id"] | null },
) =>
  tx.all<ErasureRow>(
    `SELECT * FROM privacy_erasures WHERE workspace_id = ? ${page.before === null ? "" : "AND id < ?"}
     ORDER BY id DESC LIMIT ?`,
    [workspaceId, ...(page.before === null ? [] : [page.before]), page.limit],
  );

/** The oldest first, those after `after`. */
export const runningErasures = (tx: ReadTx, after: ErasureRow["id"] | null, limit: number) =>
  tx.all<ErasureRow>(
    `SELECT * FROM privacy_erasures WHERE status = 'running' ${after === null ? "" : "AND id > ?"} ORDER BY id LIMIT ?`,
    [...(after === null ? [] : [after]), limit],
  );

/** Others that add to its counts wait. Undefined: it is complete. */
export const erasureToChange = (tx: Tx, id: ErasureRow["id"]) =>
  tx.get<ErasureRow>("SELECT * FROM privacy_erasures WHERE id = ? AND status = 'running' FOR NO KEY UPDATE", [
    id,
  ]);

export async function saveCounts(tx: Tx, id: ErasureRow["id"], counts: string): Promise<void> {
  await tx.run("UPDATE privacy_erasures SET counts = ? WHERE id = ?", [counts, id]);
}

/** The number itself goes with it. */
export async function completeErasure(tx: Tx, id: ErasureRow["id"], nowMs: number): Promise<boolean> {
  const { changes } = await tx.run(
    `UPDATE privacy_erasures SET status = 'complete', completed_at_ms = ?, e164 = NULL
     WHERE id = ? AND status = 'running'`,
    [nowMs, id],
  );
  return changes === 1;
}

const withParty = `c.id IN (SELECT l.call_id FROM legs l WHERE l.workspace_id = ? AND l.to_e164 = ?
  UNION SELECT l.call_id FROM legs l WHERE l.workspace_id = ? AND l.from_e164 = ?)`;

/** Whether a call that a number is a party of is under way. */
export async function hasLiveCall(tx: ReadTx, workspaceId: WorkspaceId, e164: string): Promise<boolean> {
  const row = await tx.get(
    `SELECT c.id FROM calls c WHERE ${withParty} AND (c.ended_at_us IS NULL
       OR EXISTS (SELECT 1 FROM legs o WHERE o.call_id = c.id AND o.ended_at_us IS NULL)) LIMIT 1`,
    [workspaceId, e164, workspaceId, e164],
  );
  return row !== undefined;
}

/** Calls of before `beforeMs` that a number is a party of and that are over, with how many of their recordings are not. */
export const callsToErase = (
  tx: ReadTx,
  { workspaceId, e164, createdAtMs }: Pick<ErasureRow, "workspaceId" | "e164" | "createdAtMs">,
  page: { limit: number; after: CallId | null; only?: CallId },
) =>
  tx.all<{ id: CallId; over: number }>(
    `SELECT c.id, CASE WHEN c.ended_at_us IS NOT NULL
         AND NOT EXISTS (SELECT 1 FROM legs o WHERE o.call_id = c.id AND o.ended_at_us IS NULL)
         AND NOT EXISTS (SELECT 1 FROM recordings r WHERE r.call_id = c.id
           AND r.status IN ('starting', 'recording', 'paused', 'stopping')) THEN 1 ELSE 0 END AS over
     FROM calls c WHERE ${withParty} AND c.created_at_ms <= ?
       ${page.after === null ? "" : "AND c.id > ?"} ${page.only === undefined ? "" : "AND c.id = ?"}
     ORDER BY c.id LIMIT ?`,
    [
      ...[workspaceId, e164, workspaceId, e164, createdAtMs],
      ...[page.after, page.only].filter((id) => typeof id === "string"),
      page.limit,
    ],
  );

/**
 * Takes a number, and all that was said of its call, out of the call's rows; money, times and causes stay. The call's row is
 * kept (`callToChange`), and it is over. Recordings are the caller's.
 */
export async function eraseCall(
  tx: Tx,
  callId: CallId,
  { id, e164, pseudonym }: Pick<ErasureRow, "id" | "pseudonym"> & { e164: string },
  nowMs: number,
): Promise<Omit<ErasureCounts, "recordings" | "mentions">> {
  const parties = (table: string, of: string) =>
    tx.run(
      `UPDATE ${table} SET from_e164 = CASE from_e164 WHEN ? THEN ? ELSE from_e164 END,
         to_e164 = CASE to_e164 WHEN ? THEN ? ELSE to_e164 END WHERE ${of} = ? AND (from_e164 = ? OR to_e164 = ?)`,
      [e164, pseudonym, e164, pseudonym, callId, e164, e164],
    );
  const legs = await parties("legs", "call_id");
  const cdrs = await parties("cdrs", "call_id");
  await parties("calls", "id");
  await tx.run(
    `UPDATE calls SET metadata = NULL, client_request_id = NULL, document = NULL, options = '{}',
       voice_callback_url = NULL, events_url = NULL, erased_by = ? WHERE id = ?`,
    [id, callId],
  );
  const events = await tx.run(`UPDATE call_events SET payload = '{"erased":true}' WHERE call_id = ?`, [
    callId,
  ]);
  const deliveries = await tx.run(
    `UPDATE deliveries SET body = '{}', erased_at_ms = ?,
       status = CASE status WHEN 'pending' THEN 'dead_letter' ELSE status END, next_attempt_at_ms = NULL
     WHERE call_id = ?`,
    [nowMs, callId],
  );
  await tx.run(
    `UPDATE delivery_attempts SET response = NULL WHERE response IS NOT NULL
       AND delivery_id IN (SELECT id FROM deliveries WHERE call_id = ?)`,
    [callId],
  );
  const ledger = await tx.run(
    `UPDATE ledger_transactions SET description = REPLACE(description, ?, ?)
     WHERE reference IN (SELECT l.id || ' settled' FROM legs l WHERE l.call_id = ?) AND description LIKE ?`,
    [e164, pseudonym, callId, `%${e164}%`],
  );
  return {
    calls: 1,
    legs: legs.changes,
    cdrs: cdrs.changes,
    events: events.changes,
    deliveries: deliveries.changes,
    ledgerDescriptions: ledger.changes,
  };
}

/** Of the calls of an erasure: recordings whose audio the storage was not yet seen to be without. */
export const recordingsToProveGone = (tx: ReadTx, id: ErasureRow["id"], limit: number) =>
  tx.all<RecordingRow>(
    `SELECT r.* FROM recordings r JOIN calls c ON c.id = r.call_id
     WHERE c.erased_by = ? AND r.object_removed_at_ms IS NULL ORDER BY r.id LIMIT ?`,
    [id, limit],
  );

/**
 * Text that customers, or we, may have written a number into; `of` bounds it to a workspace and to what was there when the
 * erasure was asked for. Running calls keep theirs.
 */
const texts: readonly { table: string; key: string; of: string; columns: readonly string[] }[] = [
  {
    table: "calls",
    key: "id",
    of: "workspace_id = ? AND created_at_ms <= ? AND ended_at_us IS NOT NULL",
    columns: [
      ...["from_e164", "to_e164", "metadata", "client_request_id", "options", "document"],
      ...["voice_callback_url", "events_url"],
    ],
  },
  ...Object.entries({
    call_events: ["payload"],
    deliveries: ["body", "url"],
    ledger_transactions: ["description"],
    mails: ["subject", "body"],
    audit_entries: ["before", "after"],
    media: ["name"],
    refusals: ["from_e164", "to_e164", "message"],
  }).map(([table, columns]) => ({
    ...{ table, columns, key: "id" },
    of: "workspace_id = ? AND created_at_ms <= ?",
  })),
  {
    table: "delivery_attempts",
    key: "delivery_id",
    of: "delivery_id IN (SELECT d.id FROM deliveries d WHERE d.workspace_id = ? AND d.created_at_ms <= ?)",
    columns: ["response"],
  },
  {
    table: "idempotent_responses",
    key: "idempotency_key",
    of: "workspace_id = ? AND created_at_ms <= ?",
    columns: ["response"],
  },
  {
    table: "intents",
    key: "id",
    of:
      "call_id IN (SELECT c.id FROM calls c WHERE c.workspace_id = ? AND c.created_at_ms <= ? " +
      "AND c.ended_at_us IS NOT NULL)",
    columns: ["commands"],
  },
  {
    table: "conferences",
    key: "id",
    of: "workspace_id = ? AND created_at_ms <= ? AND ended_at_ms IS NOT NULL",
    columns: ["name"],
  },
  {
    // A push that is to go out, or may be open on the phone, needs its number; the erasure waits for it.
    table: "topups",
    key: "id",
    of: "workspace_id = ? AND created_at_ms <= ? AND state <> 'requested' AND open_phone IS NULL",
    columns: ["phone_e164"],
  },
  {
    table: "mpesa_payments",
    key: "id",
    of: "workspace_id = ? AND created_at_ms <= ?",
    columns: ["phone", "bill_reference"],
  },
  {
    // What M-Pesa told of the workspace's payments: by its own pushes, or with its account number.
    table: "mpesa_notices",
    key: "id",
    of:
      "id IN (SELECT n.id FROM mpesa_notices n JOIN workspaces w ON w.id = ? WHERE n.received_at_ms <= ? " +
      "AND n.due_at_ms IS NULL AND (n.body LIKE '%' || w.mpesa_account_ref || '%' " +
      "OR n.callback_key IN (SELECT t.callback_key FROM topups t WHERE t.workspace_id = w.id)))",
    columns: ["body"],
  },
];

/** How many kinds of rows there are. */
export const mentionPlaces = texts.length;

/** A row that may name the number, and the columns that may. */
export interface Mention {
  key: string;
  columns: Record<string, string>;
}

/**
 * Of one kind of rows the next that have the number's digits in them, by key; none: that was all. Only read: the search goes
 * over all of a workspace's rows, which nobody should wait for. Digits that are part of longer ones are found too: what is
 * the number, its reader tells.
 */
export async function findMentions(
  tx: ReadTx,
  place: number,
  { workspaceId, e164, createdAtMs }: Pick<ErasureRow, "workspaceId" | "createdAtMs"> & { e164: string },
  page: { after: string | null; limit: number },
): Promise<Mention[]> {
  const { table, key, of, columns } = textsAt(place);
  const named = columns.map((column) => `${column} LIKE ?`).join(" OR ");
  const rows = await tx.all<Record<string, unknown>>(
    `SELECT ${key} AS row_key, ${columns.join(", ")} FROM ${table}
     WHERE ${of} AND (${named}) ${page.after === null ? "" : `AND ${key} > ?`} ORDER BY ${key} LIMIT ?`,
    [
      ...[workspaceId, createdAtMs],
      ...columns.map(() => `%${e164.slice(1)}%`),
      ...(page.after === null ? [] : [page.after]),
      page.limit,
    ],
  );
  return rows.map((row) => ({
    key: String(row["rowKey"]),
    columns: Object.fromEntries(
      columns.flatMap((column) => {
        const text = row[camelCase(column)];
        return typeof text === "string" ? [[column, text]] : [];
      }),
    ),
  }));
}

/** Puts one text in another's place, if it still stands there. */
export async function replaceMention(
  tx: Tx,
  place: number,
  { workspaceId, createdAtMs }: Pick<ErasureRow, "workspaceId" | "createdAtMs">,
  { key, column, was, is }: { key: string; column: string; was: string; is: string },
): Promise<boolean> {
  const { table, key: keyColumn, of, columns } = textsAt(place);
  if (!columns.includes(column)) throw new Error(`${table} has no text ${column}.`);
  const { changes } = await tx.run(
    `UPDATE ${table} SET ${column} = ? WHERE ${of} AND ${keyColumn} = ? AND ${column} = ?`,
    [is, workspaceId, createdAtMs, key, was],
  );
  return changes > 0;
}

/** Whether a top-up still needs the number: its push is to go out, or may be open on the phone. */
export async function hasOpenTopUp(
  tx: ReadTx,
  { workspaceId, e164, createdAtMs }: Pick<ErasureRow, "workspaceId" | "createdAtMs"> & { e164: string },
): Promise<boolean> {
  const row = await tx.get(
    "SELECT id FROM topups WHERE workspace_id = ? AND phone_e164 = ? AND created_at_ms <= ? LIMIT 1",
    [workspaceId, e164, createdAtMs],
  );
  return row !== undefined;
}

function textsAt(place: number) {
  const found = texts[place];
  if (!found) throw new Error(`There are ${texts.length} places.`);
  return found;
}

export interface ReachedRow {
  workspaceId: WorkspaceId;
  number: string;
  calls: number;
  recordings: number;
  firstAtMs: number;
  lastAtMs: number;
}

/** Whom calls that ran between two moments had at their other end, each once by workspace. */
export const reachedBetween = (tx: ReadTx, fromMs: number, toMs: number, workspaceId: WorkspaceId | null) =>
  tx.all<ReachedRow>(
    `SELECT workspace_id, number, COUNT(DISTINCT call_id) AS calls, COUNT(DISTINCT recording_id) AS recordings,
       MIN(created_at_ms) AS first_at_ms, MAX(created_at_ms) AS last_at_ms
     FROM (SELECT l.workspace_id, CASE l.direction WHEN 'outbound' THEN l.to_e164 ELSE l.from_e164 END AS number,
         l.call_id, r.id AS recording_id, l.created_at_ms
       FROM legs l LEFT JOIN recordings r ON r.leg_id = l.id
       WHERE l.created_at_ms < ? AND (l.ended_at_us IS NULL OR l.ended_at_us >= ?)
         ${workspaceId === null ? "" : "AND l.workspace_id = ?"}) AS parties
     GROUP BY workspace_id, number ORDER BY workspace_id, number`,
    [toMs, fromMs * 1000, ...(workspaceId === null ? [] : [workspaceId])],
  );
