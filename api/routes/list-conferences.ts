import { z } from "zod";
import { cursorOf, listSchema, pageQuery, placeOf } from "../cursor.ts";
import { answers } from "../route.ts";
import { conferenceSchema, conferenceView } from "../schemas/conference.ts";

export const listConferences = answers({
  method: "get",
  path: "/v1/conferences",
  operationId: "listConferences",
  tag: "Conferences",
  summary: "List the conferences that are going on, newest first",
  scope: "calls.read",
  query: z.strictObject(pageQuery),
  responses: { 200: { description: "A page of conferences.", schema: listSchema(conferenceSchema) } },
  errors: [],
  async answer({ parts, caller, query }) {
    const page = { limit: query.limit + 1, before: placeOf("conf", query.cursor) };
    const found = await parts.store.read((tx) => parts.conferences.list(tx, caller.workspace.id, page));
    const shown = found.slice(0, query.limit);
    const last = found.length > query.limit ? shown.at(-1)?.room.id : undefined;
    return {
      status: 200,
      body: { data: shown.map(conferenceView), next_cursor: cursorOf(last ?? null) },
    };
  },
});
