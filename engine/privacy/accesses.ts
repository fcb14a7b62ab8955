import { actorFields, type Actor } from "../audit/audit.ts";
import type { Clock } from "../clock.ts";
import type { Ids, RecordingId, WorkspaceId } from "../ids.ts";
import { insertAccess, type AccessKind } from "../store/recording-accesses.ts";
import type { Tx } from "../store/store.ts";

/** Writes down that recordings, or links to them, are given to somebody: before they are. */
export async function recordAccesses(
  tx: Tx,
  { ids, clock }: { ids: Ids; clock: Clock },
  access: { workspaceId: WorkspaceId; recordingIds: readonly RecordingId[]; kind: AccessKind; actor: Actor },
): Promise<void> {
  const { workspaceId, kind, actor } = access;
  for (const recordingId of access.recordingIds) {
    await insertAccess(tx, {
      ...{ id: ids.next("acs"), recordingId, workspaceId, kind },
      ...actorFields(actor),
      accessedAtMs: clock.nowMs(),
    });
  }
}
