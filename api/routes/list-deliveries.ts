import { z } from "zod";
import { isId } from "../../engine/ids.ts";
import { listDeliveries as deliveriesOf } from "../../engine/webhooks/deliveries.ts";
import { cursorOf, listSchema, pageQuery, placeOf } from "../cursor.ts";
import { answers } from "../route.ts";
import { deliverySchema, deliveryStatus, deliveryView } from "../schemas/webhook.ts";

export const listDeliveries = answers({
  method: "get",
  path: "/v1/webhooks/deliveries",
  operationId: "listDeliveries",
  tag: "Webhooks",
  summary: "List deliveries, newest first",
  scope: "webhooks.manage",
  query: z.strictObject({
    ...pageQuery,
    status: deliveryStatus.optional(),
    kind: z.string().max(100).optional(),
    call_id: z.string().max(100).optional(),
  }),
  responses: { 200: { description: "A page of deliveries.", schema: listSchema(deliverySchema) } },
  errors: [],
  async answer({ parts, caller, query }) {
    const { limit, status, kind, call_id: callId } = query;
    const request = { limit, cursor: placeOf("dlv", query.cursor) ?? undefined };
    // What is no call's id is a call without deliveries.
    if (callId !== undefined && !isId("call", callId))
      return { status: 200, body: { data: [], next_cursor: null } };
    const filter = { status, kind, callId };
    const found = await parts.store.read((tx) => deliveriesOf(tx, caller.workspace.id, filter, request));
    return {
      status: 200,
      body: { data: found.data.map(deliveryView), next_cursor: cursorOf(found.nextCursor) },
    };
  },
});
