import type { Log } from "../../log.ts";
import type { Tx } from "../../store/store.ts";
import { updateTopUp, type TopUpRow } from "../../store/topups.ts";
import type { Result } from "./result-codes.ts";

/**
 * A prompt ended without money, says a callback or a query. That never undoes a success, nor what Safaricom has said
 * before of being paid; and what ended so is still credited should the money come.
 */
export async function endTopUp(
  tx: Tx,
  topUp: TopUpRow,
  { code, result, nowMs, log }: { code: string; result: Result; nowMs: number; log: Log },
): Promise<void> {
  if (topUp.state === "succeeded" || topUp.paidAtMs !== null) return;
  const final = result.state !== "unknown";
  // Of one that failed before, "unknown" says nothing new.
  if (!final && topUp.state !== "pending" && topUp.state !== "unknown") return;
  await updateTopUp(tx, topUp.id, {
    state: result.state,
    resultCode: code.slice(0, 20),
    failureReason: result.reason,
    openPhone: null,
    ...(final ? { nextQueryAtMs: null } : {}),
    ...(result.expired ? { expiredAtMs: nowMs } : {}),
    updatedAtMs: nowMs,
  });
  if (result.alert)
    tx.afterCommit(() => log.error({ topUp: topUp.id, code }, "M-Pesa refuses a top-up: see docs/mpesa.md"));
}
