import type { RecordingRow } from "../engine/store/recordings.ts";

/** Where a recording is in the bucket: by its ids alone, so that a second upload lands on the first. */
export const objectKey = (recording: Pick<RecordingRow, "workspaceId" | "callId" | "id">): string =>
  `${recording.workspaceId}/${recording.callId}/${recording.id}.wav`;
