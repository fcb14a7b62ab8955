import type { Actor } from "../engine/audit/audit.ts";
import { recordAccesses } from "../engine/privacy/accesses.ts";
import type { AccessKind } from "../engine/store/recording-accesses.ts";
import type { RecordingRow } from "../engine/store/recordings.ts";
import type { Caller } from "../engine/workspaces/api-keys.ts";
import type { LinkedRecording } from "../recordings/recordings.ts";
import type { ApiParts } from "./parts.ts";
import { recordingView } from "./schemas/recording.ts";

interface Asker {
  parts: ApiParts;
  caller: Caller;
  actor: Actor;
}

/** Writes down who is given these recordings, before they are: what cannot be written down is not given. */
export async function noteAccess(
  { parts, caller, actor }: Asker,
  kind: AccessKind,
  recordings: readonly RecordingRow[],
): Promise<void> {
  if (recordings.length === 0) return;
  const recordingIds = recordings.map(({ id }) => id);
  const access = { workspaceId: caller.workspace.id, recordingIds, kind, actor };
  await parts.store.write((tx) => recordAccesses(tx, parts, access));
}

/** As they are shown, each link written down. */
export async function viewsWithLinks(asker: Asker, found: readonly LinkedRecording[]) {
  const linked = found.filter(({ link }) => link !== null).map(({ recording }) => recording);
  await noteAccess(asker, "link", linked);
  return found.map(({ recording, link }) => recordingView(recording, link));
}
