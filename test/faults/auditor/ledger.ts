import type { AccountRow, Books, EntryRow } from "./books.ts";

/** Double entry: every transaction and the whole sum to zero, and an account is the sum of its entries. */
export function checkLedger({ accounts, transactions, entries }: Books): string[] {
  const findings: string[] = [];
  const byTransaction = Map.groupBy(entries, (entry) => entry.transaction_id);
  for (const { id, reference } of transactions) {
    const own = byTransaction.get(id) ?? [];
    if (own.length < 2)
      findings.push(`${id} (${reference}) has ${own.length} entries; it takes two at least`);
    if (sumOf(own) !== 0n) findings.push(`${id} (${reference}): its entries sum to ${sumOf(own)}, not zero`);
  }
  const known = new Set(transactions.map(({ id }) => id));
  for (const id of byTransaction.keys())
    if (!known.has(id)) findings.push(`${id}: entries of a transaction that is not there`);
  if (sumOf(entries) !== 0n) findings.push(`the ledger sums to ${sumOf(entries)}, not zero`);
  for (const [reference, same] of Map.groupBy(transactions, (row) => row.reference))
    if (same.length > 1) findings.push(`"${reference}" was posted ${same.length} times`);
  const byAccount = Map.groupBy(entries, (entry) => entry.account_id);
  for (const account of accounts) findings.push(...checkAccount(account, byAccount.get(account.id) ?? []));
  return findings;
}

function checkAccount({ id, kind, balance_minor, last_sequence }: AccountRow, entries: EntryRow[]): string[] {
  const findings: string[] = [];
  if (balance_minor !== sumOf(entries))
    findings.push(`${id} (${kind}): its balance is ${balance_minor}, its entries sum to ${sumOf(entries)}`);
  if (last_sequence !== BigInt(entries.length))
    findings.push(`${id} (${kind}): ${entries.length} entries, and ${last_sequence} were counted`);
  let balance = 0n;
  for (const [index, entry] of entries.entries()) {
    balance += entry.amount_minor;
    if (entry.sequence !== BigInt(index + 1) || entry.balance_after_minor !== balance) {
      findings.push(
        `${id} (${kind}): its entry ${entry.sequence} (${entry.transaction_id}) left ${entry.balance_after_minor}, not ${balance}`,
      );
      break;
    }
  }
  return findings;
}

const sumOf = (entries: readonly EntryRow[]) => entries.reduce((sum, entry) => sum + entry.amount_minor, 0n);

/** What a transaction put into a workspace's wallet, cents; negative: took from it. */
export function movedInWallet(books: Books, workspaceId: string, transactionId: string): bigint {
  const wallet = books.accounts.find((one) => one.kind === "wallet" && one.workspace_id === workspaceId);
  return sumOf(entriesOf(books, transactionId).filter(({ account_id }) => account_id === wallet?.id));
}

/** What a transaction put into the house's account of that kind, cents. */
export function movedIn(books: Books, kind: string, transactionId: string): bigint {
  const house = books.accounts.find((one) => one.kind === kind && one.workspace_id === null);
  return sumOf(entriesOf(books, transactionId).filter(({ account_id }) => account_id === house?.id));
}

const entriesByBooks = new WeakMap<Books, Map<string, EntryRow[]>>();

function entriesOf(books: Books, transactionId: string): EntryRow[] {
  const byTransaction =
    entriesByBooks.get(books) ?? Map.groupBy(books.entries, (entry) => entry.transaction_id);
  entriesByBooks.set(books, byTransaction);
  return byTransaction.get(transactionId) ?? [];
}
