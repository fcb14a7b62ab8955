import { stringify } from "csv-stringify/sync";
import { rfc3339Seconds } from "../clock.ts";
import type { WorkspaceId } from "../ids.ts";
import type { TransactionKind } from "../store/ledger.ts";
import type { Store } from "../store/store.ts";
import { dayTotals } from "../store/wallet-days.ts";
import { walletEntries, type Span } from "../store/wallet-spans.ts";
import { decimalKes } from "./money.ts";
import { dayOf, zonedTime } from "../east-africa-time.ts";
import { pagesOf } from "./pages.ts";

const columns = [
  "id",
  "created_at",
  "created_at_nairobi",
  "kind",
  "description",
  "reference",
  "amount_kes",
  "balance_after_kes",
];

/** A wallet's transactions as CSV, oldest first, a page at a time; each page is a read of its own. */
export async function* transactionsCsv(
  store: Store,
  workspaceId: WorkspaceId,
  { span, kinds }: { span: Span; kinds: readonly TransactionKind[] },
): AsyncGenerator<string> {
  const days = { fromDay: dayOf(span.fromMs), toDay: dayOf(span.toMs - 1) + 1 };
  const { first, last } = await store.read((tx) => dayTotals(tx, workspaceId, days));
  yield csv([columns]);
  for (const page of pagesOf(first, last)) {
    const rows = await store.read((tx) => walletEntries(tx, workspaceId, { span, ...page }, kinds));
    if (rows.length > 0)
      yield csv(
        rows.map((row) => [
          row.id,
          rfc3339Seconds(row.createdAtMs),
          zonedTime(row.createdAtMs),
          row.kind,
          plainText(row.description),
          plainText(row.reference),
          decimalKes(row.amountMinor),
          decimalKes(row.balanceAfterMinor),
        ]),
      );
  }
}

/** RFC 4180. */
export const csv = (rows: readonly (readonly string[])[]): string =>
  stringify(rows as string[][], { record_delimiter: "windows" });

/** What a spreadsheet would take for a formula begins with an apostrophe (OWASP, CSV injection). */
export const plainText = (text: string): string =>
  /^\s*[=+\-@|%\t\r\n＝＋－＠]/.test(text) ? `'${text}` : text;
