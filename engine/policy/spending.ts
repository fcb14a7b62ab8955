import { steadyUs, type Clock } from "../clock.ts";
import { dayOf, startOfDayMs } from "../east-africa-time.ts";
import type { WorkspaceId } from "../ids.ts";
import { accruedMinor } from "../metering/accrual.ts";
import { talkingLegsOf } from "../store/calls.ts";
import { costSince } from "../store/cdrs.ts";
import { walletBalanceMinor } from "../store/ledger.ts";
import type { ReadTx } from "../store/store.ts";
import { kes } from "../wallet/money.ts";
import type { Destination } from "./destinations.ts";
import { CallRefused } from "./refusal.ts";

type Rated = Pick<Destination, "rateMicroKesPerMinute">;

const cost = (legs: readonly Rated[]) => legs.some(({ rateMicroKesPerMinute }) => rateMicroKesPerMinute > 0);

/** Whether the wallet holds more than what live legs have run up. Free legs need nothing. */
export async function hasFunds(
  tx: ReadTx,
  workspaceId: WorkspaceId,
  legs: readonly Rated[],
  nowUs: number,
): Promise<boolean> {
  if (!cost(legs)) return true;
  return (await walletBalanceMinor(tx, workspaceId)) > (await accruedOf(tx, workspaceId, nowUs));
}

/**
 * Throws where there are no funds, and where calls have cost as much as they may in a day: what was settled since midnight in
 * Nairobi, and what live legs have run up.
 */
export async function requireMoney(
  tx: ReadTx,
  workspaceId: WorkspaceId,
  legs: readonly Rated[],
  dailySpendCapMinor: number | null,
  clock: Pick<Clock, "nowMs" | "steadyMs">,
): Promise<void> {
  if (!cost(legs)) return;
  const accrued = await accruedOf(tx, workspaceId, steadyUs(clock));
  if ((await walletBalanceMinor(tx, workspaceId)) <= accrued) throw new CallRefused("insufficient_funds");
  if (dailySpendCapMinor === null) return;
  const nowMs = clock.nowMs();
  const today = dayOf(nowMs);
  const spent = (await costSince(tx, workspaceId, startOfDayMs(today))) + accrued;
  if (spent < dailySpendCapMinor) return;
  throw new CallRefused(
    "spend_cap",
    `Calls have cost ${kes(spent)} today, of at most ${kes(dailySpendCapMinor)} a day. Running calls go on.`,
    { retryAfterSeconds: Math.ceil((startOfDayMs(today + 1) - nowMs) / 1000) },
  );
}

const accruedOf = async (tx: ReadTx, workspaceId: WorkspaceId, nowUs: number) =>
  accruedMinor(await talkingLegsOf(tx, workspaceId), nowUs);
