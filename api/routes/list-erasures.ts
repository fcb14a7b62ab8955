import { z } from "zod";
import { listSchema, page, pageQuery, placeOf } from "../cursor.ts";
import { answers } from "../route.ts";
import { erasureSchema, erasureView } from "../schemas/privacy.ts";

export const listErasures = answers({
  method: "get",
  path: "/v1/privacy/erasures",
  operationId: "listErasures",
  tag: "Privacy",
  summary: "List erasures, newest first",
  scope: "keys.manage",
  role: "admin",
  query: z.strictObject(pageQuery),
  responses: { 200: { description: "A page of receipts.", schema: listSchema(erasureSchema) } },
  errors: [],
  async answer({ parts, caller, query }) {
    const { limit } = query;
    const before = placeOf("ers", query.cursor);
    const rows = await parts.store.read((tx) =>
      parts.erasures.list(tx, caller.workspace.id, { limit: limit + 1, before }),
    );
    return { status: 200, body: page(rows, limit, erasureView) };
  },
});
