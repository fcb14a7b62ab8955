import type { Id, WorkspaceId } from "../ids.ts";
import type { Tx } from "./store.ts";

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
