import { z } from "zod";
import { cursorOf, listSchema, pageQuery, placeOf } from "../cursor.ts";
import { answers } from "../route.ts";
import { webhookSchema, webhookView } from "../schemas/webhook.ts";

export const listWebhooks = answers({
  method: "get",
  path: "/v1/webhooks",
  operationId: "listWebhooks",
  tag: "Webhooks",
  summary: "List endpoints, newest first",
  scope: "webhooks.manage",
  query: z.strictObject(pageQuery),
  responses: { 200: { description: "A page of endpoints.", schema: listSchema(webhookSchema) } },
  errors: [],
  async answer({ parts, caller, query }) {
    const request = { limit: query.limit, cursor: placeOf("wh", query.cursor) ?? undefined };
    const found = await parts.store.read((tx) => parts.webhooks.list(tx, caller.workspace.id, request));
    return {
      status: 200,
      body: { data: found.data.map(webhookView), next_cursor: cursorOf(found.nextCursor) },
    };
  },
});
