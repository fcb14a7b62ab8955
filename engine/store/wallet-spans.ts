import type { WorkspaceId } from "../ids.ts";
import type { TransactionKind, WalletTransaction } from "./ledger.ts";
import type { ReadTx } from "./store.ts";

/** From, and before; ms since the epoch, by when something was posted. */
export interface Span {
  fromMs: number;
  toMs: number;
}

/** The sequences of a wallet's first and last entry in a span; undefined: it has none. */
export async function entriesIn(
  tx: ReadTx,
  workspaceId: WorkspaceId,
  span: Span,
): Promise<{ first: number; last: number } | undefined> {
  const row = await tx.get<{ first: number | null; last: number | null }>(
    `SELECT MIN(e.sequence) AS first, MAX(e.sequence) AS last
     FROM ledger_accounts a
     JOIN ledger_transactions t ON t.workspace_id = a.workspace_id
     JOIN ledger_entries e ON e.transaction_id = t.id AND e.account_id = a.id
     WHERE a.workspace_id = ? AND a.kind = 'wallet' AND t.created_at_ms >= ? AND t.created_at_ms < ?`,
    [workspaceId, span.fromMs, span.toMs],
  );
  return row && row.first !== null && row.last !== null ? { first: row.first, last: row.last } : undefined;
}

export interface EntryPage {
  span: Span;
  /** Sequences: more than the one, and at most the other. */
  after: number;
  last: number;
  limit: number;
}

/** What moved a wallet in a span, oldest first, from between two sequences. */
export async function walletEntries(
  tx: ReadTx,
  workspaceId: WorkspaceId,
  { span, after, last, limit }: EntryPage,
  kinds: readonly TransactionKind[] = [],
): Promise<(WalletTransaction & { sequence: number })[]> {
  const ofKind = kinds.length === 0 ? "" : `AND t.kind IN (${kinds.map(() => "?").join(", ")})`;
  return tx.all(
    `SELECT e.sequence, t.id, t.kind, e.amount_minor, e.balance_after_minor, t.reference, t.description, t.created_at_ms
     FROM ledger_accounts a
     JOIN ledger_entries e ON e.account_id = a.id
     JOIN ledger_transactions t ON t.id = e.transaction_id
     WHERE a.workspace_id = ? AND a.kind = 'wallet' AND e.sequence > ? AND e.sequence <= ?
       AND t.created_at_ms >= ? AND t.created_at_ms < ? ${ofKind}
     ORDER BY e.sequence LIMIT ?`,
    [workspaceId, after, last, span.fromMs, span.toMs, ...kinds, limit],
  );
}
