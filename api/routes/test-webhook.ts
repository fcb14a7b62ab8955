import { z } from "zod";
import { changes } from "../route.ts";
import { pathId } from "../schemas/text.ts";
import { webhookIdOf } from "../webhook-ids.ts";

export const testWebhook = changes({
  method: "post",
  path: "/v1/webhooks/{id}/test",
  operationId: "testWebhook",
  tag: "Webhooks",
  summary: "Send a `webhook.test` event to an endpoint",
  scope: "webhooks.manage",
  params: pathId("wh", "endpoint"),
  responses: {
    202: {
      description: "It is on its way; the delivery tells how it went.",
      schema: z.strictObject({ event_id: z.string(), delivery_id: z.string() }),
    },
  },
  errors: ["webhooks.not_found"],
  async change(tx, { parts, caller, params }) {
    const id = webhookIdOf(params.id);
    const sent = await parts.webhooks.test(tx, caller.workspace.id, id);
    const after = { event_id: sent.eventId, delivery_id: sent.deliveryId };
    return { status: 202, body: after, changed: { subject: id, before: null, after } };
  },
});
