import { rfc3339Seconds } from "../../engine/clock.ts";
import { invoicesOfMonth, type InvoiceRow } from "../../engine/store/invoices.ts";
import { monthPattern } from "../../engine/east-africa-time.ts";
import { UsageError } from "../usage.ts";
import { print, words, type Desk } from "./desk.ts";

const atOnce = 100;

/** A line for each invoice and credit note that the closing of the month gave out, by number: what an eTIMS adapter takes. */
export async function invoicesExport({ store, config }: Desk, args: string[]): Promise<void> {
  const [month = ""] = words(args, "YYYY-MM");
  if (!monthPattern.test(month)) throw new UsageError(`"${month}" is no month, as 2026-07 is.`);
  let after: InvoiceRow | null = null;
  for (;;) {
    const page: { after: InvoiceRow | null; limit: number } = { after, limit: atOnce };
    const rows = await store.read((tx) => invoicesOfMonth(tx, month, page));
    for (const row of rows)
      print({
        kind: row.kind,
        number: row.number,
        id: row.id,
        month: row.month,
        issued_at: rfc3339Seconds(row.issuedAtMs),
        corrects_number: row.correctsNumber,
        seller: { name: row.sellerName, pin: row.sellerPin },
        buyer: { workspace_id: row.workspaceId, name: row.buyerName, pin: row.buyerPin },
        currency: "KES",
        lines: JSON.parse(row.lines) as unknown,
        net_minor: row.netMinor,
        vat_minor: row.vatMinor,
        total_minor: row.netMinor + row.vatMinor,
      });
    if (rows.length === 0 && after === null)
      process.stderr.write(
        config.seller === null
          ? "sautikit: There are no invoices: none is given out without SELLER_NAME and SELLER_PIN (docs/wallet.md).\n"
          : `sautikit: No invoice of ${month} is there: it had no charges, or is not closed yet.\n`,
      );
    if (rows.length < atOnce) return;
    after = rows.at(-1) ?? null;
  }
}
