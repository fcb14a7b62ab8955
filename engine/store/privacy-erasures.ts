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
  /** All was erased once, and the exports begun by then were withdrawn. */
  exportsWithdrawnAtMs: number | null;
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
  /** Of the calls' traces. */
  sipMessages: number;
  /** Other rows whose text named the number. */
  mentions: number;
}

/** False: one of the number is running. */
export async function insertErasure(
  tx: Tx,
  row: Omit<ErasureRow, "status" | "completedAtMs" | "exportsWithdrawnAtMs">,
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

/** False: somebody did before. */
export async function markExportsWithdrawn(tx: Tx, id: ErasureRow["id"], nowMs: number): Promise<boolean> {
  const { changes } = await tx.run(
    `UPDATE privacy_erasures SET exports_withdrawn_at_ms = ?
     WHERE id = ? AND status = 'running' AND exports_withdrawn_at_ms IS NULL`,
    [nowMs, id],
  );
  return changes === 1;
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
  await tx.run(
    "UPDATE leg_attempts SET dialled = '', sip_call_id = NULL WHERE leg_id IN (SELECT id FROM legs WHERE call_id = ?)",
    [callId],
  );
  // How a device was reached.
  await tx.run("DELETE FROM relays WHERE leg_id IN (SELECT id FROM legs WHERE call_id = ?)", [callId]);
  await parties("calls", "id");
  await tx.run(
    `UPDATE calls SET metadata = NULL, client_request_id = NULL, document = NULL, options = '{}',
       voice_callback_url = NULL, events_url = NULL, erased_by = ? WHERE id = ?`,
    [id, callId],
  );
  await tx.run(
    "INSERT INTO privacy_erased_calls (erasure_id, call_id) VALUES (?, ?) ON CONFLICT DO NOTHING",
    [id, callId],
  );
  await tx.run("UPDATE conference_members SET status_url = NULL, status_events = NULL WHERE call_id = ?", [
    callId,
  ]);
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
  // No late one can be kept any more: its dialog is nobody's.
  await tx.run("UPDATE legs SET sip_call_id = NULL WHERE call_id = ?", [callId]);
  const sipMessages = await tx.run("DELETE FROM sip_messages WHERE call_id = ?", [callId]);
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
    sipMessages: sipMessages.changes,
  };
}

/** Of the calls of an erasure: recordings whose audio the storage was not yet seen to be without. */
export const recordingsToProveGone = (tx: ReadTx, id: ErasureRow["id"], limit: number) =>
  tx.all<RecordingRow>(
    `SELECT r.* FROM recordings r JOIN privacy_erased_calls c ON c.call_id = r.call_id
     WHERE c.erasure_id = ? AND r.object_removed_at_ms IS NULL ORDER BY r.id LIMIT ?`,
    [id, limit],
  );

interface Place {
  table: string;
  /** Its primary key. */
  keys: readonly string[];
  /** Of a workspace, and of what was there when the erasure was asked for: two parameters. */
  of: string;
  /** The same two: rows that it passes over because their call, or room, runs yet and needs them. The erasure waits for those. */
  running?: string;
  columns: readonly string[];
}

/** What is told of a call carries its labels, also what is told after the erasure was asked for: it goes by the call's age. */
const ofCall = (table: string) =>
  `EXISTS (SELECT 1 FROM calls c WHERE c.id = ${table}.call_id AND c.workspace_id = ? AND c.created_at_ms <= ?)`;

const callOver = (table: string) =>
  `EXISTS (SELECT 1 FROM calls c WHERE c.id = ${table}.call_id AND c.workspace_id = ? AND c.created_at_ms <= ?
     AND c.ended_at_us IS NOT NULL)`;

/** The plus keeps SQLite from the index by age, and with it from all calls that a workspace ever had; of those that run there are few. */
const runs = "workspace_id = ? AND +created_at_ms <= ? AND ended_at_us IS NULL";
const callRuns = `call_id IN (SELECT id FROM calls WHERE ${runs})`;

/** Whom a leg's charge is for it says as the leg ends. */
const chargedFor = `COALESCE((SELECT c.created_at_ms FROM legs l JOIN calls c ON c.id = l.call_id
  WHERE l.id = REPLACE(ledger_transactions.reference, ' settled', '')), ledger_transactions.created_at_ms)`;

/** A delivery's age: that of its call, if it is of one. */
const tellsOf = (delivery: string) =>
  `COALESCE((SELECT c.created_at_ms FROM calls c WHERE c.id = ${delivery}.call_id), ${delivery}.created_at_ms)`;

/** Text that customers, or we, may have written a number into. Running calls keep theirs. */
const texts: readonly Place[] = [
  {
    table: "calls",
    keys: ["id"],
    of: "workspace_id = ? AND created_at_ms <= ? AND ended_at_us IS NOT NULL",
    running: runs,
    columns: [
      ...["from_e164", "to_e164", "metadata", "client_request_id", "options", "document"],
      ...["voice_callback_url", "events_url"],
    ],
  },
  ...Object.entries({
    mails: ["subject", "body"],
    audit_entries: ["before", "after"],
    media: ["name"],
    refusals: ["from_e164", "to_e164", "message"],
    sip_credentials: ["label"],
    sip_destinations: ["sip_user", "label"],
  }).map(([table, columns]) => ({
    ...{ table, columns, keys: ["id"] },
    of: "workspace_id = ? AND created_at_ms <= ?",
  })),
  { table: "call_events", keys: ["id"], of: ofCall("call_events"), columns: ["payload"] },
  { table: "sip_messages", keys: ["id"], of: ofCall("sip_messages"), columns: ["summary", "message"] },
  {
    table: "ledger_transactions",
    keys: ["id"],
    of: `workspace_id = ? AND ${chargedFor} <= ?`,
    columns: ["description"],
  },
  {
    table: "deliveries",
    keys: ["id"],
    of: `workspace_id = ? AND ${tellsOf("deliveries")} <= ?`,
    columns: ["body", "url"],
  },
  {
    table: "delivery_attempts",
    keys: ["delivery_id", "attempt"],
    of: `EXISTS (SELECT 1 FROM deliveries d WHERE d.id = delivery_attempts.delivery_id AND d.workspace_id = ?
      AND ${tellsOf("d")} <= ?)`,
    columns: ["response"],
  },
  {
    table: "idempotent_responses",
    keys: ["owner", "method", "path", "idempotency_key"],
    of: "owner = ? AND created_at_ms <= ?",
    columns: ["response"],
  },
  { table: "intents", keys: ["id"], of: callOver("intents"), running: callRuns, columns: ["commands"] },
  // Some networks write numbers into it.
  { table: "legs", keys: ["id"], of: callOver("legs"), running: callRuns, columns: ["sip_call_id"] },
  {
    // A SIP URI with the number in it; what is the number itself makes the call one to be erased.
    table: "legs",
    keys: ["id"],
    of: `${callOver("legs")} AND to_e164 LIKE 'sip:%'`,
    running: `${callRuns} AND to_e164 LIKE 'sip:%'`,
    columns: ["to_e164"],
  },
  {
    // While its call runs, its leg's is waited for.
    table: "cdrs",
    keys: ["leg_id"],
    of: `${callOver("cdrs")} AND to_e164 LIKE 'sip:%'`,
    columns: ["to_e164"],
  },
  {
    table: "conferences",
    keys: ["id"],
    of: "workspace_id = ? AND created_at_ms <= ? AND ended_at_ms IS NOT NULL",
    running: "workspace_id = ? AND created_at_ms <= ? AND ended_at_ms IS NULL",
    columns: ["name"],
  },
  {
    table: "conference_members",
    keys: ["token"],
    of: callOver("conference_members"),
    // Of who is in there: those who have left could be found by a look through all alone.
    running: `left_at_us IS NULL AND leg_id IN (SELECT id FROM legs WHERE ${callRuns})`,
    columns: ["status_url"],
  },
  {
    // A push that is to go out, or may be open on the phone, needs its number; the erasure waits for it.
    table: "topups",
    keys: ["id"],
    of: "workspace_id = ? AND created_at_ms <= ? AND state <> 'requested' AND open_phone IS NULL",
    columns: ["phone_e164"],
  },
  {
    table: "mpesa_payments",
    keys: ["id"],
    of: "workspace_id = ? AND created_at_ms <= ?",
    columns: ["phone", "bill_reference"],
  },
  {
    // What M-Pesa told of the workspace's payments: by its own pushes, or with its account number.
    table: "mpesa_notices",
    keys: ["id"],
    of: `EXISTS (SELECT 1 FROM workspaces w WHERE w.id = ? AND mpesa_notices.received_at_ms <= ?
      AND (mpesa_notices.body LIKE '%' || w.mpesa_account_ref || '%' OR EXISTS (SELECT 1 FROM topups t
        WHERE t.callback_key = mpesa_notices.callback_key AND t.workspace_id = w.id)))
      AND due_at_ms IS NULL`,
    columns: ["body"],
  },
];

/** How many kinds of rows there are. */
export const mentionPlaces = texts.length;

/** Which row of its kind: its primary key. */
export type MentionKey = readonly (string | number)[];

/** A row that may name the number, and the columns that may. */
export interface Mention {
  key: MentionKey;
  columns: Record<string, string>;
}

/**
 * The next `rows` of one kind, everybody's, after a key, and those of them that have the number's digits in them; `next` is
 * the last one's key, null: that was all. So a look takes a few milliseconds whatever there is, where a search of its own
 * for a workspace's rows would hold up all of SQLite's other readers. Digits that are part of longer ones are found too:
 * what is the number, its reader tells.
 */
export async function findMentions(
  tx: ReadTx,
  place: number,
  { workspaceId, e164, createdAtMs }: Pick<ErasureRow, "workspaceId" | "createdAtMs"> & { e164: string },
  page: { after: MentionKey | null; rows: number },
): Promise<{ found: Mention[]; next: MentionKey | null }> {
  const { table, keys, of, columns } = textsAt(place);
  const key = keys.join(", ");
  const after = page.after ?? [];
  const rest = page.after === null ? "" : `WHERE (${key}) > (${keys.map(() => "?").join(", ")})`;
  const named = columns.map((column) => `${column} LIKE ?`).join(" OR ");
  const keyOf = (row: Record<string, unknown>) => keys.map((one) => row[camelCase(one)] as string | number);
  const last = await tx.get<Record<string, unknown>>(
    `SELECT ${key} FROM ${table} ${rest} ORDER BY ${key} LIMIT 1 OFFSET ?`,
    [...after, page.rows - 1],
  );
  const hits = await tx.all<Record<string, unknown>>(
    // The limit within keeps an index by workspace, and with it all of a workspace's rows, out of the plan.
    `SELECT ${key}, ${columns.join(", ")} FROM (SELECT * FROM ${table} ${rest} ORDER BY ${key} LIMIT ?) AS ${table}
     WHERE ${of} AND (${named})`,
    [...after, page.rows, workspaceId, createdAtMs, ...columns.map(() => `%${e164.slice(1)}%`)],
  );
  const found = hits.map((row) => ({
    key: keyOf(row),
    columns: Object.fromEntries(
      columns.flatMap((column) => {
        const text = row[camelCase(column)];
        return typeof text === "string" ? [[column, text]] : [];
      }),
    ),
  }));
  return { found, next: last ? keyOf(last) : null };
}

/** Puts one text in another's place, if it still stands there. */
export async function replaceMention(
  tx: Tx,
  place: number,
  { workspaceId, createdAtMs }: Pick<ErasureRow, "workspaceId" | "createdAtMs">,
  { key, column, was, is }: { key: MentionKey; column: string; was: string; is: string },
): Promise<boolean> {
  const { table, keys, of, columns } = textsAt(place);
  if (!columns.includes(column)) throw new Error(`${table} has no text ${column}.`);
  const { changes } = await tx.run(
    `UPDATE ${table} SET ${column} = ? WHERE ${keys.map((one) => `${one} = ?`).join(" AND ")} AND ${column} = ? AND ${of}`,
    [is, ...key, was, workspaceId, createdAtMs],
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

/** Texts of what still runs, keeps them meanwhile, and may name the number. */
export async function textsOfRunning(
  tx: ReadTx,
  { workspaceId, e164, createdAtMs }: Pick<ErasureRow, "workspaceId" | "createdAtMs"> & { e164: string },
): Promise<string[]> {
  const some = texts.flatMap(({ table, running, columns }) =>
    running === undefined
      ? []
      : columns.map(
          (column) => `SELECT ${column} AS text FROM ${table} WHERE ${running} AND ${column} LIKE ?`,
        ),
  );
  const rows = await tx.all<{ text: string }>(
    some.join(" UNION ALL "),
    some.flatMap(() => [workspaceId, createdAtMs, `%${e164.slice(1)}%`]),
  );
  return rows.map(({ text }) => text);
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

/**
 * Whom calls that ran between two moments had at their other end, each once by workspace. A device of the workspace's own is
 * nobody's; what was recorded at it is of whom it talked with.
 */
export const reachedBetween = (tx: ReadTx, fromMs: number, toMs: number, workspaceId: WorkspaceId | null) =>
  tx.all<ReachedRow>(
    `SELECT workspace_id, number, COUNT(DISTINCT call_id) AS calls, COUNT(DISTINCT recording_id) AS recordings,
       MIN(created_at_ms) AS first_at_ms, MAX(created_at_ms) AS last_at_ms
     FROM (SELECT l.workspace_id, CASE l.direction WHEN 'outbound' THEN l.to_e164 ELSE l.from_e164 END AS number,
         l.call_id, r.id AS recording_id, l.created_at_ms
       FROM legs l LEFT JOIN recordings r ON r.call_id = l.call_id AND
         (r.leg_id = l.id OR EXISTS (SELECT 1 FROM legs d WHERE d.id = r.leg_id AND d.kind <> 'pstn'))
       WHERE l.kind = 'pstn' AND l.created_at_ms < ? AND (l.ended_at_us IS NULL OR l.ended_at_us >= ?)
         ${workspaceId === null ? "" : "AND l.workspace_id = ?"}) AS parties
     GROUP BY workspace_id, number ORDER BY workspace_id, number`,
    [toMs, fromMs * 1000, ...(workspaceId === null ? [] : [workspaceId])],
  );
