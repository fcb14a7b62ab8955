import type { ReadTx, Tx } from "./store.ts";

/** What an operator has checked as a whole; or has saved: a `backup` has no findings, and its time is that of the database's copy. */
export type CheckName = "ledger" | "recordings" | "backup";

export interface CheckRow {
  name: CheckName;
  checkedAtMs: number;
  /** What was found wrong. */
  findings: number;
}

/** The last one counts. */
export const saveCheck = (tx: Tx, { name, checkedAtMs, findings }: CheckRow) =>
  tx.run(
    `INSERT INTO checks (name, checked_at_ms, findings) VALUES (?, ?, ?)
     ON CONFLICT (name) DO UPDATE SET checked_at_ms = excluded.checked_at_ms, findings = excluded.findings`,
    [name, checkedAtMs, findings],
  );

export const lastChecks = (tx: ReadTx) =>
  tx.all<CheckRow>("SELECT name, checked_at_ms, findings FROM checks");
