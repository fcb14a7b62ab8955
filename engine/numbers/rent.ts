import { strict as assert } from "node:assert";
import { steadyUs, dayMs, type Clock } from "../clock.ts";
import { aheadMs, localDay } from "../east-africa-time.ts";
import { insertRental, updatePaid, type NumberRow } from "../store/numbers.ts";
import { findPrice, type PriceName } from "../store/rates.ts";
import type { ReadTx, Tx } from "../store/store.ts";
import type { Entry, Ledger } from "../wallet/ledger.ts";
import { divideHalfUp } from "../wallet/money.ts";
import { available } from "../wallet/wallet.ts";

/**
 * When a number's n-th month ends, and the one after it begins: at the time of day of the claim, on its day of the month
 * in East Africa Time. Where a month has no such day, on its last; the next has it again.
 */
export function monthEndMs(claimedAtMs: number, months: number): number {
  const local = claimedAtMs + aheadMs;
  const claimed = new Date(local);
  const [year, month] = [claimed.getUTCFullYear(), claimed.getUTCMonth() + months];
  const lastDay = new Date(Date.UTC(year, month + 1, 0)).getUTCDate();
  return Date.UTC(year, month, Math.min(claimed.getUTCDate(), lastDay)) + (local % dayMs) - aheadMs;
}

/** KES cents. */
export interface Rent {
  netMinor: number;
  vatMinor: number;
  grossMinor: number;
}

/** What a month costs that begins then. */
export async function rentAt(tx: ReadTx, atMs: number): Promise<Rent> {
  const netMinor = await price(tx, "number_monthly", atMs);
  const vatMinor = divideHalfUp(netMinor * (await price(tx, "vat_basis_points", atMs)), 10_000);
  return { netMinor, vatMinor, grossMinor: netMinor + vatMinor };
}

async function price(tx: ReadTx, name: PriceName, atMs: number): Promise<number> {
  const found = await findPrice(tx, name, atMs);
  assert(found, `no ${name} had come into effect at ${atMs}: seed or import the deck`);
  return found.amount;
}

export type Paid =
  { ok: true; rent: Rent; paidMonths: number; paidUntilMs: number } | { ok: false; rent: Rent };

/**
 * Debits the next month of a rented number and puts it into service until that month's end. Not ok: the wallet does not
 * cover it, and nothing was done. The workspace's row and the number's are kept by the caller.
 */
export async function payMonth(
  tx: Tx,
  { ledger, clock }: { ledger: Ledger; clock: Clock },
  number: Pick<NumberRow, "id" | "workspaceId" | "e164" | "provisionedAtMs" | "paidMonths" | "paidUntilMs">,
): Promise<Paid> {
  const { id, workspaceId, e164, provisionedAtMs, paidMonths, paidUntilMs: beginsAtMs } = number;
  assert(paidMonths !== null && beginsAtMs !== null, `${id} costs no rent`);
  const rent = await rentAt(tx, beginsAtMs);
  const { availableMinor } = await available(tx, workspaceId, steadyUs(clock));
  if (rent.grossMinor > 0 && availableMinor < rent.grossMinor) return { ok: false, rent };
  const month = paidMonths + 1;
  const endsAtMs = monthEndMs(provisionedAtMs, month);
  const entries: Entry[] = [
    { account: { kind: "wallet", workspaceId }, amountMinor: -rent.grossMinor },
    { account: { kind: "revenue_rental" }, amountMinor: rent.netMinor },
    { account: { kind: "vat" }, amountMinor: rent.vatMinor },
  ];
  let transactionId = null;
  if (rent.grossMinor > 0) {
    const posted = await ledger.post(tx, {
      reference: `${id} month ${month}`,
      kind: "number_rental",
      description: `Number ${e164}, ${localDay(beginsAtMs)} to ${localDay(endsAtMs)}`,
      workspaceId,
      createdAtMs: clock.nowMs(),
      entries: entries.filter((entry) => entry.amountMinor !== 0),
    });
    assert(posted.posted, `${id} month ${month} was paid before`);
    ({ transactionId } = posted);
  }
  const { netMinor, vatMinor } = rent;
  await insertRental(tx, {
    ...{ numberId: id, month, workspaceId, beginsAtMs, endsAtMs, netMinor, vatMinor, transactionId },
  });
  await updatePaid(tx, id, { paidMonths: month, paidUntilMs: endsAtMs });
  return { ok: true, rent, paidMonths: month, paidUntilMs: endsAtMs };
}
