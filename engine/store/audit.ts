import type { AuditId, KeyId, RequestId, UserId, WorkspaceId } from "../ids.ts";
import type { Tx } from "./store.ts";

export interface AuditRow {
  id: AuditId;
  workspaceId: WorkspaceId | null;
  actorKind: "key" | "user" | "operator" | "system";
  actorId: KeyId | UserId | null;
  action: string;
  subject: string | null;
  /** JSON, as `after`. */
  before: string | null;
  after: string | null;
  address: string | null;
  requestId: RequestId | null;
  createdAtMs: number;
}

export async function insertAuditEntry(tx: Tx, row: AuditRow): Promise<void> {
  await tx.run(
    `INSERT INTO audit_entries (id, workspace_id, actor_kind, actor_id, action, subject, before, after, address,
       request_id, created_at_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    [
      row.id,
      row.workspaceId,
      row.actorKind,
      row.actorId,
      row.action,
      row.subject,
      row.before,
      row.after,
      row.address,
      row.requestId,
      row.createdAtMs,
    ],
  );
}
