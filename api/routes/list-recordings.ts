import { z } from "zod";
import { cursorOf, listSchema, pageQuery, placeOf } from "../cursor.ts";
import { answers } from "../route.ts";
import { viewsWithLinks } from "../recording-links.ts";
import { recordingSchema } from "../schemas/recording.ts";

export const listRecordings = answers({
  method: "get",
  path: "/v1/recordings",
  operationId: "listRecordings",
  tag: "Recordings",
  summary: "List recordings, newest first",
  scope: "recordings.read",
  query: z.strictObject(pageQuery),
  responses: { 200: { description: "A page of recordings.", schema: listSchema(recordingSchema) } },
  errors: [],
  async answer(request) {
    const { parts, caller, query } = request;
    const page = { limit: query.limit, before: placeOf("rec", query.cursor) };
    const found = await parts.recordings.list(caller.workspace.id, page);
    const data = await viewsWithLinks(request, found.data);
    return { status: 200, body: { data, next_cursor: cursorOf(found.next) } };
  },
});
