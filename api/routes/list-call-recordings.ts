import { z } from "zod";
import { requireCall } from "../call-pages.ts";
import { cursorOf, listSchema, pageQuery, placeOf } from "../cursor.ts";
import { answers } from "../route.ts";
import { viewsWithLinks } from "../recording-links.ts";
import { recordingSchema } from "../schemas/recording.ts";
import { pathId } from "../schemas/text.ts";

/** Each with a link to be signed, and an access to be written down. */
const shownMax = 100;

export const listCallRecordings = answers({
  method: "get",
  path: "/v1/calls/{id}/recordings",
  operationId: "listCallRecordings",
  tag: "Recordings",
  summary: "Every recording of a call, the first leg's earliest first",
  description: "Up to 100 at once, which are all of most calls.",
  scope: "recordings.read",
  params: pathId("call", "call"),
  query: z.strictObject({ cursor: pageQuery.cursor }),
  responses: { 200: { description: "A page of them.", schema: listSchema(recordingSchema) } },
  errors: ["calls.not_found"],
  async answer(request) {
    const { parts, caller, params, query } = request;
    const call = await parts.store.read((tx) => requireCall(tx, caller.workspace.id, params.id));
    const page = { limit: shownMax, after: placeOf("rec", query.cursor) };
    const found = await parts.recordings.listForCall(caller.workspace.id, call.id, page);
    const data = await viewsWithLinks(request, found.data);
    return { status: 200, body: { data, next_cursor: cursorOf(found.next) } };
  },
});
