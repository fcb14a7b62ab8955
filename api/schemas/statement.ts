import { z } from "zod";
import { rfc3339Seconds } from "../../engine/clock.ts";
import type { JsonObject } from "../../engine/json.ts";
import type { documentsOf } from "../../engine/store/invoices.ts";
import { csv, plainText } from "../../engine/wallet/export.ts";
import { decimalKes } from "../../engine/wallet/money.ts";
import { spanOf, zonedTime } from "../../engine/east-africa-time.ts";
import type { Statement, StatementLine } from "../../engine/wallet/statement.ts";

export const statementSummarySchema = z.strictObject({
  month: z.string().meta({ description: "`2026-07`, of East Africa Time." }),
  status: z
    .enum(["provisional", "final"])
    .meta({ description: "provisional: the month runs, and what is yet to be posted will change it." }),
});

const lineSchema = z.strictObject({
  kind: z.string().meta({ description: "As in GET /v1/wallet/transactions." }),
  description: z.string(),
  direction: z.enum(["outbound", "inbound"]).nullable(),
  country: z.string().nullable().meta({ description: "Of calls: the other party's, ISO 3166 alpha-2." }),
  rate_per_minute_minor: z.number().nullable().meta({ description: "Of calls: KES cents, VAT included." }),
  corrects_month: z.string().nullable().meta({ description: "Of what was sold in another month." }),
  quantity: z.int(),
  unit: z.enum(["second", "month", "posting"]),
  count: z.int().meta({ description: "How many postings." }),
  vat_basis_points: z.int().nullable().meta({ description: "1600: 16 %." }),
  net_minor: z.int().meta({ description: "What was sold, without VAT; negative: given back." }),
  vat_minor: z.int(),
  amount_minor: z.int().meta({ description: "What it moved the wallet by; negative: taken from it." }),
});

export const statementSchema = z
  .strictObject({
    ...statementSummarySchema.shape,
    workspace_id: z.string(),
    currency: z.literal("KES"),
    from: z.string().meta({ format: "date-time" }),
    to: z.string().meta({ format: "date-time", description: "The month ends before it." }),
    opening_balance_minor: z.int(),
    closing_balance_minor: z.int().meta({ description: "Opening and the lines' amounts come to it." }),
    lines: z.array(lineSchema),
    net_minor: z.int().meta({ description: "All that was sold, without VAT." }),
    vat_minor: z.int(),
    total_minor: z.int(),
    documents: z
      .array(
        z.strictObject({
          kind: z.enum(["invoice", "credit_note"]),
          number: z.int(),
          corrects_number: z.int().nullable(),
          net_minor: z.int(),
          vat_minor: z.int(),
          total_minor: z.int(),
          issued_at: z.string().meta({ format: "date-time" }),
        }),
      )
      .meta({ description: "Given out when the month was closed." }),
  })
  .meta({ id: "WalletStatement" });

const sum = (lines: readonly StatementLine[], of: (line: StatementLine) => number) =>
  lines.reduce((total, line) => total + of(line), 0);

export function statementBody(
  workspaceId: string,
  statement: Statement,
  status: string,
  documents: Awaited<ReturnType<typeof documentsOf>>,
): JsonObject {
  const { month, lines, openingMinor, closingMinor } = statement;
  const { fromMs, toMs } = spanOf(month);
  const [net, vat] = [sum(lines, (line) => line.netMinor), sum(lines, (line) => line.vatMinor)];
  return {
    month,
    status,
    workspace_id: workspaceId,
    currency: "KES",
    from: zonedTime(fromMs),
    to: zonedTime(toMs),
    opening_balance_minor: openingMinor,
    closing_balance_minor: closingMinor,
    lines: lines.map((line) => ({
      ...{ kind: line.kind, description: line.description, direction: line.direction, country: line.country },
      rate_per_minute_minor: line.rateMicroKesPerMinute === null ? null : line.rateMicroKesPerMinute / 10_000,
      corrects_month: line.ofMonth,
      ...{
        quantity: line.quantity,
        unit: line.unit,
        count: line.count,
        vat_basis_points: line.vatBasisPoints,
      },
      ...{ net_minor: line.netMinor, vat_minor: line.vatMinor, amount_minor: line.amountMinor },
    })),
    ...{ net_minor: net, vat_minor: vat, total_minor: net + vat },
    documents: documents.map((one) => ({
      ...{ kind: one.kind, number: one.number, corrects_number: one.correctsNumber },
      ...{ net_minor: one.netMinor, vat_minor: one.vatMinor, total_minor: one.netMinor + one.vatMinor },
      issued_at: rfc3339Seconds(one.issuedAtMs),
    })),
  };
}

const columns = [
  ...[
    "kind",
    "description",
    "direction",
    "country",
    "rate_per_minute_kes",
    "corrects_month",
    "quantity",
    "unit",
  ],
  ...["count", "vat_basis_points", "net_kes", "vat_kes", "amount_kes", "balance_kes"],
];

/** A row for each line, between the balances. */
export async function* statementCsv({
  lines,
  openingMinor,
  closingMinor,
}: Statement): AsyncGenerator<string> {
  yield await Promise.resolve(csv([columns, balance("opening_balance", openingMinor)]));
  for (const line of lines)
    yield csv([
      [
        ...[line.kind, plainText(line.description), line.direction ?? "", line.country ?? ""],
        line.rateMicroKesPerMinute === null ? "" : rateText(line.rateMicroKesPerMinute),
        ...[line.ofMonth ?? "", String(line.quantity), line.unit, String(line.count)],
        String(line.vatBasisPoints ?? ""),
        ...[decimalKes(line.netMinor), decimalKes(line.vatMinor), decimalKes(line.amountMinor), ""],
      ],
    ]);
  yield csv([balance("closing_balance", closingMinor)]);
}

/** As many decimals as a deck may have; four at least. */
const rateText = (microKes: number) => (microKes / 1_000_000).toFixed(6).replace(/0{1,2}$/, "");

const balance = (kind: string, minor: number) =>
  columns.map((name) => (name === "kind" ? kind : name === "balance_kes" ? decimalKes(minor) : ""));
