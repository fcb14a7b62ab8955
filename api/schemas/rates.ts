import { z } from "zod";
import { rfc3339Seconds } from "../../engine/clock.ts";
import type { JsonObject } from "../../engine/json.ts";
import { changeView, priceUnits } from "../../engine/metering/pricing-notices.ts";
import { priceNames, type RateRow } from "../../engine/store/rates.ts";
import type { PricingChangeRow } from "../../engine/store/pricing-changes.ts";

const time = (description: string) => z.string().meta({ format: "date-time", description });

const rateFields = {
  leg_kind: z.enum(["pstn", "sip", "browser"]),
  direction: z.enum(["outbound", "inbound"]),
  prefix: z.string().meta({ description: "Digits after the +; empty: every number." }),
  country: z.string().nullable().meta({ description: "ISO 3166 alpha-2; null: not one country's." }),
  description: z.string(),
  currency: z.literal("KES"),
  per_minute_kes: z.number().meta({ description: "VAT included." }),
  per_second_kes: z
    .number()
    .meta({ description: "A sixtieth of that to six decimals, to read: a call's price is rounded once." }),
  source: z.enum(["deck", "workspace"]).meta({ description: "Everybody's, or this workspace's own." }),
  effective_from: time("Since when."),
};

export const rateSchema = z.strictObject(rateFields).meta({ id: "Rate" });

export const rateLookupSchema = z
  .strictObject({
    to: z.string().meta({ description: "E.164." }),
    ...rateFields,
    next_change: z
      .strictObject({
        per_minute_kes: z.number().nullable().meta({ description: "Null: not sold any more." }),
        effective_at: time("From when."),
      })
      .nullable()
      .meta({ description: "Null: none is known." }),
  })
  .meta({ id: "RateLookup" });

export const rateBody = (row: RateRow): JsonObject => ({
  leg_kind: row.legKind,
  direction: row.direction,
  prefix: row.prefix,
  country: row.country,
  description: row.description,
  currency: "KES",
  per_minute_kes: kes(row.microKesPerMinute),
  per_second_kes: kes(Math.round(row.microKesPerMinute / 60)),
  source: row.workspaceId === null ? "deck" : "workspace",
  effective_from: rfc3339Seconds(row.effectiveAtMs),
});

export const kes = (micro: number) => micro / 1_000_000;

export const pricingChangeSchema = z
  .strictObject({
    id: z.string(),
    item: z.enum(["outbound_call", "inbound_call", ...priceNames]),
    leg_kind: z
      .enum(["pstn", "sip", "browser"])
      .nullable()
      .meta({ description: "Of a call: the telephone network, a SIP device, or a browser." }),
    title: z.string().meta({ description: "What it is, to read." }),
    prefix: z.string().nullable().meta({ description: "Of a call: digits after the +." }),
    country: z.string().nullable(),
    unit: z.enum(priceUnits),
    before: z.number(),
    after: z.number().nullable().meta({ description: "Null: not sold any more." }),
    announced_at: time("When it was announced."),
    effective_at: time("From when it counts."),
  })
  .meta({ id: "PricingChange" });

export function pricingChangeBody(row: PricingChangeRow): JsonObject {
  return {
    id: row.id,
    prefix: row.prefix,
    country: row.country,
    ...changeView(row),
    announced_at: rfc3339Seconds(row.announcedAtMs),
    effective_at: rfc3339Seconds(row.effectiveAtMs),
  };
}
