import { changes } from "../route.ts";
import { pathId } from "../schemas/text.ts";
import { patchWebhookBody, webhookSchema, webhookView } from "../schemas/webhook.ts";
import { webhookIdOf } from "../webhook-ids.ts";

export const patchWebhook = changes({
  method: "patch",
  path: "/v1/webhooks/{id}",
  operationId: "patchWebhook",
  tag: "Webhooks",
  summary: "Change an endpoint",
  description: "What waits to be delivered goes to the new URL.",
  scope: "webhooks.manage",
  params: pathId("wh", "endpoint"),
  body: patchWebhookBody,
  responses: { 200: { description: "The endpoint as it is now.", schema: webhookSchema } },
  errors: ["webhooks.not_found", "webhooks.url_not_allowed"],
  async prepare({ parts, body }) {
    if (body.url !== undefined) await parts.checkUrl(body.url, "url");
  },
  async change(tx, { parts, caller, params, body }) {
    const id = webhookIdOf(params.id);
    const before = webhookView(await parts.webhooks.keep(tx, caller.workspace.id, id));
    const after = webhookView(await parts.webhooks.patch(tx, caller.workspace.id, id, body));
    return { status: 200, body: after, changed: { subject: id, before, after } };
  },
});
