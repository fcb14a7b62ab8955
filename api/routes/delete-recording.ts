import { SautikitError } from "../../engine/errors.ts";
import { isId } from "../../engine/ids.ts";
import { byId } from "../../engine/store/recordings.ts";
import { changes } from "../route.ts";
import { recordingView } from "../schemas/recording.ts";
import { pathId } from "../schemas/text.ts";

export const deleteRecording = changes({
  method: "delete",
  path: "/v1/recordings/{id}",
  operationId: "deleteRecording",
  tag: "Recordings",
  summary: "Delete a recording, for good",
  description: "Again: changes nothing. Its audio is removed soon after.",
  scope: "recordings.delete",
  params: pathId("rec", "recording"),
  responses: { 204: { description: "It is deleted.", schema: null } },
  errors: ["recordings.not_found", "calls.recording_state"],
  async change(tx, { parts, caller, params }) {
    const { id } = params;
    if (!isId("rec", id)) throw new SautikitError("recordings.not_found");
    const before = await byId(tx, caller.workspace.id, id);
    const after = recordingView(await parts.recordings.delete(tx, caller.workspace.id, id));
    return { status: 204, changed: { subject: id, before: before ? recordingView(before) : null, after } };
  },
});
