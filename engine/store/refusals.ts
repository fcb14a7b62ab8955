import type { CallId, RefusalId, WorkspaceId } from "../ids.ts";
import type { ReadTx, Tx } from "./store.ts";

export interface RefusalRow {
  id: RefusalId;
  workspaceId: WorkspaceId;
  reason: string;
  source: string;
  /** Whole minutes since the epoch. */
  minute: number;
  /** Of the first of them, as the four below. */
  fromE164: string | null;
  toE164: string | null;
  callId: CallId | null;
  message: string;
  createdAtMs: number;
  count: number;
  lastAtMs: number;
}

/** Adds one to the row of its workspace, reason, source and minute; `count` is 1 where it is the first. */
export async function countRefusal(
  tx: Tx,
  row: Omit<RefusalRow, "count" | "lastAtMs">,
): Promise<Pick<RefusalRow, "id" | "count">> {
  const counted = await tx.get<Pick<RefusalRow, "id" | "count">>(
    `INSERT INTO refusals (id, workspace_id, reason, source, minute, from_e164, to_e164, call_id, message, count,
       created_at_ms, last_at_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 1, ?, ?)
     ON CONFLICT (workspace_id, reason, source, minute)
     DO UPDATE SET count = refusals.count + 1, last_at_ms = excluded.last_at_ms RETURNING id, count`,
    [
      ...[row.id, row.workspaceId, row.reason, row.source, row.minute, row.fromE164, row.toE164],
      ...[row.callId, row.message, row.createdAtMs, row.createdAtMs],
    ],
  );
  if (!counted) throw new Error("A refusal was counted, and is not there.");
  return counted;
}

/** How many were counted in the last minute before that one that had any; 0: there was none. */
export async function countBefore(
  tx: ReadTx,
  { workspaceId, reason, source, minute }: Pick<RefusalRow, "workspaceId" | "reason" | "source" | "minute">,
): Promise<number> {
  const row = await tx.get<{ count: number }>(
    `SELECT count FROM refusals WHERE workspace_id = ? AND reason = ? AND source = ? AND minute < ?
     ORDER BY minute DESC LIMIT 1`,
    [workspaceId, reason, source, minute],
  );
  return row?.count ?? 0;
}

/** Of the same kind, from before that minute; the oldest first, `limit` at most. */
export async function sweepRefusals(
  tx: Tx,
  { workspaceId, reason, source }: Pick<RefusalRow, "workspaceId" | "reason" | "source">,
  beforeMinute: number,
  limit: number,
): Promise<void> {
  await tx.run(
    `DELETE FROM refusals WHERE id IN (SELECT id FROM refusals WHERE workspace_id = ? AND reason = ? AND source = ?
       AND minute < ? ORDER BY minute LIMIT ?)`,
    [workspaceId, reason, source, beforeMinute, limit],
  );
}

/** Of every kind; the oldest first. */
export async function sweepOldRefusals(tx: Tx, beforeMinute: number, limit: number): Promise<void> {
  await tx.run(
    "DELETE FROM refusals WHERE id IN (SELECT id FROM refusals WHERE minute < ? ORDER BY minute LIMIT ?)",
    [beforeMinute, limit],
  );
}

/** Newest first, those older than `before`. */
export const refusalsOf = (
  tx: ReadTx,
  workspaceId: WorkspaceId,
  page: { limit: number; before: RefusalId | null },
) =>
  tx.all<RefusalRow>(
    `SELECT * FROM refusals WHERE workspace_id = ? ${page.before === null ? "" : "AND id < ?"}
     ORDER BY id DESC LIMIT ?`,
    [workspaceId, ...(page.before === null ? [] : [page.before]), page.limit],
  );
