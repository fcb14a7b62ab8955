import type { Books, PaymentRow } from "./books.ts";
import type { DarajaAccount, Evidence } from "./evidence.ts";
import { movedIn, movedInWallet } from "./ledger.ts";

/** Money that Safaricom moved and that the books do not have yet: it may still be found. */
export function uncredited({ payments }: DarajaAccount, { payments: rows }: Books): string[] {
  const taken = new Set(rows.map(({ receipt }) => receipt));
  return payments
    .filter(({ receipt }) => !taken.has(receipt))
    .map(({ receipt, amount, account }) => `${receipt} (KES ${amount} for ${account}) is not in the books`);
}

/** Safaricom's account against the books: every receipt once, whole, in the right wallet or in suspense; nothing else. */
export function checkTopUps(evidence: Evidence): string[] {
  const { books, daraja } = evidence;
  if (!daraja) return [];
  const rows = new Map(books.payments.map((row) => [row.receipt, row]));
  const moved = new Map(daraja.payments.map((payment) => [payment.receipt, payment]));
  return [
    ...uncredited(daraja, books),
    ...daraja.payments.flatMap((payment) => {
      const row = rows.get(payment.receipt);
      return row ? checkPayment(evidence, payment, row) : [];
    }),
    ...books.payments
      .filter(({ receipt }) => !moved.has(receipt))
      .map(({ receipt, id }) => `${id} has the receipt ${receipt}, which Safaricom does not know`),
    ...checkClearing(books, daraja),
    ...checkRequests(evidence, daraja),
  ];
}

const cents = (shillings: string) => BigInt(Math.round(Number(shillings) * 100));

function checkPayment(
  { books, heard }: Evidence,
  { receipt, amount, account }: DarajaAccount["payments"][number],
  row: PaymentRow,
): string[] {
  const of = (finding: string) => `${row.id} (${receipt}): ${finding}`;
  const findings: string[] = [];
  const due = cents(amount);
  if (row.amount_minor !== due) findings.push(`${row.amount_minor} cents, while Safaricom moved ${due}`);
  // The account of a push is its workspace's and two characters, by which the request is known.
  const request = books.topUps.find(({ account_reference }) => account_reference === account);
  const owner =
    request?.workspace_id ??
    books.workspaces.find(({ mpesa_account_ref }) => mpesa_account_ref === account)?.id;
  const isAsAskedFor = request === undefined || request.amount_minor === due;
  const paidTo = isAsAskedFor ? (owner ?? null) : null;
  if (row.workspace_id !== paidTo)
    findings.push(
      `credited to ${row.workspace_id ?? `nobody (${row.suspense_reason})`}, and it is ${paidTo ?? "nobody"}'s`,
    );
  const postings = books.transactions.filter(({ reference }) => reference === `mpesa ${receipt}`);
  const later = books.transactions.filter(({ reference }) => reference === `${row.id} assigned`);
  if (postings.length !== 1) findings.push(`posted ${postings.length} times, not once`);
  const credited = [...postings, ...later].reduce(
    (sum, { id }) => sum + (row.workspace_id === null ? 0n : movedInWallet(books, row.workspace_id, id)),
    0n,
  );
  if (row.workspace_id !== null && credited !== due)
    findings.push(`${row.workspace_id} was credited ${credited} cents for it, and it is ${due}`);
  const inSuspense = [...postings, ...later].reduce(
    (sum, { id }) => sum + movedIn(books, "suspense", id),
    0n,
  );
  if (inSuspense !== (row.workspace_id === null ? due : 0n))
    findings.push(`${inSuspense} cents of it are in suspense`);
  if (row.workspace_id !== null && hasEndpoint(books, row.workspace_id)) {
    const told = heard.filter(
      ({ kind, data, workspaceId }) =>
        kind === "wallet.top_up" &&
        data["provider_reference"] === receipt &&
        workspaceId === row.workspace_id,
    );
    const events = new Set(told.map(({ id }) => id));
    if (events.size !== 1) findings.push(`told of in ${events.size} events, not one`);
    if (told.some(({ data }) => BigInt(Number(data["amount_minor"])) !== due))
      findings.push("told of with another amount");
  }
  return findings.map(of);
}

const hasEndpoint = (books: Books, workspaceId: string) =>
  books.endpoints.some(({ workspace_id }) => workspace_id === workspaceId);

/** What the clearing account owes is what Safaricom holds for us. */
function checkClearing(books: Books, { payments }: DarajaAccount): string[] {
  const taken = new Set(books.payments.map(({ receipt }) => receipt));
  const held = payments
    .filter(({ receipt }) => taken.has(receipt))
    .reduce((sum, { amount }) => sum + cents(amount), 0n);
  const clearing = books.accounts.find(({ kind }) => kind === "mpesa_clearing")?.balance_minor ?? 0n;
  return clearing === -held
    ? []
    : [`the clearing account has ${clearing} cents, and Safaricom holds ${held}`];
}

/** A phone is asked once for each request, and what is shown as paid was. */
function checkRequests({ books }: Evidence, { prompts, payments }: DarajaAccount): string[] {
  const receipts = new Map(payments.map((payment) => [payment.receipt, payment]));
  return books.topUps.flatMap(({ id, callback_key, account_reference, state, receipt }) => {
    const findings: string[] = [];
    const asked = prompts.filter(({ callbackUrl }) => callbackUrl.endsWith(`/${callback_key}`));
    if (asked.length > 1) findings.push(`${id}: its phone was asked ${asked.length} times`);
    if (asked.length > 0 && state === "requested")
      findings.push(`${id}: its phone was asked, and it is not marked so`);
    if ((state === "succeeded") !== (receipt !== null))
      findings.push(`${id} is ${state}, with the receipt ${receipt}`);
    if (receipt !== null && receipts.get(receipt)?.account !== account_reference)
      findings.push(`${id} is shown as paid by ${receipt}, which was not paid for it`);
    return findings;
  });
}
