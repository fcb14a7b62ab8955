import { z } from "zod";
import { rfc3339Seconds } from "../../engine/clock.ts";
import type { JsonObject } from "../../engine/json.ts";
import type { Rent } from "../../engine/numbers/rent.ts";
import type { InventoryRow } from "../../engine/store/inventory.ts";
import { isInService, type NumberRow } from "../../engine/store/numbers.ts";
import { callbackUrl } from "./text.ts";

export const numberWithSecretSchema = z
  .strictObject({
    id: z.string(),
    number: z.string().meta({ description: "E.164." }),
    previous_secret_until: z
      .string()
      .meta({ format: "date-time", description: "Until then the secret before signs too." }),
    voice_signing_secret: z
      .string()
      .optional()
      .meta({ description: "Shown this once; a replay leaves it out." }),
    secret_omitted: z.literal(true).optional().meta({ description: "This is a replay." }),
  })
  .meta({ id: "NumberWithSecret" });

const time = (description: string) => z.string().meta({ format: "date-time", description });
const url = (description: string) => z.string().nullable().meta({ description });

const claimed = {
  id: z.string().meta({ examples: ["num_01j00000000000000000000001"] }),
  number: z.string().meta({ description: "E.164.", examples: ["+254200000001"] }),
  country: z.string().meta({ description: "ISO 3166 alpha-2, lower case.", examples: ["ke"] }),
  status: z.enum(["active", "suspended", "released"]),
  voice_callback_url: url("Asked what its calls do; null: nobody."),
  monthly_rate_kes: z
    .number()
    .meta({ description: "KES a month, without VAT; 0: the operator gave it.", examples: [100] }),
  provisioned_at: time("Since when it is the workspace's."),
  events_url: url("Told of its calls' events; null: the voice callback URL is."),
};

export const claimedNumberSchema = z
  .strictObject({
    ...claimed,
    voice_signing_secret: z.string().optional().meta({
      description: "Signs what goes to the number's URLs. Shown this once; a replay leaves it out.",
    }),
    secret_omitted: z.literal(true).optional().meta({ description: "This is a replay." }),
  })
  .meta({ id: "ClaimedNumber" });

export const numberSchema = z
  .strictObject({
    ...claimed,
    voice_fallback_url: url("Asked where the voice callback URL fails."),
    record: z.boolean().meta({
      description: "Whether calls to it, and those of its SIP devices, are recorded, from their answer.",
    }),
    ring_sip: z.boolean().meta({
      description: "Whether calls to it ring its registered devices where it has no voice callback URL.",
    }),
    paid_until: time("Its rent is paid until then, when it is renewed; null: it costs none.").nullable(),
    suspended_by: z
      .enum(["unpaid", "operator"])
      .nullable()
      .meta({ description: "Why it is suspended; an operator's suspension does not end by paying." }),
    release_at: time("Unpaid, it is released for good then; null: it is not.").nullable(),
    released_at: time("Since then it is the workspace's no more; null: it is.").nullable(),
  })
  .meta({ id: "Number" });

const ofRoute = {
  voice_callback_url: callbackUrl.meta({ description: "Asked what the number's calls do." }),
  events_url: callbackUrl.meta({ description: "Told of their events, in place of the voice callback URL." }),
};

export const claimBody = z.strictObject({
  voice_callback_url: ofRoute.voice_callback_url.optional(),
  events_url: ofRoute.events_url.optional(),
});

export const routingBody = z.strictObject({
  voice_callback_url: ofRoute.voice_callback_url.nullable().optional(),
  voice_fallback_url: callbackUrl
    .nullable()
    .optional()
    .meta({ description: "Asked where the voice callback URL fails." }),
  events_url: ofRoute.events_url.nullable().optional(),
  record: z
    .boolean()
    .optional()
    .meta({ description: "Record calls to the number, and those of its SIP devices, from their answer." }),
  ring_sip: z.boolean().optional().meta({
    description: "Calls to the number ring its registered devices where it has no voice callback URL.",
  }),
});

export const availableNumberSchema = z
  .strictObject({
    id: z.string().meta({
      description: "For POST /v1/numbers/{inventory_id}/claim.",
      examples: ["inv_01j00000000000000000000001"],
    }),
    number: claimed.number,
    country: claimed.country,
    monthly_rate_kes: z.number().meta({ description: "KES a month, without VAT.", examples: [100] }),
  })
  .meta({ id: "AvailableNumber" });

/** As the product page shows it, and what it leaves open. */
export const claimedNumberView = (row: NumberRow, rent: Rent): JsonObject => ({
  id: row.id,
  number: row.e164,
  country: row.country,
  status: row.status === "active" && !isInService(row) ? "suspended" : row.status,
  voice_callback_url: row.voiceCallbackUrl,
  monthly_rate_kes: row.paidMonths === null ? 0 : rent.netMinor / 100,
  provisioned_at: rfc3339Seconds(row.provisionedAtMs),
  events_url: row.eventsUrl,
});

export const numberView = (row: NumberRow, rent: Rent): JsonObject => ({
  ...claimedNumberView(row, rent),
  ...routingView(row),
  paid_until: seconds(row.paidUntilMs),
  suspended_by: suspendedBy(row),
  release_at: row.status === "suspended" ? seconds(row.releaseAtMs) : null,
  released_at: seconds(row.releasedAtMs),
});

export const routingView = (row: NumberRow): JsonObject => ({
  voice_callback_url: row.voiceCallbackUrl,
  voice_fallback_url: row.voiceFallbackUrl,
  events_url: row.eventsUrl,
  record: row.record === 1,
  ring_sip: row.ringSip === 1,
});

function suspendedBy({ status, blockedAtMs }: NumberRow): "unpaid" | "operator" | null {
  if (status === "released") return null;
  return blockedAtMs !== null ? "operator" : status === "suspended" ? "unpaid" : null;
}

export const availableNumberView = (row: InventoryRow, rent: Rent): JsonObject => ({
  id: row.id,
  number: row.e164,
  country: row.country,
  monthly_rate_kes: rent.netMinor / 100,
});

const seconds = (atMs: number | null) => (atMs === null ? null : rfc3339Seconds(atMs));
