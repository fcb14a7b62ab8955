import { stringify } from "csv-stringify/sync";
import { rfc3339Ms } from "../clock.ts";
import type { WorkspaceId } from "../ids.ts";
import type { TransactionKind } from "../store/ledger.ts";
import type { Store } from "../store/store.ts";
import { entriesIn, walletEntries, type Span } from "../store/wallet-spans.ts";
import { decimalKes } from "./money.ts";
import { zonedTime } from "../east-africa-time.ts";

/** Rows that are read, and written, at a time: what the memory of an export comes to. */
const pageRows = 1000;

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
  const bounds = await store.read((tx) => entriesIn(tx, workspaceId, span));
  yield csv([columns]);
  if (!bounds) return;
  const { last } = bounds;
  let after = bounds.first - 1;
  while (after < last) {
    const page = { span, after, last, limit: pageRows };
    const rows = await store.read((tx) => walletEntries(tx, workspaceId, page, kinds));
    if (rows.length > 0)
      yield csv(
        rows.map((row) => [
          row.id,
          rfc3339Ms(row.createdAtMs),
          zonedTime(row.createdAtMs),
          row.kind,
          plainText(row.description),
          plainText(row.reference),
          decimalKes(row.amountMinor),
          decimalKes(row.balanceAfterMinor),
        ]),
      );
    after = rows.length < pageRows ? last : (rows.at(-1)?.sequence ?? last);
  }
}

/** RFC 4180. */
export const csv = (rows: readonly (readonly string[])[]): string =>
  stringify(rows as string[][], { record_delimiter: "windows" });

/** What a spreadsheet would take for a formula begins with an apostrophe (OWASP, CSV injection). */
export const plainText = (text: string): string =>
  /^\s*[=+\-@|%\t\r\n＝＋－＠]/.test(text) ? `'${text}` : text;
