import { z } from "zod";
import { listSchema, page, pageQuery, placeOf } from "../cursor.ts";
import { answers } from "../route.ts";
import { mediaSchema, mediaView } from "../schemas/media.ts";

export const listMedia = answers({
  method: "get",
  path: "/v1/media",
  operationId: "listMedia",
  tag: "Media",
  summary: "List prompts, newest first",
  scope: "calls.read",
  query: z.strictObject(pageQuery),
  responses: { 200: { description: "A page of prompts.", schema: listSchema(mediaSchema) } },
  errors: [],
  async answer({ parts, caller, query }) {
    const { limit } = query;
    const before = placeOf("med", query.cursor);
    const rows = await parts.prompts.list(caller.workspace.id, { limit: limit + 1, before });
    return { status: 200, body: page(rows, limit, (row) => mediaView(row, parts.prompts.urls)) };
  },
});
