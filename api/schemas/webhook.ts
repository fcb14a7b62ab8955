import { z } from "zod";
import { rfc3339Ms, rfc3339Seconds } from "../../engine/clock.ts";
import type { JsonObject } from "../../engine/json.ts";
import type { Delivery, DeliveryAttempt } from "../../engine/webhooks/deliveries.ts";
import type { WebhookEndpoint } from "../../engine/webhooks/endpoints.ts";
import { workspaceEventKinds } from "../../engine/webhooks/workspace-events.ts";
import { callbackUrl } from "./text.ts";

/** What can be subscribed to. A misspelt kind would never come, so it is refused. */
export const eventKinds = [
  "call.started",
  "call.answered",
  "call.digits",
  "call.redirected",
  "call.recorded",
  "call.dial_completed",
  "call.stream_ended",
  "call.completed",
  "call.failed",
  "call.recording.ready",
  ...workspaceEventKinds,
] as const;

const events = z
  .array(z.enum(["*", ...eventKinds]))
  .min(1)
  .max(eventKinds.length + 1)
  .meta({ description: "Kinds of event. `*` is every kind but `call.*`, which are named one by one." });

const enabled = z.boolean().meta({ description: "False: nothing is sent, and what waits is given up." });

export const createWebhookBody = z.strictObject({
  url: callbackUrl,
  events,
  enabled: enabled.default(true),
});

export const patchWebhookBody = z.strictObject({
  url: callbackUrl.optional(),
  events: events.optional(),
  enabled: enabled.optional(),
});

const time = z.string().meta({ format: "date-time" });

const webhookFields = {
  id: z.string(),
  url: z.string(),
  events: z.array(z.string()),
  enabled: z.boolean(),
  previous_secret_until: time.nullable().meta({ description: "Until then the secret before signs too." }),
  created_at: time,
  updated_at: time,
};

export const webhookSchema = z.strictObject(webhookFields).meta({ id: "Webhook" });

export const webhookWithSecretSchema = z
  .strictObject({
    ...webhookFields,
    signing_secret: z.string().optional().meta({ description: "Shown this once; a replay leaves it out." }),
    secret_omitted: z.literal(true).optional().meta({ description: "This is a replay." }),
  })
  .meta({ id: "WebhookWithSecret" });

export const webhookView = (endpoint: WebhookEndpoint) => ({
  id: endpoint.id,
  url: endpoint.url,
  events: endpoint.events,
  enabled: endpoint.enabled,
  previous_secret_until:
    endpoint.previousSecretUntilMs === null ? null : rfc3339Seconds(endpoint.previousSecretUntilMs),
  created_at: rfc3339Seconds(endpoint.createdAtMs),
  updated_at: rfc3339Seconds(endpoint.updatedAtMs),
});

export const deliveryStatus = z.enum(["pending", "delivered", "dead_letter"]);

const deliveryFields = {
  id: z.string(),
  event_id: z.string(),
  kind: z.string(),
  call_id: z.string().nullable(),
  url: z.string(),
  webhook_id: z
    .string()
    .nullable()
    .meta({ description: "Null: a call's own URL, signed with its number's secret." }),
  number_id: z.string().nullable(),
  status: deliveryStatus,
  attempt_count: z.int(),
  next_attempt_at: time.nullable(),
  created_at: time,
  delivered_at: time.nullable(),
};

export const deliverySchema = z.strictObject(deliveryFields).meta({ id: "Delivery" });

export const deliveryWithAttemptsSchema = z
  .strictObject({
    ...deliveryFields,
    attempts: z
      .array(
        z.strictObject({
          attempt: z.int(),
          attempted_at: time,
          status: z.int().nullable().meta({ description: "Null: there was no answer, `error` says why." }),
          latency_ms: z.int(),
          response: z.string().nullable().meta({ description: "The first KiB of the answer." }),
          error: z.string().nullable(),
        }),
      )
      .meta({ description: "Oldest first." }),
  })
  .meta({ id: "DeliveryWithAttempts" });

export const deliveryView = (delivery: Delivery) => ({
  id: delivery.id,
  event_id: delivery.eventId,
  kind: delivery.kind,
  call_id: delivery.callId,
  url: delivery.url,
  webhook_id: delivery.endpointId,
  number_id: delivery.numberId,
  status: delivery.status,
  attempt_count: delivery.attempts,
  next_attempt_at: timeOrNull(delivery.nextAttemptAtMs),
  created_at: rfc3339Ms(delivery.createdAtMs),
  delivered_at: timeOrNull(delivery.deliveredAtMs),
});

export const attemptView = (attempt: DeliveryAttempt): JsonObject => ({
  attempt: attempt.attempt,
  attempted_at: rfc3339Ms(attempt.attemptedAtMs),
  status: attempt.status,
  latency_ms: attempt.latencyMs,
  response: attempt.response,
  error: attempt.error,
});

const timeOrNull = (ms: number | null) => (ms === null ? null : rfc3339Ms(ms));
