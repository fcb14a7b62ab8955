import type { TopUpId, WorkspaceId } from "../ids.ts";
import { insertRow, updateRow } from "./rows.ts";
import type { ReadTx, Tx } from "./store.ts";

export type TopUpState = "requested" | "pending" | "succeeded" | "failed" | "cancelled" | "unknown";

export interface TopUpRow {
  id: TopUpId;
  workspaceId: WorkspaceId;
  amountMinor: number;
  phoneE164: string;
  accountReference: string;
  callbackKey: string;
  state: TopUpState;
  openPhone: string | null;
  openUntilMs: number | null;
  sentAtMs: number | null;
  merchantRequestId: string | null;
  checkoutRequestId: string | null;
  paidAtMs: number | null;
  resultCode: string | null;
  failureReason: string | null;
  expiredAtMs: number | null;
  receipt: string | null;
  queries: number;
  nextQueryAtMs: number | null;
  createdAtMs: number;
  updatedAtMs: number;
}

export type NewTopUp = Pick<
  TopUpRow,
  | "id"
  | "workspaceId"
  | "amountMinor"
  | "phoneE164"
  | "accountReference"
  | "callbackKey"
  | "state"
  | "openPhone"
  | "openUntilMs"
  | "createdAtMs"
  | "updatedAtMs"
>;

/** False: a prompt may be open on that phone. */
export const insertTopUp = (tx: Tx, row: NewTopUp): Promise<boolean> =>
  insertRow(tx, "topups", row, "ON CONFLICT (open_phone) DO NOTHING");

/** A prompt is over by then, whatever became of it. */
export const releasePhone = (tx: Tx, phone: string, nowMs: number) =>
  tx.run("UPDATE topups SET open_phone = NULL WHERE open_phone = ? AND open_until_ms <= ?", [phone, nowMs]);

/** Kept for this transaction; before any workspace. */
export const topUpOnPhoneToChange = (tx: Tx, phone: string) =>
  tx.get<TopUpRow>("SELECT * FROM topups WHERE open_phone = ? FOR NO KEY UPDATE", [phone]);

export const updateTopUp = (
  tx: Tx,
  id: TopUpId,
  patch: Partial<Omit<TopUpRow, "id">> & { updatedAtMs: number },
) => updateRow(tx, "topups", ["id", id], patch);

/** Marks it sent. False: somebody else did, or it is no longer to be sent. */
export async function markTopUpSent(
  tx: Tx,
  id: TopUpId,
  times: { sentAtMs: number; openUntilMs: number },
): Promise<boolean> {
  const { changes } = await tx.run(
    `UPDATE topups SET state = 'pending', sent_at_ms = ?, open_until_ms = ?, updated_at_ms = ?
     WHERE id = ? AND state = 'requested'`,
    [times.sentAtMs, times.openUntilMs, times.sentAtMs, id],
  );
  return changes === 1;
}

export const topUpOf = (tx: ReadTx, workspaceId: WorkspaceId, id: TopUpId) =>
  tx.get<TopUpRow>("SELECT * FROM topups WHERE workspace_id = ? AND id = ?", [workspaceId, id]);

/** Kept for this transaction; before its workspace, where both are. */
export const topUpToChange = (tx: Tx, id: TopUpId) =>
  tx.get<TopUpRow>("SELECT * FROM topups WHERE id = ? FOR NO KEY UPDATE", [id]);

export const topUpByKeyToChange = (tx: Tx, callbackKey: string) =>
  tx.get<TopUpRow>("SELECT * FROM topups WHERE callback_key = ? FOR NO KEY UPDATE", [callbackKey]);

/** The newest that named this account: references come round again after a thousand. */
export const topUpByReferenceToChange = (tx: Tx, accountReference: string) =>
  tx.get<TopUpRow>(
    "SELECT * FROM topups WHERE account_reference = ? ORDER BY id DESC LIMIT 1 FOR NO KEY UPDATE",
    [accountReference],
  );

/** Newest first, those older than `before`. */
export const topUpsOf = (
  tx: ReadTx,
  workspaceId: WorkspaceId,
  { limit, before }: { limit: number; before: TopUpId | null },
) =>
  tx.all<TopUpRow>(
    `SELECT * FROM topups WHERE workspace_id = ? ${before === null ? "" : "AND id < ?"} ORDER BY id DESC LIMIT ?`,
    [workspaceId, ...(before === null ? [] : [before]), limit],
  );

/** How many were asked for since, and when the oldest of them was. */
export async function topUpsSince(
  tx: ReadTx,
  workspaceId: WorkspaceId,
  sinceMs: number,
): Promise<{ count: number; oldestMs: number }> {
  const row = await tx.get<{ count: number; oldestMs: number | null }>(
    `SELECT CAST(COUNT(*) AS BIGINT) AS count, MIN(created_at_ms) AS oldest_ms
     FROM topups WHERE workspace_id = ? AND created_at_ms > ?`,
    [workspaceId, sinceMs],
  );
  return { count: row?.count ?? 0, oldestMs: row?.oldestMs ?? 0 };
}

export async function lastReference(tx: ReadTx, workspaceId: WorkspaceId): Promise<string | null> {
  const row = await tx.get<{ accountReference: string }>(
    "SELECT account_reference FROM topups WHERE workspace_id = ? ORDER BY id DESC LIMIT 1",
    [workspaceId],
  );
  return row?.accountReference ?? null;
}

export const unsentTopUps = (tx: ReadTx, limit: number) =>
  tx.all<TopUpRow>("SELECT * FROM topups WHERE state = 'requested' ORDER BY id LIMIT ?", [limit]);

/** Whose turn it is to be asked after. */
export const topUpsToQuery = (tx: ReadTx, nowMs: number, limit: number) =>
  tx.all<TopUpRow>("SELECT * FROM topups WHERE next_query_at_ms <= ? ORDER BY next_query_at_ms, id LIMIT ?", [
    nowMs,
    limit,
  ]);

/** Sent, never answered, and by now they will not be. */
export const unansweredTopUps = (tx: ReadTx, sentBeforeMs: number, limit: number) =>
  tx.all<TopUpRow>(
    `SELECT * FROM topups WHERE state = 'pending' AND checkout_request_id IS NULL AND sent_at_ms <= ?
     ORDER BY sent_at_ms, id LIMIT ?`,
    [sentBeforeMs, limit],
  );

/** Still open after so long, and not yet shown as expired. */
export const overdueTopUps = (tx: ReadTx, createdBeforeMs: number, limit: number) =>
  tx.all<TopUpRow>(
    `SELECT * FROM topups WHERE state IN ('pending', 'unknown') AND expired_at_ms IS NULL AND created_at_ms <= ?
     ORDER BY created_at_ms, id LIMIT ?`,
    [createdBeforeMs, limit],
  );

/** Whether somebody may have paid, and only Safaricom's list of payments can tell. */
export async function awaitsRecord(tx: ReadTx): Promise<boolean> {
  const row = await tx.get(
    `SELECT 1 AS found FROM topups WHERE state IN ('pending', 'unknown') AND expired_at_ms IS NULL
       AND (paid_at_ms IS NOT NULL OR state = 'unknown') LIMIT 1`,
  );
  return row !== undefined;
}
