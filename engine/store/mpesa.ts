import type { NoticeId, PaymentId, TopUpId, WorkspaceId } from "../ids.ts";
import { insertRow, updateRow } from "./rows.ts";
import type { ReadTx, Tx } from "./store.ts";

export type SuspenseReason =
  | "unknown_account"
  | "unknown_request"
  | "amount_mismatch"
  | "second_receipt"
  | "other_shortcode"
  | "unverified";

export interface PaymentRow {
  id: PaymentId;
  receipt: string;
  amountMinor: number;
  source: "stk" | "c2b" | "pull" | "status";
  topupId: TopUpId | null;
  billReference: string | null;
  phone: string | null;
  paidAtMs: number | null;
  workspaceId: WorkspaceId | null;
  suspenseReason: SuspenseReason | null;
  meantForId: WorkspaceId | null;
  assignedAtMs: number | null;
  contradiction: string | null;
  createdAtMs: number;
}

/** False: the receipt is there, nothing was stored. Waits for whoever is storing it just now. */
export const insertPayment = (tx: Tx, row: PaymentRow): Promise<boolean> =>
  insertRow(tx, "mpesa_payments", row, "ON CONFLICT (receipt) DO NOTHING");

export const updatePayment = (tx: Tx, id: PaymentId, patch: Partial<PaymentRow>) =>
  updateRow(tx, "mpesa_payments", ["id", id], patch);

export const paymentByReceipt = (tx: ReadTx, receipt: string) =>
  tx.get<PaymentRow>("SELECT * FROM mpesa_payments WHERE receipt = ?", [receipt]);

/** Kept for this transaction; after its top-up, before its workspace. */
export const paymentByReceiptToChange = (tx: Tx, receipt: string) =>
  tx.get<PaymentRow>("SELECT * FROM mpesa_payments WHERE receipt = ? FOR NO KEY UPDATE", [receipt]);

export const paymentById = (tx: ReadTx, id: PaymentId) =>
  tx.get<PaymentRow>("SELECT * FROM mpesa_payments WHERE id = ?", [id]);

export const paymentToChange = (tx: Tx, id: PaymentId) =>
  tx.get<PaymentRow>("SELECT * FROM mpesa_payments WHERE id = ? FOR NO KEY UPDATE", [id]);

/** What waits for this top-up to be verified, kept for this transaction. */
export const unverifiedPaymentOf = (tx: Tx, topUpId: TopUpId) =>
  tx.get<PaymentRow>(
    `SELECT * FROM mpesa_payments WHERE topup_id = ? AND workspace_id IS NULL AND suspense_reason = 'unverified'
     ORDER BY id LIMIT 1 FOR NO KEY UPDATE`,
    [topUpId],
  );

/** Oldest first. */
export const paymentsInSuspense = (tx: ReadTx, limit: number) =>
  tx.all<PaymentRow>("SELECT * FROM mpesa_payments WHERE workspace_id IS NULL ORDER BY id LIMIT ?", [limit]);

export async function awaitsVerification(tx: ReadTx, sinceMs: number): Promise<boolean> {
  const row = await tx.get(
    `SELECT 1 AS found FROM mpesa_payments WHERE workspace_id IS NULL AND suspense_reason = 'unverified'
       AND created_at_ms > ? LIMIT 1`,
    [sinceMs],
  );
  return row !== undefined;
}

/** What waits to be verified and was not asked about since then, oldest first. */
export const unverifiedNotAsked = (tx: ReadTx, sinceMs: number, limit: number) =>
  tx.all<PaymentRow>(
    `SELECT * FROM mpesa_payments WHERE workspace_id IS NULL AND suspense_reason = 'unverified' AND NOT EXISTS
       (SELECT 1 FROM mpesa_status_requests s WHERE s.receipt = mpesa_payments.receipt AND s.created_at_ms > ?)
     ORDER BY id LIMIT ?`,
    [sinceMs, limit],
  );

export const insertStatusRequest = (tx: Tx, answerKey: string, receipt: string, nowMs: number) =>
  tx.run("INSERT INTO mpesa_status_requests (answer_key, receipt, created_at_ms) VALUES (?, ?, ?)", [
    answerKey,
    receipt,
    nowMs,
  ]);

/** The receipt that this answer is about; null: we never asked. */
export async function statusRequest(tx: ReadTx, answerKey: string): Promise<string | null> {
  const row = await tx.get<{ receipt: string }>(
    "SELECT receipt FROM mpesa_status_requests WHERE answer_key = ?",
    [answerKey],
  );
  return row?.receipt ?? null;
}

/** Whose account number that is. */
export async function workspaceByAccount(tx: ReadTx, accountRef: string): Promise<WorkspaceId | null> {
  const row = await tx.get<{ id: WorkspaceId }>("SELECT id FROM workspaces WHERE mpesa_account_ref = ?", [
    accountRef,
  ]);
  return row?.id ?? null;
}

export interface NoticeRow {
  id: NoticeId;
  kind: "stk" | "confirmation" | "status";
  callbackKey: string | null;
  body: string;
  address: string | null;
  receivedAtMs: number;
  dueAtMs: number | null;
  attempts: number;
  outcome: string | null;
}

/** To be worked off at once: whoever does that may have another clock than whoever it came to. */
export async function insertNotice(
  tx: Tx,
  row: Pick<NoticeRow, "id" | "kind" | "callbackKey" | "body" | "address" | "receivedAtMs">,
): Promise<void> {
  await tx.run(
    `INSERT INTO mpesa_notices (id, kind, callback_key, body, address, received_at_ms, due_at_ms)
     VALUES (?, ?, ?, ?, ?, ?, 0)`,
    [row.id, row.kind, row.callbackKey, row.body, row.address, row.receivedAtMs],
  );
}

export const dueNotices = (tx: ReadTx, nowMs: number, limit: number) =>
  tx.all<NoticeRow>("SELECT * FROM mpesa_notices WHERE due_at_ms <= ? ORDER BY due_at_ms, id LIMIT ?", [
    nowMs,
    limit,
  ]);

/** Oldest first; kept as long as any. */
export const unreadableNotices = (tx: ReadTx, limit: number) =>
  tx.all<NoticeRow>("SELECT * FROM mpesa_notices WHERE outcome = 'unreadable' ORDER BY id LIMIT ?", [limit]);

/** Says what came of it. False: somebody else has worked it off. */
export async function closeNotice(tx: Tx, id: NoticeId, outcome: string): Promise<boolean> {
  const { changes } = await tx.run(
    "UPDATE mpesa_notices SET due_at_ms = NULL, outcome = ? WHERE id = ? AND due_at_ms IS NOT NULL",
    [outcome, id],
  );
  return changes === 1;
}

export const postponeNotice = (tx: Tx, id: NoticeId, dueAtMs: number, outcome: string) =>
  tx.run(
    `UPDATE mpesa_notices SET due_at_ms = ?, outcome = ?, attempts = attempts + 1
     WHERE id = ? AND due_at_ms IS NOT NULL`,
    [dueAtMs, outcome, id],
  );

/** Drops the oldest of those that were worked off, from before `beforeMs`. */
export const sweepNotices = (tx: Tx, beforeMs: number, limit: number) =>
  tx.run(
    `DELETE FROM mpesa_notices WHERE id IN (SELECT id FROM mpesa_notices
       WHERE received_at_ms < ? AND due_at_ms IS NULL ORDER BY received_at_ms LIMIT ?)`,
    [beforeMs, limit],
  );
