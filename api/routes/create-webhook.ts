import { changes } from "../route.ts";
import { createWebhookBody, webhookView, webhookWithSecretSchema } from "../schemas/webhook.ts";

export const createWebhook = changes({
  method: "post",
  path: "/v1/webhooks",
  operationId: "createWebhook",
  tag: "Webhooks",
  summary: "Add an endpoint that is told of events",
  scope: "webhooks.manage",
  body: createWebhookBody,
  responses: {
    201: { description: "The endpoint, with its signing secret.", schema: webhookWithSecretSchema },
  },
  errors: ["webhooks.url_not_allowed", "webhooks.too_many"],
  prepare: ({ parts, body }) => parts.checkUrl(body.url, "url"),
  async change(tx, { parts, caller, body }) {
    const { endpoint, signingSecret } = await parts.webhooks.create(tx, caller.workspace.id, body);
    const after = webhookView(endpoint);
    const changed = { subject: endpoint.id, before: null, after };
    return { status: 201, body: after, secrets: { signing_secret: signingSecret }, changed };
  },
});
