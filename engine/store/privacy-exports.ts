import type { CallId, Id, KeyId, UserId, WorkspaceId } from "../ids.ts";
import type { ReadTx, Tx } from "./store.ts";

export type ExportEnd = "time" | "erasure" | "too_large" | "not_made";

export interface ExportRow {
  id: Id<"exp">;
  workspaceId: WorkspaceId;
  /** Keyed hash of the number. */
  pseudonym: string;
  /** Null once the ZIP is to go, or is given up. */
  e164: string | null;
  status: "pending" | "ready" | "expired" | "failed";
  /** Null: the operator. */
  requestedBy: KeyId | UserId | null;
  createdAtMs: number;
  /** Of calls created from then on, and before then; null: of all. */
  fromMs: number | null;
  toMs: number | null;
  readyAtMs: number | null;
  sizeBytes: number | null;
  /** JSON. */
  contents: string | null;
  expiresAtMs: number | null;
  /** The storage was seen to hold it no more. */
  removedAtMs: number | null;
  /** Why it has expired, or failed. */
  endedBy: ExportEnd | null;
  /** Tries begun; with the id, the name of the one that runs. */
  attempts: number;
  /** Null unless it is pending. */
  nextAttemptAtMs: number | null;
  /** Until then somebody may be storing it: nobody else does, and nobody removes it. */
  leaseUntilMs: number | null;
  /** 1: its tries so far read what was erased since. */
  stale: 0 | 1;
}

/** One try at making an export. */
export type ExportTry = Pick<ExportRow, "id" | "attempts">;

export async function insertExport(
  tx: Tx,
  row: Pick<
    ExportRow,
    "id" | "workspaceId" | "pseudonym" | "e164" | "requestedBy" | "createdAtMs" | "fromMs" | "toMs"
  >,
): Promise<void> {
  await tx.run(
    `INSERT INTO privacy_exports (id, workspace_id, pseudonym, e164, status, requested_by, created_at_ms, from_ms, to_ms,
       next_attempt_at_ms) VALUES (?, ?, ?, ?, 'pending', ?, ?, ?, ?, ?)`,
    [
      ...[row.id, row.workspaceId, row.pseudonym, row.e164, row.requestedBy, row.createdAtMs],
      ...[row.fromMs, row.toMs, row.createdAtMs],
    ],
  );
}

export const exportById = (tx: ReadTx, workspaceId: WorkspaceId, id: ExportRow["id"]) =>
  tx.get<ExportRow>("SELECT * FROM privacy_exports WHERE workspace_id = ? AND id = ?", [workspaceId, id]);

/** Newest first, those older than `before`. */
export const exportsOf = (
  tx: ReadTx,
  workspaceId: WorkspaceId,
  page: { limit: number; before: ExportRow["id"] | null },
) =>
  tx.all<ExportRow>(
    `SELECT * FROM privacy_exports WHERE workspace_id = ? ${page.before === null ? "" : "AND id < ?"}
     ORDER BY id DESC LIMIT ?`,
    [workspaceId, ...(page.before === null ? [] : [page.before]), page.limit],
  );

/**
 * The one that is due longest, of a workspace for which none is being made: so they take turns. One that was never tried is due
 * whenever it was asked for: the clock may have been set back since.
 */
export const nextExport = (tx: ReadTx, nowMs: number) =>
  tx.get<ExportRow>(
    `SELECT e.* FROM privacy_exports e
     WHERE e.status = 'pending' AND (e.next_attempt_at_ms <= ? OR e.attempts = 0) AND e.stale = 0 AND NOT EXISTS
       (SELECT 1 FROM privacy_exports o WHERE o.workspace_id = e.workspace_id AND o.status = 'pending' AND o.lease_until_ms > ?)
     ORDER BY e.next_attempt_at_ms, e.id LIMIT 1`,
    [nowMs, nowMs],
  );

/** For one try. Undefined: somebody else has it. */
export const takeExport = (tx: Tx, seen: ExportTry, nowMs: number, leaseUntilMs: number) =>
  tx.get<ExportRow>(
    `UPDATE privacy_exports SET attempts = attempts + 1, lease_until_ms = ?
     WHERE id = ? AND attempts = ? AND status = 'pending' AND stale = 0 AND (lease_until_ms IS NULL OR lease_until_ms <= ?)
     RETURNING *`,
    [leaseUntilMs, seen.id, seen.attempts, nowMs],
  );

/** Still being made, whatever became of it. Undefined: the lease had run out, and another has it. */
export const renewExport = (tx: Tx, { id, attempts }: ExportTry, leaseUntilMs: number) =>
  tx.get<ExportRow>(
    "UPDATE privacy_exports SET lease_until_ms = ? WHERE id = ? AND attempts = ? AND lease_until_ms IS NOT NULL RETURNING *",
    [leaseUntilMs, id, attempts],
  );

/** Nobody is making it any more. */
export async function releaseExport(tx: Tx, { id, attempts }: ExportTry): Promise<void> {
  await tx.run("UPDATE privacy_exports SET lease_until_ms = NULL WHERE id = ? AND attempts = ?", [
    id,
    attempts,
  ]);
}

/** False: another try has it, or somebody was erased meanwhile who may be in it. */
export async function markExportReady(
  tx: Tx,
  row: ExportTry & Pick<ExportRow, "readyAtMs" | "sizeBytes" | "contents" | "expiresAtMs">,
): Promise<boolean> {
  const { changes } = await tx.run(
    `UPDATE privacy_exports SET status = 'ready', ready_at_ms = ?, size_bytes = ?, contents = ?, expires_at_ms = ?,
       next_attempt_at_ms = NULL
     WHERE id = ? AND attempts = ? AND status = 'pending' AND stale = 0`,
    [row.readyAtMs, row.sizeBytes, row.contents, row.expiresAtMs, row.id, row.attempts],
  );
  return changes === 1;
}

export async function putOffExport(
  tx: Tx,
  { id, attempts }: ExportTry,
  nextAttemptAtMs: number,
): Promise<void> {
  await tx.run(
    "UPDATE privacy_exports SET next_attempt_at_ms = ? WHERE id = ? AND attempts = ? AND status = 'pending'",
    [nextAttemptAtMs, id, attempts],
  );
}

/** Given up, and with it the number; what a try may have stored is removed afterwards. False: it is pending no more. */
export async function failExport(
  tx: Tx,
  { id, attempts }: ExportTry,
  endedBy: "too_large" | "not_made",
): Promise<boolean> {
  const { changes } = await tx.run(
    `UPDATE privacy_exports SET status = 'failed', ended_by = ?, e164 = NULL, next_attempt_at_ms = NULL
     WHERE id = ? AND attempts = ? AND status = 'pending'`,
    [endedBy, id, attempts],
  );
  return changes === 1;
}

/** From here on nobody gets a link; the ZIP is removed afterwards. */
export async function expireExports(tx: Tx, nowMs: number): Promise<void> {
  await tx.run(
    `UPDATE privacy_exports SET status = 'expired', ended_by = 'time', e164 = NULL
     WHERE status = 'ready' AND removed_at_ms IS NULL AND expires_at_ms <= ?`,
    [nowMs],
  );
}

/** Those of a number that is erased, ready or yet to be made. */
export async function withdrawExportsOf(tx: Tx, workspaceId: WorkspaceId, pseudonym: string): Promise<void> {
  await tx.run(
    `UPDATE privacy_exports SET status = 'expired', ended_by = 'erasure', e164 = NULL, next_attempt_at_ms = NULL
     WHERE workspace_id = ? AND pseudonym = ? AND status IN ('pending', 'ready')`,
    [workspaceId, pseudonym],
  );
}

/** Those of a workspace that were made by now; answers which. What is being made is not to be used. */
export async function withdrawExports(tx: Tx, workspaceId: WorkspaceId): Promise<ExportRow[]> {
  await tx.run(
    "UPDATE privacy_exports SET stale = 1 WHERE workspace_id = ? AND status = 'pending' AND attempts > 0",
    [workspaceId],
  );
  return tx.all<ExportRow>(
    `UPDATE privacy_exports SET status = 'expired', ended_by = 'erasure', e164 = NULL
     WHERE workspace_id = ? AND status = 'ready' RETURNING *`,
    [workspaceId],
  );
}

const toRemove = "removed_at_ms IS NULL AND (status IN ('expired', 'failed') OR stale = 1)";

/** Those whose ZIP may be in the storage, should not be, and is not on its way there; by id, those after `after`. */
export const exportsToRemove = (
  tx: ReadTx,
  nowMs: number,
  page: { limit: number; after: ExportRow["id"] | null },
) =>
  tx.all<ExportRow>(
    `SELECT * FROM privacy_exports WHERE ${toRemove} AND (lease_until_ms IS NULL OR lease_until_ms <= ?)
       ${page.after === null ? "" : "AND id > ?"} ORDER BY id LIMIT ?`,
    [nowMs, ...(page.after === null ? [] : [page.after]), page.limit],
  );

/** Whatever of a workspace's is to be removed, whoever may be storing it. */
export async function countExportsToRemove(tx: ReadTx, workspaceId: WorkspaceId): Promise<number> {
  const row = await tx.get<{ left: number }>(
    `SELECT COUNT(*) AS "left" FROM privacy_exports WHERE workspace_id = ? AND ${toRemove}`,
    [workspaceId],
  );
  return row?.left ?? 0;
}

/** One that is still to be made may be now. */
export async function markExportRemoved(tx: Tx, id: ExportRow["id"], nowMs: number): Promise<void> {
  await tx.run(
    // Whoever was making it and lost touch is told apart by the count of tries: theirs is not taken any more.
    `UPDATE privacy_exports SET stale = 0, lease_until_ms = NULL,
       attempts = attempts + CASE status WHEN 'pending' THEN 1 ELSE 0 END,
       removed_at_ms = CASE status WHEN 'pending' THEN NULL ELSE CAST(? AS BIGINT) END
     WHERE id = ? AND removed_at_ms IS NULL`,
    [nowMs, id],
  );
}

/** Which of a workspace's calls a number is a party of, the oldest first, so many at most. */
export async function callsWithParty(
  tx: ReadTx,
  { workspaceId, e164, fromMs, toMs }: Pick<ExportRow, "workspaceId" | "fromMs" | "toMs"> & { e164: string },
  limit: number,
): Promise<CallId[]> {
  const rows = await tx.all<{ id: CallId }>(
    `SELECT c.id FROM calls c WHERE c.id IN (
       SELECT l.call_id FROM legs l WHERE l.workspace_id = ? AND l.to_e164 = ?
       UNION SELECT l.call_id FROM legs l WHERE l.workspace_id = ? AND l.from_e164 = ?)
     ${fromMs === null ? "" : "AND c.created_at_ms >= ?"} ${toMs === null ? "" : "AND c.created_at_ms < ?"}
     ORDER BY c.id LIMIT ?`,
    [workspaceId, e164, workspaceId, e164, ...[fromMs, toMs].filter((ms) => ms !== null), limit],
  );
  return rows.map(({ id }) => id);
}
