import { strict as assert } from "node:assert";
import { dayOf, monthOf, spanOf } from "../east-africa-time.ts";
import type { Ids, TransactionId, WorkspaceId } from "../ids.ts";
import { closedThrough } from "../store/invoices.ts";
import * as store from "../store/ledger.ts";
import type { AccountRef, TransactionKind } from "../store/ledger.ts";
import type { Tx } from "../store/store.ts";
import { keepDays } from "../store/wallet-days.ts";

export interface Entry {
  account: AccountRef;
  /** KES cents; positive adds to the account. */
  amountMinor: number;
}

export interface Posting {
  /** Unique in the whole ledger: what makes a second posting impossible. */
  reference: string;
  kind: Exclude<TransactionKind, "correction">;
  /** Read by the customer. */
  description: string;
  workspaceId: WorkspaceId | null;
  /** In a month that is closed already: it is of the first moment of the month after. */
  createdAtMs: number;
  /** At least two, none of them 0, no account twice; their sum is 0. */
  entries: readonly Entry[];
}

export interface Correction {
  corrects: TransactionId;
  /** Default: `<corrected id> corrected`, so that the whole is taken back once. */
  reference?: string;
  /** Who corrects, and why. */
  description: string;
  createdAtMs: number;
  /** Default: the corrected entries, each with its sign turned. */
  entries?: readonly Entry[];
}

export interface Posted {
  /** False: the reference was there before, nothing was posted. */
  posted: boolean;
  /** The transaction with that reference, this one or the first. */
  transactionId: TransactionId;
}

/** Double entry, append-only. Balances move in the transaction of the posting. */
export interface Ledger {
  /** Throws where the entries do not balance: a bug of the caller's. */
  post(tx: Tx, posting: Posting): Promise<Posted>;
  /** Mends what was posted wrongly by a new transaction that names it. Nothing is ever edited. */
  correct(tx: Tx, correction: Correction): Promise<Posted>;
}

/** A wallet's balance, before and after a posting; KES cents. */
export interface WalletMove {
  workspaceId: WorkspaceId;
  transactionId: TransactionId;
  kind: TransactionKind;
  beforeMinor: number;
  afterMinor: number;
}

export interface LedgerParts {
  ids: Ids;
  /**
   * What follows from a wallet's new balance, in the posting's transaction and after its last entry, in this order. What
   * keeps the workspace's row needs it kept by whoever posts, before any account: else two postings wait for each other.
   */
  walletMoved?: readonly ((tx: Tx, move: WalletMove) => Promise<void>)[];
}

export function createLedger(parts: LedgerParts): Ledger {
  return {
    post: (tx, posting) => append(tx, parts, { ...posting, correctsId: null }),
    async correct(tx, correction) {
      const corrected = await store.transactionById(tx, correction.corrects);
      assert(corrected, `there is no transaction ${correction.corrects}`);
      return append(tx, parts, {
        reference: correction.reference ?? `${corrected.id} corrected`,
        kind: "correction",
        description: correction.description,
        workspaceId: corrected.workspaceId,
        correctsId: corrected.id,
        createdAtMs: correction.createdAtMs,
        entries: correction.entries ?? (await mirrored(tx, corrected.id)),
      });
    },
  };
}

type Transaction = Omit<store.TransactionRow, "id"> & { entries: readonly Entry[] };

async function append(tx: Tx, parts: LedgerParts, { entries, ...asked }: Transaction): Promise<Posted> {
  assertBalanced(asked.reference, entries);
  const { ids, walletMoved = [] } = parts;
  const id = ids.next("txn");
  const transaction = await insert(tx, { id, ...asked });
  if (!transaction) {
    const first = await store.transactionByReference(tx, asked.reference);
    assert(first, `${asked.reference} is taken, yet not there`);
    return { posted: false, transactionId: first.id };
  }
  const moves: WalletMove[] = [];
  for (const { account, amountMinor } of inLockOrder(entries)) {
    const moved = await move(tx, ids, account, amountMinor);
    await store.insertEntry(tx, id, moved, amountMinor);
    if (account.kind !== "wallet") continue;
    await keepDays(tx, moved, { day: dayOf(transaction.createdAtMs), amountMinor });
    const { workspaceId } = account;
    const [beforeMinor, afterMinor] = [moved.balanceMinor - amountMinor, moved.balanceMinor];
    moves.push({ workspaceId, transactionId: id, kind: transaction.kind, beforeMinor, afterMinor });
  }
  for (const walletMove of moves) for (const follow of walletMoved) await follow(tx, walletMove);
  return { posted: true, transactionId: id };
}

/**
 * As it is stored; null: its reference is taken. By a clock that was set back it would be in a month whose invoice was given out
 * without it, and so in none.
 */
async function insert(tx: Tx, row: store.TransactionRow): Promise<store.TransactionRow | null> {
  if (await store.insertTransaction(tx, row, monthOf(row.createdAtMs))) return row;
  const closed = row.workspaceId === null ? null : await closedThrough(tx, row.workspaceId);
  if (closed === null) return null;
  const late = { ...row, createdAtMs: Math.max(row.createdAtMs, spanOf(closed).toMs) };
  return (await store.insertTransaction(tx, late, monthOf(late.createdAtMs))) ? late : null;
}

async function move(tx: Tx, ids: Ids, account: AccountRef, amountMinor: number): Promise<store.MovedAccount> {
  const moved = await store.moveBalance(tx, account, amountMinor);
  if (moved) return moved;
  await store.insertAccount(tx, ids.next("acc"), account);
  const first = await store.moveBalance(tx, account, amountMinor);
  assert(first, `no account ${nameOf(account)}`);
  return first;
}

async function mirrored(tx: Tx, transactionId: TransactionId): Promise<Entry[]> {
  const entries = await store.entriesOf(tx, transactionId);
  return entries.map(({ accountKind, accountWorkspaceId, amountMinor }) => ({
    account: accountRef(accountKind, accountWorkspaceId),
    amountMinor: -amountMinor,
  }));
}

function accountRef(kind: AccountRef["kind"], workspaceId: WorkspaceId | null): AccountRef {
  if (kind !== "wallet") return { kind };
  assert(workspaceId, "a wallet is a workspace's");
  return { kind, workspaceId };
}

function assertBalanced(reference: string, entries: readonly Entry[]): void {
  const accounts = new Set(entries.map((entry) => nameOf(entry.account)));
  assert(entries.length >= 2, `${reference}: a posting has two sides`);
  assert(accounts.size === entries.length, `${reference}: an account is named twice`);
  for (const { account, amountMinor } of entries)
    assert(Number.isSafeInteger(amountMinor) && amountMinor !== 0, `${nameOf(account)}: ${amountMinor}`);
  const sum = entries.reduce((total, entry) => total + entry.amountMinor, 0);
  assert(sum === 0, `${reference}: the entries' sum is ${sum}, not 0`);
}

/** The same order everywhere, so that two postings never wait for each other; the house's, which all share, last. */
function inLockOrder(entries: readonly Entry[]): Entry[] {
  const key = ({ account }: Entry) => (account.kind === "wallet" ? 0 : 1);
  return [...entries].sort((a, b) => key(a) - key(b) || (nameOf(a.account) < nameOf(b.account) ? -1 : 1));
}

const nameOf = (account: AccountRef): string =>
  account.kind === "wallet" ? `wallet of ${account.workspaceId}` : account.kind;
