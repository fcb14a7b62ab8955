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

/** A wallet's balance before and after a span, and where its entries are; the same for ever once the span is over. */
export interface SpanTotals {
  openingMinor: number;
  closingMinor: number;
  /** Sequences; null: nothing moved it. */
  first: number | null;
  last: number | null;
}

/** Reckoned back from the balance of now: it reads what was posted since the span began, and nothing older. */
export async function spanTotals(tx: ReadTx, workspaceId: WorkspaceId, span: Span): Promise<SpanTotals> {
  const row = await tx.get<SpanTotals>(
    `SELECT a.balance_minor - CAST(COALESCE(SUM(e.amount_minor), 0) AS BIGINT) AS opening_minor,
       a.balance_minor - CAST(COALESCE(SUM(CASE WHEN t.created_at_ms >= ? THEN e.amount_minor ELSE 0 END), 0) AS BIGINT)
         AS closing_minor,
       MIN(CASE WHEN t.created_at_ms < ? THEN e.sequence END) AS first,
       MAX(CASE WHEN t.created_at_ms < ? THEN e.sequence END) AS last
     FROM ledger_accounts a
     LEFT JOIN ledger_transactions t ON t.workspace_id = a.workspace_id AND t.created_at_ms >= ?
     LEFT JOIN ledger_entries e ON e.transaction_id = t.id AND e.account_id = a.id
     WHERE a.workspace_id = ? AND a.kind = 'wallet' GROUP BY a.id, a.balance_minor`,
    [span.toMs, span.toMs, span.toMs, span.fromMs, workspaceId],
  );
  return row ?? { openingMinor: 0, closingMinor: 0, first: null, last: null };
}

/** When the wallet was first moved, ms since the epoch. */
export async function firstPostedAtMs(tx: ReadTx, workspaceId: WorkspaceId): Promise<number | undefined> {
  const row = await tx.get<{ createdAtMs: number }>(
    "SELECT created_at_ms FROM ledger_transactions WHERE workspace_id = ? ORDER BY created_at_ms LIMIT 1",
    [workspaceId],
  );
  return row?.createdAtMs;
}

/** An entry of a wallet with what a statement says of it; a correction with what it corrects. */
export interface StatementRow {
  sequence: number;
  kind: TransactionKind;
  amountMinor: number;
  vatMinor: number;
  createdAtMs: number;
  /** Of what is corrected, or the row's own. */
  ofKind: TransactionKind;
  correctedAtMs: number | null;
  /** Of a call's leg; null for the rest. */
  direction: "outbound" | "inbound" | null;
  remoteE164: string | null;
  billedSeconds: number | null;
  rateMicroKesPerMinute: number | null;
  endedAtUs: number | null;
  /** The country of the call, where the leg has the same number. */
  country: string | null;
}

/** As walletEntries, for statements. */
export async function statementRows(
  tx: ReadTx,
  workspaceId: WorkspaceId,
  { span, after, last, limit }: EntryPage,
): Promise<StatementRow[]> {
  return tx.all(
    `SELECT e.sequence, t.kind, e.amount_minor, COALESCE(v.amount_minor, 0) AS vat_minor, t.created_at_ms,
       COALESCE(o.kind, t.kind) AS of_kind, o.created_at_ms AS corrected_at_ms, c.direction,
       CASE WHEN c.direction = 'outbound' THEN c.to_e164 ELSE c.from_e164 END AS remote_e164,
       c.billed_seconds, c.rate_micro_kes_per_minute, c.ended_at_us,
       CASE WHEN k.to_e164 = c.to_e164 AND k.from_e164 = c.from_e164 THEN k.country END AS country
     FROM ledger_accounts a
     JOIN ledger_entries e ON e.account_id = a.id
     JOIN ledger_transactions t ON t.id = e.transaction_id
     LEFT JOIN ledger_transactions o ON o.id = t.corrects_id
     LEFT JOIN ledger_entries v ON v.transaction_id = t.id
       AND v.account_id = (SELECT id FROM ledger_accounts WHERE kind = 'vat' AND workspace_id IS NULL)
     LEFT JOIN cdrs c ON c.leg_id = REPLACE(COALESCE(o.reference, t.reference), ' settled', '')
     LEFT JOIN calls k ON k.id = c.call_id
     WHERE a.workspace_id = ? AND a.kind = 'wallet' AND e.sequence > ? AND e.sequence <= ?
       AND t.created_at_ms >= ? AND t.created_at_ms < ?
     ORDER BY e.sequence LIMIT ?`,
    [workspaceId, after, last, span.fromMs, span.toMs, limit],
  );
}

/** VAT rates with their dates of effect, oldest first. */
export async function vatRates(tx: ReadTx): Promise<{ amount: number; effectiveAtMs: number }[]> {
  return tx.all(
    "SELECT amount, effective_at_ms FROM prices WHERE name = 'vat_basis_points' ORDER BY effective_at_ms",
  );
}
