import { changes } from "../route.ts";
import { pathId } from "../schemas/text.ts";
import { webhookView, webhookWithSecretSchema } from "../schemas/webhook.ts";
import { webhookIdOf } from "../webhook-ids.ts";

export const rotateWebhookSecret = changes({
  method: "post",
  path: "/v1/webhooks/{id}/rotate-secret",
  operationId: "rotateWebhookSecret",
  tag: "Webhooks",
  summary: "Make a new signing secret",
  description: "For 24 h both secrets sign.",
  scope: "webhooks.manage",
  params: pathId("wh", "endpoint"),
  responses: { 200: { description: "The endpoint, with its new secret.", schema: webhookWithSecretSchema } },
  errors: ["webhooks.not_found"],
  async change(tx, { parts, caller, params }) {
    const id = webhookIdOf(params.id);
    const before = webhookView(await parts.webhooks.keep(tx, caller.workspace.id, id));
    const { endpoint, signingSecret } = await parts.webhooks.rotateSecret(tx, caller.workspace.id, id);
    const after = webhookView(endpoint);
    const changed = { subject: id, before, after };
    return { status: 200, body: after, secrets: { signing_secret: signingSecret }, changed };
  },
});
