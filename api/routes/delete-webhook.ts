import { changes } from "../route.ts";
import { pathId } from "../schemas/text.ts";
import { webhookView } from "../schemas/webhook.ts";
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
    const id = webhookIdOf(params.id);
    const before = webhookView(await parts.webhooks.keep(tx, caller.workspace.id, id));
    await parts.webhooks.delete(tx, caller.workspace.id, id);
    return { status: 204, changed: { subject: id, before, after: null } };
  },
});
