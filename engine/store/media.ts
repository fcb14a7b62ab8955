import type { MediaId, WorkspaceId } from "../ids.ts";
import type { ReadTx, Tx } from "./store.ts";

/**
 *   reserved ──▶ stored ──▶ deleted ──▶ gone
 *       └────────────────────┘
 * A row says where an object may be from before it is there until after it has gone, so that none is ever forgotten.
 */
export interface MediaRow {
  id: MediaId;
  workspaceId: WorkspaceId;
  name: string | null;
  contentType: string;
  sizeBytes: number;
  /** Hex. */
  sha256: string;
  durationMs: number;
  objectKey: string;
  createdAtMs: number;
  storedAtMs: number | null;
  deletedAtMs: number | null;
}

const visible = "stored_at_ms IS NOT NULL AND deleted_at_ms IS NULL";

/** Before its object is put: nobody sees it yet. */
export async function reserve(tx: Tx, row: Omit<MediaRow, "storedAtMs" | "deletedAtMs">): Promise<void> {
  await tx.run(
    `INSERT INTO media (id, workspace_id, name, content_type, size_bytes, sha256, duration_ms, object_key, created_at_ms)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    [
      row.id,
      row.workspaceId,
      row.name,
      row.contentType,
      row.sizeBytes,
      row.sha256,
      row.durationMs,
      row.objectKey,
      row.createdAtMs,
    ],
  );
}

/** The storage was seen to hold it. False: it was given up meanwhile. */
export async function markStored(tx: Tx, id: MediaId, atMs: number): Promise<boolean> {
  const { changes } = await tx.run(
    "UPDATE media SET stored_at_ms = ? WHERE id = ? AND stored_at_ms IS NULL AND deleted_at_ms IS NULL",
    [atMs, id],
  );
  return changes === 1;
}

/** What a workspace has, and what is on its way; counted under `keepWorkspace`, two uploads cannot both take the last room. */
export async function usage(tx: ReadTx, workspaceId: WorkspaceId): Promise<{ count: number; bytes: number }> {
  const row = await tx.get<{ count: number; bytes: number }>(
    `SELECT COUNT(*) AS count, CAST(COALESCE(SUM(size_bytes), 0) AS BIGINT) AS bytes FROM media
     WHERE workspace_id = ? AND deleted_at_ms IS NULL`,
    [workspaceId],
  );
  return row ?? { count: 0, bytes: 0 };
}

export function byId(tx: ReadTx, workspaceId: WorkspaceId, id: MediaId): Promise<MediaRow | undefined> {
  return tx.get(`SELECT * FROM media WHERE workspace_id = ? AND id = ? AND ${visible}`, [workspaceId, id]);
}

/** Newest first, those older than `before`. */
export function byWorkspace(
  tx: ReadTx,
  workspaceId: WorkspaceId,
  { limit, before }: { limit: number; before: MediaId | null },
): Promise<MediaRow[]> {
  const older = before === null ? "" : "AND id < ?";
  return tx.all(
    `SELECT * FROM media WHERE workspace_id = ? AND ${visible} ${older} ORDER BY id DESC LIMIT ?`,
    [workspaceId, ...(before === null ? [] : [before]), limit],
  );
}

/** False: there is no such prompt. */
export async function markDeleted(
  tx: Tx,
  workspaceId: WorkspaceId,
  id: MediaId,
  atMs: number,
): Promise<boolean> {
  const { changes } = await tx.run(
    `UPDATE media SET deleted_at_ms = ? WHERE workspace_id = ? AND id = ? AND ${visible}`,
    [atMs, workspaceId, id],
  );
  return changes === 1;
}

/** One whose object could not be put. */
export async function giveUp(tx: Tx, id: MediaId, atMs: number): Promise<void> {
  await tx.run("UPDATE media SET deleted_at_ms = ? WHERE id = ? AND stored_at_ms IS NULL", [atMs, id]);
}

/** Those whose process died before it had said what became of their object. */
export async function giveUpReservedBefore(tx: Tx, beforeMs: number, atMs: number): Promise<void> {
  await tx.run(
    "UPDATE media SET deleted_at_ms = ? WHERE stored_at_ms IS NULL AND deleted_at_ms IS NULL AND created_at_ms < ?",
    [atMs, beforeMs],
  );
}

/**
 * Of all workspaces, the longest deleted first; of those that were given up, whose object may come yet, the ones reserved before
 * `settledMs`.
 */
export function toRemove(
  tx: ReadTx,
  settledMs: number,
  limit: number,
): Promise<Pick<MediaRow, "id" | "objectKey" | "deletedAtMs">[]> {
  return tx.all(
    `SELECT id, object_key, deleted_at_ms FROM media
     WHERE deleted_at_ms IS NOT NULL AND (stored_at_ms IS NOT NULL OR created_at_ms < ?) ORDER BY deleted_at_ms LIMIT ?`,
    [settledMs, limit],
  );
}

/** The storage has no object of it any more. */
export async function forget(tx: Tx, id: MediaId): Promise<void> {
  await tx.run("DELETE FROM media WHERE id = ? AND deleted_at_ms IS NOT NULL", [id]);
}

/**
 * Names of the files that live calls and rooms may hear again, as their documents and the rooms' music name them: of
 * whatever looks like one.
 */
export async function filesInUse(tx: ReadTx): Promise<Set<string>> {
  const texts = await tx.all<{ text: string }>(
    `SELECT document AS text FROM calls WHERE ended_at_us IS NULL AND document LIKE '%.wav"%'
     UNION ALL SELECT music AS text FROM conferences WHERE ended_at_ms IS NULL AND music IS NOT NULL`,
  );
  return new Set(texts.flatMap(({ text }) => text.match(/\b[0-9a-f]{64}\.wav\b/g) ?? []));
}
