import { strict as assert } from "node:assert";
import { rfc3339Seconds } from "../clock.ts";
import { type Price, type PriceName, type RateRow, findPrice, findRate } from "../store/rates.ts";
import type { ReadTx } from "../store/store.ts";
import { prefixesOf } from "./rates.ts";

/** The document of GET /v1/public/pricing, as the product page shows it. */
export interface PublicPricing {
  currency: "KES";
  number_monthly_kes: number;
  outbound_per_min_kes: number;
  inbound_per_min_kes: number;
  recording_free_gb: number;
  /** When the youngest of these prices came into effect; RFC 3339, whole seconds. */
  updated_at: string;
}

/** What everybody pays now for calls within Kenya, for a number, and for recordings. */
export async function publicPricing(tx: ReadTx, nowMs: number): Promise<PublicPricing> {
  const outbound = await everybodysRate(tx, "outbound", nowMs);
  const inbound = await everybodysRate(tx, "inbound", nowMs);
  const number = await price(tx, "number_monthly", nowMs);
  const storage = await price(tx, "recording_free_gb", nowMs);
  const youngestMs = Math.max(...[outbound, inbound, number, storage].map((row) => row.effectiveAtMs));
  return {
    currency: "KES",
    number_monthly_kes: number.amount / 100,
    outbound_per_min_kes: outbound.microKesPerMinute / 1_000_000,
    inbound_per_min_kes: inbound.microKesPerMinute / 1_000_000,
    recording_free_gb: storage.amount,
    updated_at: rfc3339Seconds(youngestMs),
  };
}

/** The document as bytes: `3.00` is a JSON number that JSON.stringify cannot write. */
export function publicPricingJson(pricing: PublicPricing): string {
  const fields = {
    currency: JSON.stringify(pricing.currency),
    number_monthly_kes: Number.isInteger(pricing.number_monthly_kes)
      ? String(pricing.number_monthly_kes)
      : decimals(pricing.number_monthly_kes),
    outbound_per_min_kes: decimals(pricing.outbound_per_min_kes),
    inbound_per_min_kes: decimals(pricing.inbound_per_min_kes),
    recording_free_gb: String(pricing.recording_free_gb),
    updated_at: JSON.stringify(pricing.updated_at),
  } satisfies Record<keyof PublicPricing, string>;
  return `{${Object.entries(fields)
    .map(([name, value]) => `"${name}":${value}`)
    .join(",")}}`;
}

/** At least two decimals, and as many as a rate in micro-KES has. */
const decimals = (kes: number) => kes.toFixed(6).replace(/0{1,4}$/, "");

async function everybodysRate(tx: ReadTx, direction: RateRow["direction"], atMs: number): Promise<RateRow> {
  const rate = await findRate(tx, {
    workspaceId: null,
    legKind: "pstn",
    direction,
    prefixes: prefixesOf("+254"),
    atMs,
  });
  assert(rate, `the deck has no ${direction} rate for Kenya`);
  return rate;
}

async function price(tx: ReadTx, name: PriceName, atMs: number): Promise<Price> {
  const found = await findPrice(tx, name, atMs);
  assert(found, `the deck has no price ${name}`);
  return found;
}
