import { z } from "zod";
import { rfc3339Ms, rfc3339Seconds } from "../../engine/clock.ts";
import type { JsonObject } from "../../engine/json.ts";
import type { RecordingRow } from "../../engine/store/recordings.ts";
import type { LinkedRecording } from "../../recordings/recordings.ts";

const timeOrNull = z.string().meta({ format: "date-time" }).nullable();

export const recordingSchema = z
  .strictObject({
    id: z.string(),
    call_id: z.string(),
    leg_id: z.string(),
    status: z
      .enum([
        "starting",
        "recording",
        "paused",
        "stopping",
        "uploading",
        "ready",
        "empty",
        "missing",
        "deleted",
      ])
      .meta({
        description:
          "On the switch: starting, recording, paused, stopping. Then uploading, and ready; empty holds no audio, missing left no file.",
      }),
    created_at: z.string().meta({ format: "date-time" }),
    started_at: timeOrNull,
    ended_at: timeOrNull,
    duration_seconds: z.number().nullable(),
    size_bytes: z.int().nullable(),
    sha256: z.string().nullable(),
    download_url: z.string().nullable().meta({ description: "Asks for no key. Null unless it is ready." }),
    expires_at: timeOrNull.meta({ description: "Until then `download_url` works." }),
  })
  .meta({ id: "Recording" });

export function recordingView(recording: RecordingRow, link: LinkedRecording["link"] = null): JsonObject {
  return {
    id: recording.id,
    call_id: recording.callId,
    leg_id: recording.legId,
    status: recording.status,
    created_at: rfc3339Seconds(recording.createdAtMs),
    started_at: timeUs(recording.startedAtUs),
    ended_at: timeUs(recording.endedAtUs),
    duration_seconds: recording.durationMs === null ? null : recording.durationMs / 1000,
    size_bytes: recording.sizeBytes,
    sha256: recording.sha256,
    download_url: link?.url ?? null,
    expires_at: link ? rfc3339Seconds(link.expiresAtMs) : null,
  };
}

const timeUs = (us: number | null) => (us === null ? null : rfc3339Ms(Math.floor(us / 1000)));
