import { requireCall } from "../call-pages.ts";
import { listSchema } from "../cursor.ts";
import { answers } from "../route.ts";
import { viewsWithLinks } from "../recording-links.ts";
import { recordingSchema } from "../schemas/recording.ts";
import { pathId } from "../schemas/text.ts";

export const listCallRecordings = answers({
  method: "get",
  path: "/v1/calls/{id}/recordings",
  operationId: "listCallRecordings",
  tag: "Recordings",
  summary: "Every recording of a call, the first leg's earliest first",
  scope: "recordings.read",
  params: pathId("call", "call"),
  responses: { 200: { description: "All of them, on one page.", schema: listSchema(recordingSchema) } },
  errors: ["calls.not_found"],
  async answer(request) {
    const { parts, caller, params } = request;
    const call = await parts.store.read((tx) => requireCall(tx, caller.workspace.id, params.id));
    const found = await parts.recordings.listForCall(caller.workspace.id, call.id);
    const data = await viewsWithLinks(request, found);
    return { status: 200, body: { data, next_cursor: null } };
  },
});
