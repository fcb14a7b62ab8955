import { changes } from "../route.ts";
import { pathId } from "../schemas/text.ts";
import { webhookIdOf } from "../webhook-ids.ts";

export const deleteWebhook = changes({
  method: "delete",
  path: "/v1/webhooks/{id}",
  operationId: "deleteWebhook",
  tag: "Webhooks",
  summary: "Remove an endpoint",
  description: "What waits to be delivered to it is given up.",
  scope: "webhooks.manage",
  params: pathId("wh", "endpoint"),
  responses: { 204: { description: "It is gone.", schema: null } },
  errors: ["webhooks.not_found"],
  async change(tx, { parts, caller, params }) {
    await parts.webhooks.delete(tx, caller.workspace.id, webhookIdOf(params.id));
    return { status: 204 };
  },
});
