import { z } from "zod";
import { documentItemSchemas, documentSchema } from "../../engine/actions/document.ts";
import { callEventKinds } from "../../engine/calls/event-kinds.ts";
import { failureCodes } from "../../engine/calls/leg-state.ts";
import { metadata } from "../../engine/metadata.ts";
import { callbackUrl, lineOfText, ownE164 } from "./text.ts";

export const callStatuses = [
  "initiated",
  "ringing",
  "answered",
  "completed",
  "no_answer",
  "busy",
  "canceled",
  "failed",
] as const;

export const callStatus = z.enum(callStatuses).meta({ id: "CallStatus" });
export const direction = z.enum(["outbound", "inbound"]);

/** Items of a voice document, for the OpenAPI document; requests are checked by `documentSchema`, whose errors say more. */
export const voiceAction = z.union(documentItemSchemas).meta({ id: "VoiceAction", description: "One verb." });

export const voiceDocument = documentSchema.meta({
  description: "A voice document: the actions to run, in order.",
  override: { type: "array", minItems: 1, maxItems: 50, items: { $ref: "#/components/schemas/VoiceAction" } },
});

/** What a destination may be is the engine's to say; here it is only kept short. */
const destination = lineOfText(64);

export const createCallBody = z
  .strictObject({
    from: ownE164,
    to: z
      .union([
        destination,
        z
          .array(destination)
          .min(1)
          .max(10)
          .superRefine((list, context) => {
            for (const [index, number] of list.entries()) {
              if (list.indexOf(number) === index) continue;
              const [message, params] = ["stands in the list twice", { code: "duplicate" }];
              context.addIssue({ code: "custom", path: [index], message, params });
            }
          }),
      ])
      .meta({
        description: "E.164; or up to 10 of them, each once, rung at once: the first to answer has the call.",
        examples: ["+254712345678", ["+254712345678", "+254722345678"]],
      }),
    caller_id: ownE164
      .optional()
      .meta({ description: "Another number of the workspace, to be shown instead of `from`." }),
    voice_callback_url: callbackUrl.optional().meta({
      description:
        "Is asked what the call does next (docs/voice-url.md), and told every event where there is no `events_url`. " +
        "Default: the number's.",
    }),
    events_url: callbackUrl.optional().meta({
      description: "Is told every event of the call; see `webhooks` in this document. Default: the number's.",
    }),
    actions: voiceDocument.optional(),
    record: z
      .union([z.boolean(), z.enum(["from-answer", "from-ringing"])])
      .default(false)
      .meta({
        description:
          '`true` is "from-answer". "from-ringing" has what is heard before the answer too (an announcement), and goes with one ' +
          "number alone: of several only the one that answers is recorded. Stereo: left what the party said, right what " +
          "they heard.",
      }),
    ring_timeout_seconds: z.int().min(5).max(120).default(60).meta({
      description:
        "How long the callee may ring, early media included; then `no_answer`. Held by the switch itself.",
    }),
    max_duration_seconds: z
      .int()
      .min(10)
      .max(14_400)
      .default(14_400)
      .meta({
        description:
          "The longest time from the answer, held by the switch itself, whatever becomes of us. A started second counts; the " +
          "switch ends the leg within 1.3 s after it, never before, so that the last second can be charged on top.",
      }),
    client_request_id: lineOfText(5000).optional().meta({
      description:
        "A label of yours, echoed in answers and events. For doing things once there is Idempotency-Key.",
    }),
    metadata: metadata.optional(),
  })
  .superRefine(({ to, record }, context) => {
    if (record !== "from-ringing" || !Array.isArray(to) || to.length < 2) return;
    const message = "of several only the one that answers is recorded: from-answer";
    context.addIssue({ code: "custom", path: ["record"], message, params: { code: "value" } });
  });

const time = z.string().meta({ format: "date-time" });
const timeOrNull = time.nullable();

export const newCallSchema = z
  .strictObject({
    id: z.string(),
    call_id: z.string().meta({ description: "The same as `id`." }),
    session_id: z.string().meta({ description: "The same as `id`." }),
    status: callStatus,
    from: z.string(),
    to: z.string().meta({ description: "Of several the first." }),
    direction,
    created_at: time,
    client_request_id: z.string().optional(),
    metadata: metadata.optional(),
  })
  .meta({ id: "NewCall" });

export const callEventSchema = z
  .strictObject({
    id: z.string(),
    call_id: z.string(),
    kind: z.enum(callEventKinds).meta({ examples: ["call.answered"] }),
    payload: z.record(z.string(), z.unknown()).meta({
      description: "By kind, each field in docs/events.md; of `call.*` the same as `data` of the webhook.",
    }),
    occurred_at: time,
    created_at: time,
  })
  .meta({ id: "CallEvent" });

export const cutOff = z
  .enum(["max_duration", "wallet"])
  .nullable()
  .meta({
    description:
      "What the switch ended it for: its longest time was over, or the workspace's money (`on_zero_balance`). Null: " +
      "neither.",
  });

/** Of a whole leg, from its first media to its end. */
export const legAudio = z.strictObject({
  packets_received: z.int().meta({ description: "RTP packets that came from the party." }),
  packets_sent: z.int().meta({ description: "RTP packets that were sent to it." }),
  one_way: z
    .enum(["not_heard", "not_sent"])
    .nullable()
    .meta({
      description:
        "What an answered leg of 5 s or more lacked: `not_heard`, nothing at all came from the party, though it had not said " +
        "that it would send nothing; `not_sent`, nothing was sent to it, though it was joined to another leg for 5 s or " +
        "more. Null: neither.",
    }),
});

export const legSchema = z
  .strictObject({
    id: z.string(),
    kind: z.enum(["pstn", "sip", "browser"]),
    direction,
    from: z.string(),
    to: z.string(),
    status: callStatus,
    started_at: timeOrNull,
    answered_at: timeOrNull,
    ended_at: timeOrNull,
    billed_seconds: z.int().meta({ description: "From answer to end, rounded up; live while it talks." }),
    rate_per_minute_minor: z
      .number()
      .meta({ description: "KES cents a minute, with fractions; fixed when the leg was dialled." }),
    cost_minor: z.int().meta({ description: "KES cents; live while it talks." }),
    hangup_cause: z
      .string()
      .nullable()
      .meta({ description: "Q.850 name.", examples: ["normal_clearing"] }),
    cut_off: cutOff,
    q850: z
      .int()
      .nullable()
      .meta({
        description:
          "Q.850's number of that cause. The media server's own causes have none, and say 16 (or 0: never dialled).",
        examples: [17],
      }),
    sip_status: z
      .int()
      .nullable()
      .meta({
        description:
          "The final SIP answer to its INVITE: 200 where it was answered; null: none yet, or none came.",
        examples: [486],
      }),
    quality: z
      .strictObject({ mos: z.number(), jitter_ms: z.number(), packet_loss_percent: z.number() })
      .nullable()
      .meta({ description: "Of what came from the party, once the leg has ended; null where nothing came." }),
    audio: legAudio.nullable().meta({ description: "Once the leg has ended; null without media." }),
    recording_ids: z.array(z.string()).meta({ description: "Oldest first." }),
    attempts: z
      .array(
        z.strictObject({
          trunk: z.string().meta({ description: "The operator's name of it." }),
          sip_status: z.int().nullable().meta({ description: "The carrier's answer where it refused." }),
          hangup_cause: z
            .string()
            .nullable()
            .meta({ description: "Q.850 name.", examples: ["normal_temporary_failure"] }),
          started_at: time,
          ended_at: timeOrNull,
        }),
      )
      .meta({
        description:
          "Each trunk that it was dialled over, in order: another one takes it where the one before failed for a technical " +
          "cause and nothing rang. Empty of what was dialled over none. Only the last can have been answered.",
      }),
  })
  .meta({ id: "Leg" });

export const sipMessageSchema = z
  .strictObject({
    at: time.meta({ description: "By the media server's clock, to the microsecond." }),
    direction: z.enum(["sent", "received"]).meta({ description: "Of the media server." }),
    leg_id: z.string(),
    method: z.string().meta({ description: "A response has its request's.", examples: ["INVITE"] }),
    summary: z.string().meta({
      description: "A request's method and whom it is for; a response's status and reason.",
      examples: ["180 Ringing"],
    }),
    transport: z.string().meta({ examples: ["udp"] }),
    message: z.string().meta({
      description:
        "The text, lines ended by CR LF. Passwords, proofs and media keys are `***`; a body that is not SDP is left out; what is " +
        "beyond 8 KiB is cut.",
    }),
  })
  .meta({ id: "SipMessage" });

export const failureCode = z.enum(Object.keys(failureCodes) as [string, ...string[]]).meta({
  id: "FailureCode",
  description: Object.entries(failureCodes)
    .map(([code, meaning]) => `- \`${code}\`: ${meaning}`)
    .join("\n"),
});

export const callSchema = z
  .strictObject({
    id: z.string(),
    workspace_id: z.string(),
    session_id: z.string(),
    direction,
    from: z.string(),
    to: z
      .string()
      .meta({ description: "Of several the one that answered, until then the first; each leg has its own." }),
    local_e164: z.string().meta({ description: "The workspace's side." }),
    remote_e164: z.string().meta({ description: "The other side." }),
    country: z.string().nullable().meta({ description: "The other side's: ISO 3166 alpha-2." }),
    status: callStatus,
    created_at: time,
    started_at: timeOrNull,
    answered_at: timeOrNull,
    ended_at: timeOrNull,
    duration_seconds: z
      .int()
      .meta({ description: "From the first leg's answer to its end, rounded up; live." }),
    hangup_cause: z
      .string()
      .nullable()
      .meta({ description: "Q.850 name.", examples: ["normal_clearing"] }),
    failure_code: failureCode.nullable(),
    cost_minor: z.int().meta({ description: "KES cents, all legs; live while they talk." }),
    cost_currency: z.literal("KES"),
    rate_per_minute_minor: z.number().nullable().meta({ description: "The first leg's." }),
    client_request_id: z.string().nullable(),
    metadata: metadata.nullable(),
    legs: z.array(legSchema).meta({
      description:
        "The first leg first: of several that were rung at once the one that answered. Then those that rang with it, then " +
        "those that the call dialled.",
    }),
    events: z.array(callEventSchema).meta({
      description:
        "Oldest first, the first 500: GET /v1/calls/{id}/events has the rest of a call with more. Lists leave it empty.",
    }),
    trace_id: z
      .string()
      .nullable()
      .meta({
        description:
          "Of the `traceparent` that `POST /v1/calls` had, or one of its own; what is sent of the call says it (docs/tracing.md).",
        examples: ["4bf92f3577b34da6a3ce929d0e0e4736"],
      }),
    updated_at: time,
  })
  .meta({ id: "Call" });
