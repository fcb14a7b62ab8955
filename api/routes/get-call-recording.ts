import { z } from "zod";
import { SautikitError } from "../../engine/errors.ts";
import { isId } from "../../engine/ids.ts";
import { requireCall } from "../call-pages.ts";
import { noteAccess } from "../recording-links.ts";
import { answers, type Reply } from "../route.ts";
import { pathId } from "../schemas/text.ts";
import type { RecordingLink } from "../../recordings/recordings.ts";

export const getCallRecording = answers({
  method: "get",
  path: "/v1/calls/{id}/recording",
  operationId: "getCallRecording",
  tag: "Recordings",
  summary: "Fetch a call's recording",
  description: "Whatever `Accept` says, a redirect to a link that lives for an hour and asks for no key.",
  scope: "recordings.read",
  params: pathId("call", "call"),
  query: z.strictObject({
    recording_id: z.string().max(64).optional().meta({ description: "Default: the first leg's earliest." }),
  }),
  responses: {
    302: {
      description: "The audio is at `Location`.",
      schema: null,
      headers: { Location: "The presigned link.", "X-Recording-Count": "How many recordings the call has." },
    },
    202: {
      description: "It is not there yet.",
      schema: z.strictObject({ status: z.literal("pending"), retry_after_seconds: z.int() }),
      headers: { "Retry-After": "Seconds.", "X-Recording-Count": "How many recordings the call has." },
    },
  },
  errors: ["calls.not_found", "calls.recording_not_found", "calls.recording_expired"],
  async answer(request) {
    const { parts, caller, params, query } = request;
    const workspaceId = caller.workspace.id;
    const call = await parts.store.read((tx) => requireCall(tx, workspaceId, params.id));
    const { recording_id: recordingId } = query;
    if (recordingId !== undefined && !isId("rec", recordingId))
      throw new SautikitError("calls.recording_not_found");
    const found = await parts.recordings.forCall(workspaceId, call.id, recordingId);
    if (found.kind === "ready") await noteAccess(request, "listen", [found.recording]);
    return replyOf(found);
  },
});

function replyOf(found: RecordingLink): Reply {
  switch (found.kind) {
    case "ready":
      return { status: 302, headers: { Location: found.url, "X-Recording-Count": String(found.count) } };
    case "pending": {
      const seconds = found.retryAfterSeconds;
      return {
        status: 202,
        headers: { "Retry-After": String(seconds), "X-Recording-Count": String(found.count) },
        body: { status: "pending", retry_after_seconds: seconds },
      };
    }
    case "notFound":
      throw new SautikitError("calls.recording_not_found");
    case "withoutAudio":
      throw new SautikitError("calls.recording_not_found", "The recording holds no audio.");
    case "expired":
      throw new SautikitError("calls.recording_expired");
  }
}
