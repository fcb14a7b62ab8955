import type { RecordingRow } from "../store/recordings.ts";
import type { Tx } from "../store/store.ts";
import { CallChange } from "./call-change.ts";
import type { ChangeParts } from "./change-parts.ts";
import type { CallEventKind } from "./event-kinds.ts";

/** What the spool has to say of a recording, told as events of its call in the spool's own transaction. */
export class RecordingNews {
  readonly #parts: ChangeParts;
  readonly #publicUrl: () => string;

  /** `publicUrl`: where customers reach the API, without a slash at the end. */
  constructor(parts: ChangeParts, publicUrl: () => string) {
    this.#parts = parts;
    this.#publicUrl = publicUrl;
  }

  /** Stored and verified. The link is the API's own, which asks for a key: no presigned link travels in a webhook. */
  async ready(tx: Tx, row: RecordingRow): Promise<void> {
    await this.#emit(tx, row, "call.recording.ready", {
      duration_seconds: (row.durationMs ?? 0) / 1000,
      ...coverage(row),
      ...(row.trimmedMs === null ? {} : { trimmed_ms: row.trimmedMs }),
      size_bytes: row.sizeBytes,
      sha256: row.sha256,
      download_url: `${this.#publicUrl()}/v1/calls/${row.callId}/recording?recording_id=${row.id}`,
    });
  }

  /** The file held no audio. */
  empty(tx: Tx, row: RecordingRow): Promise<void> {
    return this.#emit(tx, row, "recording.empty", coverage(row));
  }

  /** The switch left no file. */
  missing(tx: Tx, row: RecordingRow): Promise<void> {
    return this.#emit(tx, row, "recording.missing", coverage(row));
  }

  async #emit(
    tx: Tx,
    row: RecordingRow,
    kind: CallEventKind,
    payload: Record<string, string | number | null>,
  ): Promise<void> {
    const change = await CallChange.load(this.#parts, tx, row.callId);
    if (!change) return;
    await change.emit(kind, { recording_id: row.id, leg_id: row.legId, ...payload });
    await change.save();
  }
}

/** How long there was something to record, and how much of that the file lacks; null: not known. */
function coverage({ talkMs, durationMs, trimmedMs }: RecordingRow) {
  const recordedMs = (durationMs ?? 0) + (trimmedMs ?? 0);
  return { talk_ms: talkMs, gap_ms: talkMs === null ? null : Math.max(0, talkMs - recordedMs) };
}
