import { SautikitError } from "../../engine/errors.ts";
import { isId } from "../../engine/ids.ts";
import { answers } from "../route.ts";
import { viewsWithLinks } from "../recording-links.ts";
import { recordingSchema } from "../schemas/recording.ts";
import { pathId } from "../schemas/text.ts";

export const getRecording = answers({
  method: "get",
  path: "/v1/recordings/{id}",
  operationId: "getRecording",
  tag: "Recordings",
  summary: "Look at a recording",
  scope: "recordings.read",
  params: pathId("rec", "recording"),
  responses: { 200: { description: "The recording; a deleted one says so.", schema: recordingSchema } },
  errors: ["recordings.not_found"],
  async answer(request) {
    const { parts, caller, params } = request;
    const { id } = params;
    const found = isId("rec", id) ? await parts.recordings.get(caller.workspace.id, id) : null;
    if (!found) throw new SautikitError("recordings.not_found");
    const [view] = await viewsWithLinks(request, [found]);
    return { status: 200, body: { ...view } };
  },
});
