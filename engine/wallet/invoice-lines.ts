import { decimalKes } from "./money.ts";
import type { Month } from "../east-africa-time.ts";
import { isSale, type Statement, type StatementLine } from "./statement.ts";

/** As an invoice shows it, and as eTIMS asks for it; amounts are KES cents, of a credit note what is given back. */
export interface InvoiceLine {
  item_code: string;
  description: string;
  quantity: number;
  unit: StatementLine["unit"];
  /** VAT included, of a unit; a second has six decimals; null: a posting has no price of its own. */
  unit_price_kes: string | null;
  vat_basis_points: number | null;
  net_minor: number;
  vat_minor: number;
  total_minor: number;
}

/** What was sold in the month, less what of it was given back in the month; null: nothing was. */
export function invoiceLines(statement: Statement): InvoiceLine[] | null {
  const charged = statement.lines.filter(
    (line) => isSale(line) && (line.ofMonth === null || line.netMinor > 0),
  );
  return charged.length === 0 ? null : charged.map((line) => lineOf(line, 1));
}

/** What was given back in the month of earlier ones, by the month whose invoice it corrects. */
export function creditNotes(statement: Statement): { ofMonth: Month; lines: InvoiceLine[] }[] {
  const back = statement.lines.filter((line) => isSale(line) && line.ofMonth !== null && line.netMinor <= 0);
  const byMonth = Map.groupBy(back, (line) => line.ofMonth ?? "");
  return [...byMonth]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([ofMonth, lines]) => ({ ofMonth, lines: lines.map((line) => lineOf(line, -1)) }));
}

function lineOf(line: StatementLine, sign: 1 | -1): InvoiceLine {
  return {
    item_code: codeOf(line),
    description: line.ofMonth === null ? line.description : `${line.description}, of ${line.ofMonth}`,
    quantity: line.quantity,
    unit: line.unit,
    unit_price_kes: priceOf(line),
    vat_basis_points: line.vatBasisPoints,
    net_minor: sign * line.netMinor,
    vat_minor: sign * line.vatMinor,
    total_minor: sign * (line.netMinor + line.vatMinor),
  };
}

function codeOf({ ofKind, direction, country }: StatementLine): string {
  if (ofKind !== "call") return ofKind === "storage" ? "RECORDING-STORAGE" : "NUMBER-RENTAL";
  return `CALL-${direction === "inbound" ? "IN" : "OUT"}-${country ?? "XX"}`;
}

function priceOf({ unit, rateMicroKesPerMinute, unitPriceMinor }: StatementLine): string | null {
  if (unit === "second" && rateMicroKesPerMinute !== null)
    return (rateMicroKesPerMinute / 60_000_000).toFixed(6);
  return unitPriceMinor === null ? null : decimalKes(unitPriceMinor);
}
