import type { WorkspaceId } from "../ids.ts";
import type { TransactionKind, WalletTransaction } from "./ledger.ts";
import type { ReadTx } from "./store.ts";

/** From, and before; ms since the epoch, by when something was posted. */
export interface Span {
  fromMs: number;
  toMs: number;
}

export interface EntryPage {
  span: Span;
  /** Sequences, more than the one and at most the other: so much is looked at, whether it is of the span or not. */
  after: number;
  upTo: number;
}

/** What moved a wallet in a span, oldest first, from between two sequences. */
export async function walletEntries(
  tx: ReadTx,
  workspaceId: WorkspaceId,
  { span, after, upTo }: EntryPage,
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
     ORDER BY e.sequence`,
    [workspaceId, after, upTo, span.fromMs, span.toMs, ...kinds],
  );
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
  { span, after, upTo }: EntryPage,
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
     ORDER BY e.sequence`,
    [workspaceId, after, upTo, span.fromMs, span.toMs],
  );
}

/** VAT rates with their dates of effect, oldest first. */
export async function vatRates(tx: ReadTx): Promise<{ amount: number; effectiveAtMs: number }[]> {
  return tx.all(
    "SELECT amount, effective_at_ms FROM prices WHERE name = 'vat_basis_points' ORDER BY effective_at_ms",
  );
}
