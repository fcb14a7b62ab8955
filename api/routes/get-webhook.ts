import { answers } from "../route.ts";
import { pathId } from "../schemas/text.ts";
import { webhookSchema, webhookView } from "../schemas/webhook.ts";
import { webhookIdOf } from "../webhook-ids.ts";

export const getWebhook = answers({
  method: "get",
  path: "/v1/webhooks/{id}",
  operationId: "getWebhook",
  tag: "Webhooks",
  summary: "Look at an endpoint",
  scope: "webhooks.manage",
  params: pathId("wh", "endpoint"),
  responses: { 200: { description: "The endpoint.", schema: webhookSchema } },
  errors: ["webhooks.not_found"],
  async answer({ parts, caller, params }) {
    const id = webhookIdOf(params.id);
    const endpoint = await parts.store.read((tx) => parts.webhooks.get(tx, caller.workspace.id, id));
    return { status: 200, body: webhookView(endpoint) };
  },
});
