import { insertRow } from "./rows.ts";
import type { ReadTx, Tx } from "./store.ts";

export interface TrunkTestRow {
  channel: string;
  trunk: string;
  toE164: `+${string}`;
  fromE164: `+${string}`;
  createdAtMs: number;
  sentAtMs: number | null;
  /** JSON. */
  outcome: string | null;
}

export const insertTrunkTest = (tx: Tx, row: TrunkTestRow) => insertRow(tx, "trunk_tests", row);

export const trunkTest = (tx: ReadTx, channel: string) =>
  tx.get<TrunkTestRow>("SELECT * FROM trunk_tests WHERE channel = ?", [channel]);

/** Not placed yet, and wanted since then at most. */
export const trunkTestsDue = (tx: ReadTx, sinceMs: number) =>
  tx.all<TrunkTestRow>(
    "SELECT * FROM trunk_tests WHERE sent_at_ms IS NULL AND created_at_ms >= ? ORDER BY created_at_ms",
    [sinceMs],
  );

/** False: somebody has placed it. */
export async function markTrunkTestSent(tx: Tx, channel: string, nowMs: number): Promise<boolean> {
  const { changes } = await tx.run(
    "UPDATE trunk_tests SET sent_at_ms = ? WHERE channel = ? AND sent_at_ms IS NULL",
    [nowMs, channel],
  );
  return changes === 1;
}

export async function saveTrunkTestOutcome(tx: Tx, channel: string, outcome: string): Promise<void> {
  await tx.run("UPDATE trunk_tests SET outcome = ? WHERE channel = ?", [outcome, channel]);
}

/** Whoever asked has the outcome, or has gone. */
export async function deleteTrunkTests(tx: Tx, channel: string, beforeMs: number): Promise<void> {
  await tx.run("DELETE FROM trunk_tests WHERE channel = ? OR created_at_ms < ?", [channel, beforeMs]);
}
