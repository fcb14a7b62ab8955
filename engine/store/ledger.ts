import type { AccountId, TransactionId, WorkspaceId } from "../ids.ts";
import type { ReadTx, SqlValue, Tx } from "./store.ts";

/** The house's own accounts, one of each. */
export type HouseAccount =
  | "revenue_calls"
  | "revenue_rental"
  | "revenue_storage"
  | "vat"
  | "mpesa_clearing"
  | "suspense"
  | "promotions"
  | "adjustments";

export type AccountRef = { kind: "wallet"; workspaceId: WorkspaceId } | { kind: HouseAccount };

export type TransactionKind =
  "call" | "number_rental" | "storage" | "top_up" | "credit" | "promotion" | "suspense" | "correction";

export interface TransactionRow {
  id: TransactionId;
  reference: string;
  kind: TransactionKind;
  description: string;
  workspaceId: WorkspaceId | null;
  correctsId: TransactionId | null;
  createdAtMs: number;
}

/** `month`: `2026-07`, its own. False: nothing was stored, since the reference is taken, or the workspace has closed that month. */
export async function insertTransaction(tx: Tx, row: TransactionRow, month: string): Promise<boolean> {
  const { changes } = await tx.run(
    `INSERT INTO ledger_transactions (id, reference, kind, description, workspace_id, corrects_id, created_at_ms)
     SELECT ?, ?, ?, ?, CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS BIGINT)
     WHERE NOT EXISTS (SELECT 1 FROM workspaces WHERE id = ? AND closed_through >= ?)
     ON CONFLICT (reference) DO NOTHING`,
    [
      ...[row.id, row.reference, row.kind, row.description, row.workspaceId, row.correctsId, row.createdAtMs],
      ...[row.workspaceId, month],
    ],
  );
  return changes === 1;
}

export async function transactionByReference(
  tx: ReadTx,
  reference: string,
): Promise<TransactionRow | undefined> {
  return tx.get("SELECT * FROM ledger_transactions WHERE reference = ?", [reference]);
}

export async function transactionById(tx: ReadTx, id: TransactionId): Promise<TransactionRow | undefined> {
  return tx.get("SELECT * FROM ledger_transactions WHERE id = ?", [id]);
}

export interface MovedAccount {
  id: AccountId;
  balanceMinor: number;
  lastSequence: number;
  /** Of a wallet, the youngest day that moved it before; null: none did. */
  lastDay: number | null;
}

/** Adds to an account's balance. Undefined: there is no such account yet. */
export async function moveBalance(
  tx: Tx,
  account: AccountRef,
  amountMinor: number,
): Promise<MovedAccount | undefined> {
  const [where, workspaceId] =
    account.kind === "wallet" ? ["workspace_id = ?", [account.workspaceId]] : ["workspace_id IS NULL", []];
  return tx.get(
    `UPDATE ledger_accounts SET balance_minor = balance_minor + ?, last_sequence = last_sequence + 1
     WHERE kind = ? AND ${where} RETURNING id, balance_minor, last_sequence, last_day`,
    [amountMinor, account.kind, ...workspaceId],
  );
}

/** Makes an empty account; does nothing where somebody else just did. */
export async function insertAccount(tx: Tx, id: AccountId, account: AccountRef): Promise<void> {
  await tx.run(
    "INSERT INTO ledger_accounts (id, kind, workspace_id) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
    [id, account.kind, account.kind === "wallet" ? account.workspaceId : null],
  );
}

export async function insertEntry(
  tx: Tx,
  transactionId: TransactionId,
  account: MovedAccount,
  amountMinor: number,
): Promise<void> {
  await tx.run(
    `INSERT INTO ledger_entries (transaction_id, account_id, sequence, amount_minor, balance_after_minor)
     VALUES (?, ?, ?, ?, ?)`,
    [transactionId, account.id, account.lastSequence, amountMinor, account.balanceMinor],
  );
}

export interface EntryRow {
  accountKind: AccountRef["kind"];
  accountWorkspaceId: WorkspaceId | null;
  amountMinor: number;
}

export async function entriesOf(tx: ReadTx, transactionId: TransactionId): Promise<EntryRow[]> {
  return tx.all(
    `SELECT a.kind AS account_kind, a.workspace_id AS account_workspace_id, e.amount_minor
     FROM ledger_entries e JOIN ledger_accounts a ON a.id = e.account_id
     WHERE e.transaction_id = ? ORDER BY a.kind, a.workspace_id`,
    [transactionId],
  );
}

/** 0 for a workspace whose wallet was never touched. */
export async function walletBalanceMinor(tx: ReadTx, workspaceId: WorkspaceId): Promise<number> {
  const row = await tx.get<{ balanceMinor: number }>(
    "SELECT balance_minor FROM ledger_accounts WHERE workspace_id = ? AND kind = 'wallet'",
    [workspaceId],
  );
  return row?.balanceMinor ?? 0;
}

/** What a workspace chose for its wallet. */
export interface WalletChoices {
  lowBalanceThresholdMinor: number | null;
  /** Normalised. Empty: the owners are told. */
  alertEmails: readonly string[];
  onZeroBalance: "continue" | "hangup";
  /** The buyer's KRA PIN, for invoices. */
  taxPin: string | null;
}

export interface WalletSettings extends WalletChoices {
  workspaceId: WorkspaceId;
  currency: string;
  mpesaAccountRef: string;
}

export async function walletSettings(
  tx: ReadTx,
  workspaceId: WorkspaceId,
): Promise<WalletSettings | undefined> {
  const row = await tx.get<Omit<WalletSettings, "alertEmails"> & { alertEmails: string }>(
    `SELECT id AS workspace_id, currency, low_balance_threshold_minor, alert_emails, on_zero_balance, tax_pin,
       mpesa_account_ref FROM workspaces WHERE id = ?`,
    [workspaceId],
  );
  return row && { ...row, alertEmails: JSON.parse(row.alertEmails) as string[] };
}

export async function updateWalletChoices(
  tx: Tx,
  workspaceId: WorkspaceId,
  { lowBalanceThresholdMinor, alertEmails, onZeroBalance, taxPin }: WalletChoices,
): Promise<void> {
  await tx.run(
    `UPDATE workspaces SET low_balance_threshold_minor = ?, alert_emails = ?, on_zero_balance = ?, tax_pin = ?
     WHERE id = ?`,
    [lowBalanceThresholdMinor, JSON.stringify(alertEmails), onZeroBalance, taxPin, workspaceId],
  );
}

/** A posting as it moved one wallet. */
export interface WalletTransaction {
  id: TransactionId;
  kind: TransactionKind;
  amountMinor: number;
  balanceAfterMinor: number;
  reference: string;
  description: string;
  createdAtMs: number;
}

export interface TransactionFilter {
  /** Empty: all. */
  kinds?: readonly TransactionKind[] | undefined;
  fromMs?: number | undefined;
  /** Before it. */
  toMs?: number | undefined;
}

/** Newest first; only what is older than `after`, where given. */
export async function walletTransactions(
  tx: ReadTx,
  workspaceId: WorkspaceId,
  page: { limit: number; after: TransactionId | null },
  { kinds = [], fromMs, toMs }: TransactionFilter = {},
): Promise<WalletTransaction[]> {
  const where: string[] = [];
  const params: SqlValue[] = [];
  const narrow = (condition: string, ...values: SqlValue[]) => {
    where.push(`AND ${condition}`);
    params.push(...values);
  };
  if (page.after !== null)
    narrow(
      "e.sequence < (SELECT c.sequence FROM ledger_entries c WHERE c.transaction_id = ? AND c.account_id = a.id)",
      page.after,
    );
  if (kinds.length > 0) narrow(`t.kind IN (${kinds.map(() => "?").join(", ")})`, ...kinds);
  if (fromMs !== undefined) narrow("t.created_at_ms >= ?", fromMs);
  if (toMs !== undefined) narrow("t.created_at_ms < ?", toMs);
  return tx.all(
    `SELECT t.id, t.kind, e.amount_minor, e.balance_after_minor, t.reference, t.description, t.created_at_ms
     FROM ledger_accounts a
     JOIN ledger_entries e ON e.account_id = a.id
     JOIN ledger_transactions t ON t.id = e.transaction_id
     WHERE a.workspace_id = ? AND a.kind = 'wallet' ${where.join(" ")}
     ORDER BY e.sequence DESC LIMIT ?`,
    [workspaceId, ...params, page.limit],
  );
}
