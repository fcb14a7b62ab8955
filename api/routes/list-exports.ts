import { z } from "zod";
import { listSchema, page, pageQuery, placeOf } from "../cursor.ts";
import { answers } from "../route.ts";
import { exportSchema, exportView } from "../schemas/privacy.ts";

export const listExports = answers({
  method: "get",
  path: "/v1/privacy/exports",
  operationId: "listExports",
  tag: "Privacy",
  summary: "List exports, newest first",
  scope: "recordings.read",
  role: "admin",
  query: z.strictObject(pageQuery),
  responses: { 200: { description: "A page of exports.", schema: listSchema(exportSchema) } },
  errors: [],
  async answer({ parts, caller, query }) {
    const { limit } = query;
    const before = placeOf("exp", query.cursor);
    const rows = await parts.store.read((tx) =>
      parts.exports.list(tx, caller.workspace.id, { limit: limit + 1, before }),
    );
    return { status: 200, body: page(rows, limit, exportView) };
  },
});
