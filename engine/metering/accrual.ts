import { priceOfLeg } from "./price.ts";

/** A leg that is still up. */
export interface AccruingLeg {
  answeredAtUs: number | null;
  rateMicroKesPerMinute: number;
}

/** What these legs would cost, in KES cents, if all of them ended now. */
export function accruedMinor(legs: readonly AccruingLeg[], nowUs: number): number {
  return legs.reduce((sum, leg) => sum + priceOfLeg({ ...leg, endedAtUs: nowUs }).costMinor, 0);
}
