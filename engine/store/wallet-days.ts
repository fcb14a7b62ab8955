import type { WorkspaceId } from "../ids.ts";
import type { MovedAccount } from "./ledger.ts";
import type { ReadTx, Tx } from "./store.ts";

/**
 * Keeps the balances with which a wallet's days open: the first posting of a day opens it, which is one row a day. One that
 * is dated before the youngest day moves the days after its own. `day` counts since 1970-01-01 in East Africa Time.
 */
export async function keepDays(
  tx: Tx,
  { id, balanceMinor, lastSequence, lastDay }: MovedAccount,
  { day, amountMinor }: { day: number; amountMinor: number },
): Promise<void> {
  if (day === lastDay) return;
  if (lastDay === null || day > lastDay) {
    await tx.run(
      "INSERT INTO wallet_days (account_id, day, opening_minor, first_sequence) VALUES (?, ?, ?, ?)",
      [id, day, balanceMinor - amountMinor, lastSequence],
    );
    await tx.run("UPDATE ledger_accounts SET last_day = ? WHERE id = ?", [day, id]);
    return;
  }
  await tx.run("UPDATE wallet_days SET opening_minor = opening_minor + ? WHERE account_id = ? AND day > ?", [
    ...[amountMinor, id, day],
  ]);
  // A day that nothing is dated yet opens as the next one did.
  await tx.run(
    `INSERT INTO wallet_days (account_id, day, opening_minor, first_sequence, late_sequence)
     SELECT account_id, CAST(? AS BIGINT), opening_minor - CAST(? AS BIGINT), CAST(? AS BIGINT), CAST(? AS BIGINT)
     FROM wallet_days WHERE account_id = ? AND day > ? ORDER BY day LIMIT 1
     ON CONFLICT (account_id, day) DO UPDATE SET late_sequence = excluded.late_sequence`,
    [day, amountMinor, lastSequence, lastSequence, id, day],
  );
}

/** From the one, and before the other. */
export interface Days {
  fromDay: number;
  toDay: number;
}

/** A wallet's balance before and after some days, and between which entries theirs are; the same for ever once they are over. */
export interface DayTotals {
  openingMinor: number;
  closingMinor: number;
  /** Sequences: all that is dated so is from the one to the other, and others may be. Null: nothing moved it. */
  first: number | null;
  last: number | null;
}

/** Reads a row a day and no entries. */
export async function dayTotals(tx: ReadTx, workspaceId: WorkspaceId, days: Days): Promise<DayTotals> {
  const { fromDay, toDay } = days;
  const row = await tx.get<Omit<DayTotals, "last"> & { late: number | null; beforeNext: number }>(
    `SELECT
       COALESCE((SELECT d.opening_minor FROM wallet_days d WHERE d.account_id = a.id AND d.day >= ?
         ORDER BY d.day LIMIT 1), a.balance_minor) AS opening_minor,
       COALESCE((SELECT d.opening_minor FROM wallet_days d WHERE d.account_id = a.id AND d.day >= ?
         ORDER BY d.day LIMIT 1), a.balance_minor) AS closing_minor,
       (SELECT MIN(d.first_sequence) FROM wallet_days d WHERE d.account_id = a.id AND d.day >= ? AND d.day < ?) AS first,
       (SELECT MAX(d.late_sequence) FROM wallet_days d WHERE d.account_id = a.id AND d.day >= ? AND d.day < ?) AS late,
       COALESCE((SELECT d.first_sequence - 1 FROM wallet_days d WHERE d.account_id = a.id AND d.day >= ?
         ORDER BY d.day LIMIT 1), a.last_sequence) AS before_next
     FROM ledger_accounts a WHERE a.workspace_id = ? AND a.kind = 'wallet'`,
    [fromDay, toDay, fromDay, toDay, fromDay, toDay, toDay, workspaceId],
  );
  if (!row) return { openingMinor: 0, closingMinor: 0, first: null, last: null };
  const { openingMinor, closingMinor, first, late, beforeNext } = row;
  return { openingMinor, closingMinor, first, last: first && Math.max(late ?? 0, beforeNext) };
}
