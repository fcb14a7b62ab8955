import { z } from "zod";
import { changesToCome } from "../../engine/store/pricing-changes.ts";
import { listSchema, page, pageQuery, placeOf } from "../cursor.ts";
import { isPublic } from "../route.ts";
import { pricingChangeBody, pricingChangeSchema } from "../schemas/rates.ts";

export const listPricingChanges = isPublic({
  method: "get",
  path: "/v1/public/pricing/changes",
  operationId: "listPricingChanges",
  tag: "Public",
  summary: "What everybody will pay, the soonest change first",
  description:
    "Changes are here at least 30 days before they count, and are mailed to every workspace's owners. No key. Any web " +
    "page may read it (CORS), and anyone may cache it for five minutes.",
  scope: null,
  query: z.strictObject(pageQuery),
  responses: { 200: { description: "A page of changes.", schema: listSchema(pricingChangeSchema) } },
  errors: ["validation.invalid", "validation.unknown_field"],
  async answer(parts, query) {
    const nowMs = parts.clock.nowMs();
    const after = placeOf("chg", query.cursor);
    const rows = await parts.store.read((tx) => changesToCome(tx, { nowMs, after, limit: query.limit + 1 }));
    const headers = { "Cache-Control": "public, max-age=300" };
    return { status: 200, headers, body: page(rows, query.limit, pricingChangeBody) };
  },
});
