import type { Id, WorkspaceId } from "../ids.ts";
import type { ReadTx, Tx } from "./store.ts";

export interface MailRow {
  id: Id<"mail">;
  onceKey: string;
  workspaceId: WorkspaceId | null;
  recipient: string;
  subject: string;
  body: string;
  status: "pending" | "sent" | "failed";
  attempts: number;
  nextAttemptAtMs: number | null;
  lastError: string | null;
  createdAtMs: number;
  sentAtMs: number | null;
}

export type NewMailRow = Pick<
  MailRow,
  "id" | "onceKey" | "workspaceId" | "recipient" | "subject" | "body" | "createdAtMs"
>;

/** Due at once. False: there was one with that key. */
export async function insertMail(tx: Tx, row: NewMailRow): Promise<boolean> {
  const { changes } = await tx.run(
    `INSERT INTO mails (id, once_key, workspace_id, recipient, subject, body, status, next_attempt_at_ms, created_at_ms)
     VALUES (?, ?, ?, ?, ?, ?, 'pending', ?, ?) ON CONFLICT (once_key) DO NOTHING`,
    [
      row.id,
      row.onceKey,
      row.workspaceId,
      row.recipient,
      row.subject,
      row.body,
      row.createdAtMs,
      row.createdAtMs,
    ],
  );
  return changes === 1;
}

/** Longest due first; one that was never tried is due whenever it was written: the clock may have been set back since. */
export const dueMails = (tx: ReadTx, nowMs: number, limit: number) =>
  tx.all<MailRow>(
    `SELECT * FROM mails WHERE next_attempt_at_ms IS NOT NULL AND (next_attempt_at_ms <= ? OR attempts = 0)
     ORDER BY next_attempt_at_ms, id LIMIT ?`,
    [nowMs, limit],
  );

/** For one try, which nobody else makes before `leaseEndsMs`. Undefined: somebody else has it. */
export const takeMail = (tx: Tx, seen: Pick<MailRow, "id" | "attempts">, leaseEndsMs: number) =>
  tx.get<MailRow>(
    `UPDATE mails SET attempts = attempts + 1, next_attempt_at_ms = ?
     WHERE id = ? AND attempts = ? AND status = 'pending' RETURNING *`,
    [leaseEndsMs, seen.id, seen.attempts],
  );

export async function mailSent(tx: Tx, id: MailRow["id"], nowMs: number): Promise<void> {
  await tx.run(
    `UPDATE mails SET status = 'sent', sent_at_ms = ?, next_attempt_at_ms = NULL, last_error = NULL, body = ''
     WHERE id = ?`,
    [nowMs, id],
  );
}

/** Without a next attempt it is given up. */
export async function mailFailed(
  tx: Tx,
  id: MailRow["id"],
  { nextAttemptAtMs, lastError }: Pick<MailRow, "nextAttemptAtMs" | "lastError">,
): Promise<void> {
  // One that took longer than its lease may have been sent by another meanwhile.
  await tx.run(
    "UPDATE mails SET next_attempt_at_ms = ?, last_error = ? WHERE id = ? AND status = 'pending'",
    [nextAttemptAtMs, lastError, id],
  );
  if (nextAttemptAtMs === null)
    await tx.run("UPDATE mails SET status = 'failed', body = '' WHERE id = ? AND status = 'pending'", [id]);
}

/** Whoever has a mail of that key, written by then; by their keys, those behind `after`. */
export const recipientsOf = (
  tx: ReadTx,
  key: string,
  { untilMs, after, limit }: { untilMs: number; after: string; limit: number },
) =>
  tx.all<Pick<MailRow, "onceKey" | "recipient">>(
    `SELECT once_key, recipient FROM mails WHERE once_key > ? AND once_key < ? AND created_at_ms <= ?
     ORDER BY once_key LIMIT ?`,
    // Between them are the keys that go on behind a blank.
    [after === "" ? `${key} ` : after, `${key}!`, untilMs, limit],
  );
