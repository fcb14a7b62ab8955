import type { Books, NumberRow } from "./books.ts";
import type { Evidence } from "./evidence.ts";
import { movedInWallet } from "./ledger.ts";

/** Every month of a number is paid once, by whom it was rented to, and nobody pays for a number that is not there. */
export function checkNumbers(evidence: Evidence): string[] {
  const { books } = evidence;
  const rents = new Set(books.rentals.flatMap(({ transaction_id }) => transaction_id ?? []));
  return [
    ...books.numbers.flatMap((number) => checkNumber(evidence, number)),
    ...[...Map.groupBy(books.numbers, ({ held_e164 }) => held_e164)]
      .filter(([e164, same]) => e164 !== null && same.length > 1)
      .map(([e164, same]) => `${e164} is held by ${same.map(({ id }) => id).join(" and ")}`),
    ...books.transactions
      .filter(({ kind, id }) => kind === "number_rental" && !rents.has(id))
      .map(({ id, reference }) => `${id} (${reference}) is rent of no month`),
  ];
}

function checkNumber({ books, heard }: Evidence, number: NumberRow): string[] {
  const { id, workspace_id, e164, origin, paid_months } = number;
  const of = (finding: string) => `${id} (${e164}): ${finding}`;
  const rentals = books.rentals.filter(({ number_id }) => number_id === id);
  const findings: string[] = [];
  if (BigInt(rentals.length) !== (paid_months ?? 0n))
    findings.push(`${paid_months} months are said to be paid, and ${rentals.length} were`);
  for (const [index, rental] of rentals.entries()) {
    const { month, begins_at_ms, transaction_id, net_minor, vat_minor } = rental;
    const before = rentals[index - 1];
    if (month !== BigInt(index + 1) || (before && before.ends_at_ms !== begins_at_ms))
      findings.push(`month ${month} does not follow the one before`);
    const paid = transaction_id === null ? 0n : -movedInWallet(books, workspace_id, transaction_id);
    if (paid !== net_minor + vat_minor)
      findings.push(`month ${month} costs ${net_minor + vat_minor} cents, and ${paid} were paid`);
  }
  const references = books.transactions.filter(({ reference }) => reference.startsWith(`${id} month `));
  if (references.length !== rentals.filter(({ transaction_id }) => transaction_id !== null).length)
    findings.push(`${references.length} debits for ${rentals.length} months`);
  if (origin === "claim") findings.push(...checkTold(books, heard, number));
  return findings.map(of);
}

/** That it came, and that it went, each once. */
function checkTold(
  books: Books,
  heard: Evidence["heard"],
  { id, workspace_id, status }: NumberRow,
): string[] {
  if (!books.endpoints.some((endpoint) => endpoint.workspace_id === workspace_id)) return [];
  const told = (kind: string) =>
    new Set(
      heard.filter((event) => event.kind === kind && event.data["number_id"] === id).map((one) => one.id),
    ).size;
  const findings: string[] = [];
  if (told("number.provisioned") !== 1)
    findings.push(`told of as provisioned ${told("number.provisioned")} times, not once`);
  const due = status === "released" ? 1 : 0;
  if (told("number.released") !== due)
    findings.push(`told of as released ${told("number.released")} times, not ${due}`);
  return findings;
}
