import type { AuditId, KeyId, RequestId, UserId, WorkspaceId } from "../ids.ts";
import type { ReadTx, SqlValue, Tx } from "./store.ts";

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

export interface AuditFilter {
  action?: string | undefined;
  subject?: string | undefined;
  /** A kind, or an id. */
  actor?: string | undefined;
  /** From then on, and before then. */
  fromMs?: number | undefined;
  toMs?: number | undefined;
}

/** A workspace's, newest first, those older than `before`. */
export async function auditEntriesOf(
  tx: ReadTx,
  workspaceId: WorkspaceId,
  filter: AuditFilter,
  page: { limit: number; before: AuditId | null },
): Promise<AuditRow[]> {
  const byKind = filter.actor === undefined || !filter.actor.includes("_");
  const wanted: [condition: string, value: SqlValue | undefined][] = [
    ["id < ?", page.before ?? undefined],
    ["action = ?", filter.action],
    ["subject = ?", filter.subject],
    [byKind ? "actor_kind = ?" : "actor_id = ?", filter.actor],
    ["created_at_ms >= ?", filter.fromMs],
    ["created_at_ms < ?", filter.toMs],
  ];
  const given = wanted.filter(([, value]) => value !== undefined);
  return tx.all(
    `SELECT * FROM audit_entries WHERE ${["workspace_id = ?", ...given.map(([condition]) => condition)].join(" AND ")}
     ORDER BY id DESC LIMIT ?`,
    [workspaceId, ...given.map(([, value]) => value ?? null), page.limit],
  );
}

/** When that was last done to it, of the whole installation; undefined: never, or by a version that did not write it down. */
export async function lastDoneAtMs(tx: ReadTx, action: string, subject: string): Promise<number | undefined> {
  const entry = await tx.get<{ createdAtMs: number }>(
    `SELECT created_at_ms FROM audit_entries WHERE workspace_id IS NULL AND subject = ? AND action = ?
     ORDER BY id DESC LIMIT 1`,
    [subject, action],
  );
  return entry?.createdAtMs;
}
