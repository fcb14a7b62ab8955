import { strict as assert } from "node:assert";
import { divideHalfUp } from "../wallet/money.ts";

export interface PricedLeg {
  /** The switch's stamp of the answer, µs since the epoch; null: never answered. */
  answeredAtUs: number | null;
  endedAtUs: number;
  /** Fixed when the leg was dialled. */
  rateMicroKesPerMinute: number;
}

/** Seconds from answer to end, rounded up. Nothing for a leg that was not answered, or ended before it was. */
export function billedSeconds(answeredAtUs: number | null, endedAtUs: number): number {
  if (answeredAtUs === null) return 0;
  assert(Number.isSafeInteger(answeredAtUs), `answered at ${answeredAtUs} µs`);
  assert(Number.isSafeInteger(endedAtUs), `ended at ${endedAtUs} µs`);
  return Math.max(0, Math.ceil((endedAtUs - answeredAtUs) / 1_000_000));
}

/** What a leg costs, in KES cents, VAT included: the seconds rounded up, the product rounded half up, once. */
export function priceOfLeg(leg: PricedLeg): { billedSeconds: number; costMinor: number } {
  const seconds = billedSeconds(leg.answeredAtUs, leg.endedAtUs);
  const rate = leg.rateMicroKesPerMinute;
  assert(Number.isSafeInteger(rate) && rate >= 0, `a rate of ${rate} micro-KES per minute`);
  // 60 seconds a minute, 10,000 micro-KES a cent.
  return { billedSeconds: seconds, costMinor: divideHalfUp(seconds * rate, 600_000) };
}
