import { strict as assert } from "node:assert";

/** East Africa Time is three hours ahead of UTC, the whole year. */
const aheadMs = 3 * 3_600_000;

/** `2026-07`: a month as Nairobi's calendar has it. */
export type Month = string;

export const monthPattern = /^[0-9]{4}-(0[1-9]|1[0-2])$/;

export const monthOf = (epochMs: number): Month => new Date(epochMs + aheadMs).toISOString().slice(0, 7);

/** From its first moment to the next one's, ms since the epoch. */
export function spanOf(month: Month): { fromMs: number; toMs: number } {
  assert(monthPattern.test(month), `${month} is no month`);
  const [year = NaN, number = NaN] = month.split("-").map(Number);
  return { fromMs: Date.UTC(year, number - 1) - aheadMs, toMs: Date.UTC(year, number) - aheadMs };
}

export const monthAfter = (month: Month): Month => monthOf(spanOf(month).toMs);

/** `2026-07-01T00:00:00+03:00`. */
export const nairobiTime = (epochMs: number): string =>
  `${new Date(epochMs + aheadMs).toISOString().slice(0, 19)}+03:00`;
