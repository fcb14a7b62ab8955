import { strict as assert } from "node:assert";
import type { Clock } from "../clock.ts";
import type { Ids, WorkspaceId } from "../ids.ts";
import {
  closeMonth,
  insertInvoice,
  invoiceOf,
  nextInvoiceNumber,
  workspacesToClose,
  type InvoiceRow,
  type MonthToClose,
} from "../store/invoices.ts";
import type { Store, Tx } from "../store/store.ts";
import { spanTotals } from "../store/wallet-spans.ts";
import { walletSettings } from "../store/ledger.ts";
import { keepWorkspace, type WorkspaceRow } from "../store/workspaces.ts";
import { creditNotes, invoiceLines, type InvoiceLine } from "./invoice-lines.ts";
import { monthAfter, monthOf, spanOf, type Month } from "../east-africa-time.ts";
import { statementOf } from "./statement.ts";

export interface Seller {
  name: string;
  pin: string;
}

export interface MonthEndParts {
  store: Store;
  clock: Clock;
  ids: Ids;
  seller: Seller;
}

/** A month is closed so long after its end: what was posted in its last second is there by then. */
const graceMs = 3_600_000;
const atOnce = 50;

/**
 * Closes each month that is over, workspace by workspace and month by month, and gives out its invoice and credit notes.
 * The numbers are given out in the transaction that closes: a crash leaves no gap, and two controllers close once.
 */
export class MonthEnd {
  readonly #parts: MonthEndParts;

  constructor(parts: MonthEndParts) {
    this.#parts = parts;
  }

  async run(): Promise<void> {
    const { store, clock } = this.#parts;
    const running = monthOf(clock.nowMs() - graceMs);
    const last = monthOf(spanOf(running).fromMs - 1);
    for (;;) {
      const due = await store.read((tx) => workspacesToClose(tx, last, atOnce));
      for (const workspace of due) await this.#close(workspace, last);
      if (due.length === 0) return;
    }
  }

  async #close(workspace: MonthToClose, last: Month): Promise<void> {
    const { store } = this.#parts;
    const { closedThrough, createdAtMs } = workspace;
    const first = closedThrough === null ? monthOf(createdAtMs) : monthAfter(closedThrough);
    // Made after the month that is to be closed: there is nothing in it.
    const month = first > last ? last : first;
    const statement = await statementOf(store, workspace.id, month);
    const charges = invoiceLines(statement);
    const givenBack = creditNotes(statement);
    await store.write(async (tx) => {
      const kept = await keepWorkspace(tx, workspace.id);
      const now = await spanTotals(tx, workspace.id, spanOf(month));
      // Something was posted into the month meanwhile: the next look reckons anew.
      if (!kept || now.last !== statement.last || now.first !== statement.first) return;
      if (!(await closeMonth(tx, workspace, month))) return;
      if (charges) await this.#give(tx, kept, month, { kind: "invoice", correctsId: null }, charges);
      for (const { ofMonth, lines } of givenBack) {
        const invoice = await invoiceOf(tx, workspace.id, ofMonth);
        assert(invoice, `${workspace.id}: ${ofMonth} was corrected, and has no invoice`);
        await this.#give(tx, kept, month, { kind: "credit_note", correctsId: invoice.id }, lines);
      }
    });
  }

  async #give(
    tx: Tx,
    buyer: WorkspaceRow,
    month: Month,
    document: Pick<InvoiceRow, "kind" | "correctsId">,
    lines: readonly InvoiceLine[],
  ): Promise<void> {
    const { ids, clock, seller } = this.#parts;
    const sum = (of: (line: InvoiceLine) => number) => lines.reduce((total, line) => total + of(line), 0);
    await insertInvoice(tx, {
      ...document,
      id: ids.next("stmt"),
      ...{ workspaceId: buyer.id, month, sellerName: seller.name, sellerPin: seller.pin },
      buyerName: buyer.name,
      buyerPin: await pinOf(tx, buyer.id),
      netMinor: sum((line) => line.net_minor),
      vatMinor: sum((line) => line.vat_minor),
      lines: JSON.stringify(lines),
      issuedAtMs: clock.nowMs(),
      // Last, so that other months' closing waits for as little as may be.
      number: await nextInvoiceNumber(tx, seller.pin),
    });
  }
}

const pinOf = async (tx: Tx, workspaceId: WorkspaceId) =>
  (await walletSettings(tx, workspaceId))?.taxPin ?? null;
