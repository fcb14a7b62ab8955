import { z } from "zod";
import { listSchema, page, pageQuery, placeOf } from "../cursor.ts";
import { answers } from "../route.ts";
import { topUpSchema, topUpView } from "../schemas/topup.ts";

export const listTopUps = answers({
  method: "get",
  path: "/v1/topups",
  operationId: "listTopUps",
  tag: "Wallet",
  summary: "List top-ups that were asked for, newest first",
  description: "Payments by Paybill that nobody asked for are in the wallet's transactions.",
  scope: "wallet.read",
  query: z.strictObject(pageQuery),
  responses: { 200: { description: "A page of top-ups.", schema: listSchema(topUpSchema) } },
  errors: [],
  async answer({ parts, caller, query }) {
    const place = { limit: query.limit, before: placeOf("top", query.cursor) };
    const found = await parts.store.read((tx) => parts.topUps.list(tx, caller.workspace, place));
    return { status: 200, body: page(found, query.limit, topUpView) };
  },
});
