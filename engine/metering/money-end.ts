import { accruedMinor, type AccruingLeg } from "./accrual.ts";

/** µs in a minute, and micro-KES in a cent: the units of rates and of the wallet. */
const usPerMinute = 60_000_000n;
const microKesPerMinor = 10_000n;

/**
 * When a wallet is empty, µs since the epoch, if its answered legs talk on: now + floor(available ÷ the sum of their
 * rates), in whole seconds. Null: nothing that costs anything runs. Never before now.
 */
export function moneyEndsAtUs(
  balanceMinor: number,
  legs: readonly AccruingLeg[],
  nowUs: number,
): number | null {
  const seconds = secondsOfMoney(balanceMinor - accruedMinor(legs, nowUs), legs);
  return seconds === null ? null : nowUs + seconds * 1_000_000;
}

/** Whole seconds for which `availableMinor` pays all those legs at once; null: they are free. */
export function secondsOfMoney(
  availableMinor: number,
  legs: readonly Pick<AccruingLeg, "rateMicroKesPerMinute">[],
): number | null {
  const perMinute = legs.reduce((sum, leg) => sum + BigInt(leg.rateMicroKesPerMinute), 0n);
  if (perMinute === 0n) return null;
  if (availableMinor <= 0) return 0;
  const us = (BigInt(availableMinor) * microKesPerMinor * usPerMinute) / perMinute;
  return Number(us / 1_000_000n);
}
