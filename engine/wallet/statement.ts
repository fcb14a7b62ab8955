import { parseE164 } from "../e164.ts";
import type { WorkspaceId } from "../ids.ts";
import type { TransactionKind } from "../store/ledger.ts";
import type { Store } from "../store/store.ts";
import { dayTotals, type DayTotals } from "../store/wallet-days.ts";
import { statementRows, vatRates, type StatementRow } from "../store/wallet-spans.ts";
import { daysOf, monthOf, spanOf, type Month } from "../east-africa-time.ts";
import { pagesOf } from "./pages.ts";

/** What is sold; the rest moves money in and out. */
const sold: ReadonlySet<TransactionKind> = new Set(["call", "number_rental", "storage"]);

/** All that is alike in a month, summed. */
export interface StatementLine {
  kind: TransactionKind;
  /** Of a correction: what it corrects. */
  ofKind: TransactionKind;
  /** Of a correction of something sold in another month: which. */
  ofMonth: Month | null;
  description: string;
  direction: "outbound" | "inbound" | null;
  /** ISO 3166 alpha-2, of the other party of calls; null: of no country, or no call. */
  country: string | null;
  /** What one unit costs, VAT included: micro-KES a minute of calls, cents of a month's rental; null: nothing has a price. */
  rateMicroKesPerMinute: number | null;
  unitPriceMinor: number | null;
  /** Null where there is no VAT in it. */
  vatBasisPoints: number | null;
  /** Of units: seconds of calls, months of numbers, postings of the rest. */
  quantity: number;
  unit: "second" | "month" | "posting";
  /** How many postings. */
  count: number;
  /** KES cents; negative: taken from the wallet. */
  amountMinor: number;
  /** Of it; negative where it was given back. */
  netMinor: number;
  vatMinor: number;
}

export interface Statement extends DayTotals {
  month: Month;
  lines: StatementLine[];
}

/** A month of a wallet, from its rows in pages; while it runs, of what was posted when it was asked for. */
export async function statementOf(store: Store, workspaceId: WorkspaceId, month: Month): Promise<Statement> {
  const span = spanOf(month);
  const { totals, rates } = await store.read(async (tx) => ({
    totals: await dayTotals(tx, workspaceId, daysOf(month)),
    rates: await vatRates(tx),
  }));
  const vatAt = (ms: number) => rates.findLast(({ effectiveAtMs }) => effectiveAtMs <= ms)?.amount ?? null;
  const lines = new Map<string, StatementLine>();
  for (const page of pagesOf(totals.first, totals.last)) {
    const rows = await store.read((tx) => statementRows(tx, workspaceId, { span, ...page }));
    for (const row of rows) add(lines, emptyLine(row, month, vatAt), row);
  }
  const ordered = [...lines].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, line]) => line);
  return { month, ...totals, lines: ordered };
}

/** Whether it is something that the house sold, or a correction of that. */
export const isSale = ({ ofKind }: Pick<StatementLine, "ofKind">): boolean => sold.has(ofKind);

function add(lines: Map<string, StatementLine>, empty: StatementLine, row: StatementRow): void {
  const key = lineKey(empty);
  const line = lines.get(key) ?? empty;
  lines.set(key, line);
  line.count += 1;
  line.quantity += line.unit === "second" ? (row.billedSeconds ?? 0) : 1;
  line.amountMinor += row.amountMinor;
  if (!isSale(line)) return;
  line.vatMinor += row.vatMinor;
  line.netMinor += -row.amountMinor - row.vatMinor;
}

/** Kinds in the order in which a statement has them. */
const kinds: readonly TransactionKind[] = [
  ...(["call", "number_rental", "storage", "correction"] as const),
  ...(["top_up", "credit", "promotion", "suspense"] as const),
];

/** What is the same of two postings of one line; a correction of a further charge stands beside one that gives back. */
export const lineKey = (line: StatementLine): string =>
  [
    kinds.indexOf(line.kind),
    ...[line.ofKind, line.ofMonth ?? "", line.direction ?? "", line.country ?? "", line.description],
    ...[line.rateMicroKesPerMinute ?? "", line.unitPriceMinor ?? "", line.vatBasisPoints ?? ""],
  ].join("|");

function emptyLine(row: StatementRow, month: Month, vatAt: (ms: number) => number | null): StatementLine {
  const { kind, ofKind, correctedAtMs } = row;
  const isCall = ofKind === "call";
  const isCorrection = kind === "correction";
  const ofMonth = correctedAtMs === null ? null : monthOf(correctedAtMs);
  const country = isCall ? countryOf(row) : null;
  const soldAtMs =
    row.endedAtUs === null ? (correctedAtMs ?? row.createdAtMs) : Math.floor(row.endedAtUs / 1000);
  const what = isCall ? calls(row.direction, country) : names[ofKind];
  return {
    ...{ kind, ofKind, country, ofMonth: ofMonth === month ? null : ofMonth },
    description: isCorrection ? `${row.amountMinor < 0 ? "Further charge" : "Given back"}: ${what}` : what,
    direction: isCall ? row.direction : null,
    rateMicroKesPerMinute: isCall ? row.rateMicroKesPerMinute : null,
    unitPriceMinor: kind === "number_rental" ? -row.amountMinor : null,
    vatBasisPoints: sold.has(ofKind) ? vatAt(soldAtMs) : null,
    unit: isCorrection ? "posting" : isCall ? "second" : kind === "number_rental" ? "month" : "posting",
    ...{ quantity: 0, count: 0, amountMinor: 0, netMinor: 0, vatMinor: 0 },
  };
}

const names: Record<TransactionKind, string> = {
  call: "Calls",
  number_rental: "Number rental",
  storage: "Recording storage",
  top_up: "Top-ups",
  credit: "Credits",
  promotion: "Promotions",
  suspense: "Suspense",
  correction: "Corrections",
};

const calls = (direction: StatementRow["direction"], country: string | null) =>
  `Calls ${direction === "inbound" ? "from" : "to"} ${country ?? "elsewhere"}`;

function countryOf({ country, remoteE164 }: StatementRow): string | null {
  if (country !== null || remoteE164 === null) return country;
  const parsed = parseE164(remoteE164);
  return parsed.ok ? parsed.country : null;
}
