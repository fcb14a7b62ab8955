import { SautikitError } from "../../engine/errors.ts";
import { isId } from "../../engine/ids.ts";
import { changes } from "../route.ts";
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
    await parts.recordings.delete(tx, caller.workspace.id, id);
    return { status: 204 };
  },
});
