import { z } from "zod";
import { rfc3339Seconds } from "../../engine/clock.ts";
import type { JsonObject } from "../../engine/json.ts";
import type { PromptUrls } from "../../engine/media/prompt-urls.ts";
import type { MediaRow } from "../../engine/store/media.ts";

export const mediaSchema = z
  .strictObject({
    id: z.string(),
    url: z.string().meta({
      description:
        "For `play.url`, `dial.ringback` and wherever else a document plays audio, in this workspace's calls; for anybody " +
        "else it asks for a key.",
    }),
    sha256: z.string().meta({ description: "Of the file as it was uploaded, hex." }),
    size_bytes: z.int(),
    duration_seconds: z.number(),
    content_type: z
      .enum(["audio/wav", "audio/mpeg"])
      .meta({ description: "What the file is, by its content." }),
    name: z.string().optional(),
    created_at: z.string().meta({ format: "date-time" }),
  })
  .meta({ id: "Media" });

export const mediaView = (row: MediaRow, urls: PromptUrls): JsonObject => ({
  id: row.id,
  url: urls.of(row.id),
  sha256: row.sha256,
  size_bytes: row.sizeBytes,
  duration_seconds: row.durationMs / 1000,
  content_type: row.contentType,
  ...(row.name === null ? {} : { name: row.name }),
  created_at: rfc3339Seconds(row.createdAtMs),
});
