import type { Id, KeyId, RecordingId, RequestId, UserId, WorkspaceId } from "../ids.ts";
import type { ReadTx, Tx } from "./store.ts";

/** listen: redirected to the audio; link: a link was shown; export: it is in an export that a link was given to. */
export type AccessKind = "listen" | "link" | "export";

export interface AccessRow {
  id: Id<"acs">;
  recordingId: RecordingId;
  workspaceId: WorkspaceId;
  kind: AccessKind;
  actorKind: "key" | "user" | "operator" | "system";
  actorId: KeyId | UserId | null;
  address: string | null;
  requestId: RequestId | null;
  accessedAtMs: number;
}

export async function insertAccess(tx: Tx, row: AccessRow): Promise<void> {
  await tx.run(
    `INSERT INTO recording_accesses (id, recording_id, workspace_id, kind, actor_kind, actor_id, address, request_id,
       accessed_at_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    [
      row.id,
      row.recordingId,
      row.workspaceId,
      row.kind,
      row.actorKind,
      row.actorId,
      row.address,
      row.requestId,
      row.accessedAtMs,
    ],
  );
}

/** Of a recording, newest first, those older than `before`. */
export const accessesOf = (
  tx: ReadTx,
  recordingId: RecordingId,
  page: { limit: number; before: AccessRow["id"] | null },
) =>
  tx.all<AccessRow>(
    `SELECT * FROM recording_accesses WHERE recording_id = ? ${page.before === null ? "" : "AND id < ?"}
     ORDER BY id DESC LIMIT ?`,
    [recordingId, ...(page.before === null ? [] : [page.before]), page.limit],
  );
