import { getDelivery as deliveryOf, replayDelivery as replay } from "../../engine/webhooks/deliveries.ts";
import { changes } from "../route.ts";
import { pathId } from "../schemas/text.ts";
import { deliverySchema, deliveryView } from "../schemas/webhook.ts";
import { deliveryIdOf } from "../webhook-ids.ts";

export const replayDelivery = changes({
  method: "post",
  path: "/v1/webhooks/deliveries/{id}/replay",
  operationId: "replayDelivery",
  tag: "Webhooks",
  summary: "Deliver once more: the same event id, the same body",
  scope: "webhooks.manage",
  params: pathId("dlv", "delivery"),
  responses: { 202: { description: "The delivery, pending again.", schema: deliverySchema } },
  errors: ["webhooks.delivery_not_found", "webhooks.not_found", "webhooks.delivery_erased"],
  async change(tx, { parts, caller, params }) {
    const wake = parts.deliverer.wake.bind(parts.deliverer);
    const id = deliveryIdOf(params.id);
    const { status } = await deliveryOf(tx, caller.workspace.id, id);
    const delivery = await replay(tx, { wake }, caller.workspace.id, id);
    const changed = { subject: id, before: { status }, after: { status: delivery.status } };
    return { status: 202, body: deliveryView(delivery), changed };
  },
});
