import type { CallId, RecordingId, WorkspaceId } from "../ids.ts";
import type { CallRow, LegRow } from "./calls.ts";
import type { ReadTx, SqlValue } from "./store.ts";

export interface CallFilter {
  statuses?: readonly string[] | undefined;
  direction?: "outbound" | "inbound" | undefined;
  /** Either party, E.164. */
  number?: string | undefined;
  /** Part of an id, of a number, or of a client request id; letters' case does not matter. */
  text?: string | undefined;
  clientRequestId?: string | undefined;
  /** Created at or after. */
  fromMs?: number | undefined;
  /** Created before. */
  toMs?: number | undefined;
}

/** Newest first, those older than `before`. */
export function callsOfWorkspace(
  tx: ReadTx,
  workspaceId: WorkspaceId,
  filter: CallFilter,
  page: { limit: number; before: CallId | null },
): Promise<CallRow[]> {
  const where = ["workspace_id = ?"];
  const params: SqlValue[] = [workspaceId];
  const and = (condition: string, ...values: SqlValue[]) => {
    where.push(condition);
    params.push(...values);
  };
  if (page.before !== null) and("id < ?", page.before);
  if (filter.statuses) and(`status IN (${marks(filter.statuses)})`, ...filter.statuses);
  if (filter.direction !== undefined) and("direction = ?", filter.direction);
  if (filter.number !== undefined) and("(from_e164 = ? OR to_e164 = ?)", filter.number, filter.number);
  if (filter.clientRequestId !== undefined) and("client_request_id = ?", filter.clientRequestId);
  if (filter.fromMs !== undefined) and("created_at_ms >= ?", filter.fromMs);
  if (filter.toMs !== undefined) and("created_at_ms < ?", filter.toMs);
  if (filter.text !== undefined) {
    const columns = ["id", "from_e164", "to_e164", "client_request_id"];
    const pattern = `%${filter.text.toLowerCase().replace(/[\\%_]/g, "\\$&")}%`;
    const matches = columns.map((column) => `LOWER(${column}) LIKE ? ESCAPE '\\'`);
    and(`(${matches.join(" OR ")})`, ...columns.map(() => pattern));
  }
  return tx.all(`SELECT * FROM calls WHERE ${where.join(" AND ")} ORDER BY id DESC LIMIT ?`, [
    ...params,
    page.limit,
  ]);
}

/** Each call's legs, oldest first. */
export async function legsOfCalls(tx: ReadTx, callIds: readonly CallId[]): Promise<Map<CallId, LegRow[]>> {
  // PostgreSQL knows no empty list.
  if (callIds.length === 0) return new Map();
  const legs = await tx.all<LegRow>(
    `SELECT * FROM legs WHERE call_id IN (${marks(callIds)}) ORDER BY call_id, position`,
    callIds,
  );
  return Map.groupBy(legs, (leg) => leg.callId);
}

/** Recording ids by leg id, oldest first. */
export async function recordingIdsOfCalls(
  tx: ReadTx,
  callIds: readonly CallId[],
): Promise<Map<string, RecordingId[]>> {
  if (callIds.length === 0) return new Map();
  const rows = await tx.all<{ id: RecordingId; legId: string }>(
    `SELECT id, leg_id FROM recordings WHERE call_id IN (${marks(callIds)}) ORDER BY id`,
    callIds,
  );
  const ids = new Map<string, RecordingId[]>();
  for (const { id, legId } of rows) ids.set(legId, [...(ids.get(legId) ?? []), id]);
  return ids;
}

/** Ended calls that were created in one span of time. Completed, missed and failed add up to the total. */
export interface CallTotals {
  total: number;
  inbound: number;
  outbound: number;
  completed: number;
  /** No answer, busy, or given up while it rang. */
  missed: number;
  failed: number;
  /** From answer to end, each call rounded up. */
  seconds: number;
  spendMinor: number;
}

/**
 * By bucket: how often `bucketMs` fits between the epoch, moved by `offsetMs` for the time zone, and the call's
 * creation. Buckets without a call are left out.
 */
export function callTotals(
  tx: ReadTx,
  workspaceId: WorkspaceId,
  span: { sinceMs: number; bucketMs: number; offsetMs: number },
): Promise<(CallTotals & { bucket: number })[]> {
  return tx.all(
    `SELECT (c.created_at_ms + CAST(? AS BIGINT)) / CAST(? AS BIGINT) AS bucket,
       CAST(COUNT(*) AS BIGINT) AS total,
       CAST(SUM(CASE WHEN c.direction = 'inbound' THEN 1 ELSE 0 END) AS BIGINT) AS inbound,
       CAST(SUM(CASE WHEN c.direction = 'outbound' THEN 1 ELSE 0 END) AS BIGINT) AS outbound,
       CAST(SUM(CASE WHEN c.status = 'completed' THEN 1 ELSE 0 END) AS BIGINT) AS completed,
       CAST(SUM(CASE WHEN c.status IN ('no_answer', 'busy', 'canceled') THEN 1 ELSE 0 END) AS BIGINT) AS missed,
       CAST(SUM(CASE WHEN c.status = 'failed' THEN 1 ELSE 0 END) AS BIGINT) AS failed,
       CAST(SUM(CASE WHEN c.answered_at_us IS NULL OR c.ended_at_us < c.answered_at_us THEN 0
         ELSE (c.ended_at_us - c.answered_at_us + 999999) / 1000000 END) AS BIGINT) AS seconds,
       CAST(SUM(COALESCE((SELECT SUM(l.cost_minor) FROM legs l WHERE l.call_id = c.id), 0)) AS BIGINT) AS spend_minor
     FROM calls c WHERE c.workspace_id = ? AND c.created_at_ms >= ? AND c.ended_at_us IS NOT NULL
     GROUP BY 1 ORDER BY 1`,
    [span.offsetMs, span.bucketMs, workspaceId, span.sinceMs],
  );
}

const marks = (values: readonly unknown[]) => values.map(() => "?").join(", ");
