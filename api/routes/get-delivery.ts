import { getDelivery as deliveryOf } from "../../engine/webhooks/deliveries.ts";
import { answers } from "../route.ts";
import { pathId } from "../schemas/text.ts";
import { attemptView, deliveryView, deliveryWithAttemptsSchema } from "../schemas/webhook.ts";
import { deliveryIdOf } from "../webhook-ids.ts";

export const getDelivery = answers({
  method: "get",
  path: "/v1/webhooks/deliveries/{id}",
  operationId: "getDelivery",
  tag: "Webhooks",
  summary: "Look at a delivery, with every attempt",
  scope: "webhooks.manage",
  params: pathId("dlv", "delivery"),
  responses: { 200: { description: "The delivery.", schema: deliveryWithAttemptsSchema } },
  errors: ["webhooks.delivery_not_found"],
  async answer({ parts, caller, params }) {
    const id = deliveryIdOf(params.id);
    const delivery = await parts.store.read((tx) => deliveryOf(tx, caller.workspace.id, id));
    const attempts = delivery.attemptLog.map(attemptView);
    return { status: 200, body: { ...deliveryView(delivery), attempts } };
  },
});
