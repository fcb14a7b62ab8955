import { z } from "zod";
import { uploadBytesMax } from "../../engine/media/stored-prompts.ts";
import { takesFile } from "../route.ts";
import { mediaSchema, mediaView } from "../schemas/media.ts";
import { lineOfText } from "../schemas/text.ts";

export const uploadMedia = takesFile({
  method: "post",
  path: "/v1/media",
  operationId: "uploadMedia",
  tag: "Media",
  summary: "Upload a prompt",
  description:
    "The body is the file itself: a WAV or MP3, told by its content and not by its `Content-Type` (but a form, `multipart/…`, is refused), of at most 10 MiB and an " +
    "hour. It is converted once to see whether it can be played, and kept as it came. A workspace may keep 1000 prompts and " +
    "200 MB of them.",
  scope: "calls.write",
  upload: {
    bytesMax: uploadBytesMax,
    contentTypes: ["audio/wav", "audio/mpeg"],
    tooLarge: "media.too_large",
    notAFile: "media.unsupported",
  },
  query: z.strictObject({
    name: lineOfText(200).min(1).optional().meta({ description: "What you call it." }),
  }),
  responses: { 201: { description: "It is stored, and can be played.", schema: mediaSchema } },
  errors: ["media.unsupported", "media.too_long", "media.storage_full", "media.busy", "storage.unavailable"],
  prepare: ({ parts, caller, query, body }) =>
    parts.prompts.put(caller.workspace.id, { bytes: body, name: query.name ?? null }),
  async change(tx, { parts }, stored) {
    await parts.prompts.publish(tx, stored);
    const after = mediaView(stored, parts.prompts.urls);
    return { status: 201, body: after, changed: { subject: stored.id, before: null, after } };
  },
});
