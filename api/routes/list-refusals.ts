import { z } from "zod";
import { refusalsOf } from "../../engine/store/refusals.ts";
import { listSchema, page, pageQuery, placeOf } from "../cursor.ts";
import { answers } from "../route.ts";
import { refusalSchema, refusalView } from "../schemas/refusal.ts";

export const listRefusals = answers({
  method: "get",
  path: "/v1/refusals",
  operationId: "listRefusals",
  tag: "Calls",
  summary: "Calls that were refused, and why; newest first",
  description:
    "One for each reason, source and minute, with how many there were. The first of each is told as `calls.refused` to the " +
    "webhook endpoints that want it.",
  scope: "calls.read",
  query: z.strictObject(pageQuery),
  responses: { 200: { description: "A page of refusals.", schema: listSchema(refusalSchema) } },
  errors: [],
  async answer({ parts, caller, query: { limit, cursor } }) {
    const found = { limit: limit + 1, before: placeOf("ref", cursor) };
    const rows = await parts.store.read((tx) => refusalsOf(tx, caller.workspace.id, found));
    return { status: 200, body: page(rows, limit, refusalView) };
  },
});
