import type { ByteSeconds } from "../store/storage-usage.ts";

export interface StoragePrice {
  freeGb: number;
  /** KES cents for a GB and month, VAT included. */
  gbMonthMinor: number;
}

/** A GB is 10⁹ bytes. */
export const gb = 1_000_000_000;

/** Both parts as the one number that they are. */
export const whole = ({ gbSeconds, byteSeconds }: ByteSeconds): bigint =>
  BigInt(gbSeconds) * BigInt(gb) + BigInt(byteSeconds);

/** What a month of that many seconds costs, in KES cents: the average above what is free, rounded half up, once. */
export function storageChargeMinor(
  byteSeconds: bigint,
  seconds: number,
  { freeGb, gbMonthMinor }: StoragePrice,
): number {
  const gbOfMonth = BigInt(gb) * BigInt(seconds);
  const above = byteSeconds - BigInt(freeGb) * gbOfMonth;
  if (above <= 0n) return 0;
  return Number((2n * above * BigInt(gbMonthMinor) + gbOfMonth) / (2n * gbOfMonth));
}

/** Bytes on average, rounded down. */
export const averageBytes = (byteSeconds: bigint, seconds: number): number =>
  seconds === 0 ? 0 : Number(byteSeconds / BigInt(seconds));
