import type { CallId, Id, KeyId, UserId, WorkspaceId } from "../ids.ts";
import type { CallRow } from "./calls.ts";
import type { ReadTx, Tx } from "./store.ts";

export interface ExportRow {
  id: Id<"exp">;
  workspaceId: WorkspaceId;
  /** Keyed hash of the number. */
  pseudonym: string;
  /** Null once the ZIP is to go. */
  e164: string | null;
  status: "pending" | "ready" | "expired";
  /** Null: the operator. */
  requestedBy: KeyId | UserId | null;
  createdAtMs: number;
  readyAtMs: number | null;
  sizeBytes: number | null;
  /** JSON. */
  contents: string | null;
  expiresAtMs: number | null;
  /** The storage was seen to hold it no more. */
  removedAtMs: number | null;
}

export async function insertExport(
  tx: Tx,
  row: Pick<ExportRow, "id" | "workspaceId" | "pseudonym" | "e164" | "requestedBy" | "createdAtMs">,
): Promise<void> {
  await tx.run(
    `INSERT INTO privacy_exports (id, workspace_id, pseudonym, e164, status, requested_by, created_at_ms)
     VALUES (?, ?, ?, ?, 'pending', ?, ?)`,
    [row.id, row.workspaceId, row.pseudonym, row.e164, row.requestedBy, row.createdAtMs],
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

/** To be made, the oldest first. */
export const pendingExports = (tx: ReadTx, limit: number) =>
  tx.all<ExportRow>(
    "SELECT * FROM privacy_exports WHERE status = 'pending' AND removed_at_ms IS NULL ORDER BY id LIMIT ?",
    [limit],
  );

/** False: somebody else made it, or the number was erased meanwhile. */
export async function markExportReady(
  tx: Tx,
  row: Pick<ExportRow, "id" | "readyAtMs" | "sizeBytes" | "contents" | "expiresAtMs">,
): Promise<boolean> {
  const { changes } = await tx.run(
    `UPDATE privacy_exports SET status = 'ready', ready_at_ms = ?, size_bytes = ?, contents = ?, expires_at_ms = ?
     WHERE id = ? AND status = 'pending'`,
    [row.readyAtMs, row.sizeBytes, row.contents, row.expiresAtMs, row.id],
  );
  return changes === 1;
}

/** From here on nobody gets a link; the ZIP is removed afterwards. */
export async function expireExports(tx: Tx, nowMs: number): Promise<void> {
  await tx.run(
    "UPDATE privacy_exports SET status = 'expired', e164 = NULL WHERE status = 'ready' AND removed_at_ms IS NULL AND expires_at_ms <= ?",
    [nowMs],
  );
}

/** Those of a number that is erased, whatever their state. */
export async function expireExportsOf(tx: Tx, workspaceId: WorkspaceId, pseudonym: string): Promise<void> {
  await tx.run(
    `UPDATE privacy_exports SET status = 'expired', e164 = NULL
     WHERE workspace_id = ? AND pseudonym = ? AND removed_at_ms IS NULL`,
    [workspaceId, pseudonym],
  );
}

/** Expired ones whose ZIP may still be in the storage. */
export const exportsToRemove = (tx: ReadTx, limit: number) =>
  tx.all<ExportRow>(
    "SELECT * FROM privacy_exports WHERE status = 'expired' AND removed_at_ms IS NULL ORDER BY id LIMIT ?",
    [limit],
  );

export async function countExportsToRemove(
  tx: ReadTx,
  workspaceId: WorkspaceId,
  pseudonym: string,
): Promise<number> {
  const row = await tx.get<{ left: number }>(
    `SELECT COUNT(*) AS "left" FROM privacy_exports WHERE workspace_id = ? AND pseudonym = ? AND removed_at_ms IS NULL`,
    [workspaceId, pseudonym],
  );
  return row?.left ?? 0;
}

export async function markExportRemoved(tx: Tx, id: ExportRow["id"], nowMs: number): Promise<void> {
  await tx.run("UPDATE privacy_exports SET removed_at_ms = ? WHERE id = ? AND removed_at_ms IS NULL", [
    nowMs,
    id,
  ]);
}

/** A workspace's calls that a number is a party of, the oldest first, those after `after`. */
export const callsWithParty = (
  tx: ReadTx,
  workspaceId: WorkspaceId,
  e164: string,
  page: { limit: number; after: CallId | null },
) =>
  tx.all<CallRow>(
    `SELECT c.* FROM calls c WHERE c.id IN (
       SELECT l.call_id FROM legs l WHERE l.workspace_id = ? AND l.to_e164 = ?
       UNION SELECT l.call_id FROM legs l WHERE l.workspace_id = ? AND l.from_e164 = ?)
     ${page.after === null ? "" : "AND c.id > ?"} ORDER BY c.id LIMIT ?`,
    [workspaceId, e164, workspaceId, e164, ...(page.after === null ? [] : [page.after]), page.limit],
  );
