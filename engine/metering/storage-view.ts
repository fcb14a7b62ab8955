import { dayOf, firstOfMonth, firstOfNextMonth, monthName, startOfDayMs } from "../east-africa-time.ts";
import type { WorkspaceId } from "../ids.ts";
import { byteSecondsBetween, byteSecondsOfDays, meterOf } from "../store/storage-usage.ts";
import type { ReadTx } from "../store/store.ts";
import { averageBytes, gb, storageChargeMinor, whole } from "./storage-charge.ts";
import { storagePrice } from "./storage-meter.ts";

export interface StorageView {
  usedBytes: number;
  freeBytes: number;
  /** `2026-11`, in East Africa Time. */
  month: string;
  /** From the month's first moment until now. */
  averageBytes: number;
  gbMonthMinor: number;
  /** What the month will cost if nothing is stored or deleted any more. */
  projectedChargeMinor: number;
}

/** What a workspace's recordings take now, took this month, and will cost. */
export async function storageView(tx: ReadTx, workspaceId: WorkspaceId, nowMs: number): Promise<StorageView> {
  const firstDay = firstOfMonth(dayOf(nowMs));
  const next = firstOfNextMonth(firstDay);
  const [fromSeconds, nowSeconds] = [startOfDayMs(firstDay) / 1000, Math.floor(nowMs / 1000)];
  const toSeconds = startOfDayMs(next) / 1000;
  const price = await storagePrice(tx, firstDay);
  const meter = await meterOf(tx, workspaceId);
  const used = meter?.usedBytes ?? 0;
  const unmetered = meter ? Math.max(fromSeconds, startOfDayMs(meter.nextDay) / 1000) : nowSeconds;
  const metered = whole(await byteSecondsOfDays(tx, workspaceId, firstDay, next - 1));
  const since = await byteSecondsBetween(tx, workspaceId, { fromSeconds: unmetered, toSeconds: nowSeconds });
  const soFar = metered + whole(since);
  const byTheEnd = soFar + BigInt(used) * BigInt(toSeconds - nowSeconds);
  return {
    usedBytes: used,
    freeBytes: price.freeGb * gb,
    month: monthName(firstDay),
    averageBytes: averageBytes(soFar, nowSeconds - fromSeconds),
    gbMonthMinor: price.gbMonthMinor,
    projectedChargeMinor: storageChargeMinor(byTheEnd, toSeconds - fromSeconds, price),
  };
}
