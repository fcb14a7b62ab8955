import { z } from "zod";
import type { LegId } from "../../engine/ids.ts";
import { callIdOf } from "../call-pages.ts";
import { listSchema } from "../cursor.ts";
import { changes } from "../route.ts";
import { recordingSchema, recordingView } from "../schemas/recording.ts";
import { lineOfText, pathId } from "../schemas/text.ts";

export const setCallRecording = changes({
  method: "patch",
  path: "/v1/calls/{id}/recording",
  operationId: "setCallRecording",
  tag: "Recordings",
  summary: "Start, pause, resume or end the recording of a leg",
  description:
    "`on` starts one, or resumes a paused one; `paused` writes silence into it; `off` ends it. On after off begins another.",
  scope: "calls.write",
  params: pathId("call", "call"),
  body: z.strictObject({
    state: z.enum(["on", "off", "paused"]),
    leg_id: lineOfText(64).optional().meta({ description: "Default: the call's first leg." }),
  }),
  responses: {
    200: { description: "The leg's recordings, oldest first.", schema: listSchema(recordingSchema) },
  },
  errors: ["calls.not_found", "calls.not_live", "calls.recording_state"],
  async change(tx, { parts, caller, params, body }) {
    const id = callIdOf(params.id);
    const legId = body.leg_id as LegId | undefined;
    const want = { state: body.state, ...(legId === undefined ? {} : { legId }) };
    const rows = await parts.calls.setRecording(tx, caller.workspace.id, id, want);
    return { status: 200, body: { data: rows.map((row) => recordingView(row)), next_cursor: null } };
  },
});
