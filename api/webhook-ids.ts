import { SautikitError } from "../engine/errors.ts";
import { isId, type DeliveryId, type WebhookId } from "../engine/ids.ts";

/** The id in a path. What is no id is nobody's endpoint. */
export function webhookIdOf(id: string): WebhookId {
  if (!isId("wh", id)) throw new SautikitError("webhooks.not_found");
  return id;
}

export function deliveryIdOf(id: string): DeliveryId {
  if (!isId("dlv", id)) throw new SautikitError("webhooks.delivery_not_found");
  return id;
}
