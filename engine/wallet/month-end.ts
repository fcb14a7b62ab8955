import { strict as assert } from "node:assert";
import type { Clock } from "../clock.ts";
import type { Ids, WorkspaceId } from "../ids.ts";
import type { Log } from "../log.ts";
import {
  closeMonth,
  insertInvoice,
  invoiceOf,
  nextInvoiceNumber,
  workspacesToClose,
  type ClosingPage,
  type InvoiceRow,
  type MonthToClose,
} from "../store/invoices.ts";
import type { Store, Tx } from "../store/store.ts";
import { dayTotals } from "../store/wallet-days.ts";
import { walletSettings } from "../store/ledger.ts";
import { keepWorkspace, type WorkspaceRow } from "../store/workspaces.ts";
import { creditNotes, invoiceLines, type InvoiceLine } from "./invoice-lines.ts";
import { daysOf, monthAfter, monthOf, spanOf, type Month } from "../east-africa-time.ts";
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
  log: Log;
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
    const { store, clock, log } = this.#parts;
    const running = monthOf(clock.nowMs() - graceMs);
    const last = monthOf(spanOf(running).fromMs - 1);
    for (let after: MonthToClose | null = null; ;) {
      const page: ClosingPage = { after, limit: atOnce };
      const due = await store.read((tx) => workspacesToClose(tx, last, page));
      for (const workspace of due) {
        try {
          await this.#closeAll(workspace, last);
        } catch (error) {
          // One that cannot be closed keeps no other from it, and is tried again at the next look.
          log.error({ err: error, workspace: workspace.id }, "A month could not be closed.");
        }
      }
      after = due.at(-1) ?? null;
      if (due.length < atOnce) return;
    }
  }

  /** In order, up to the last. */
  async #closeAll(workspace: MonthToClose, last: Month): Promise<void> {
    let { closedThrough } = workspace;
    const first = closedThrough === null ? monthOf(workspace.createdAtMs) : monthAfter(closedThrough);
    // Made after the month that is to be closed: there is nothing in it.
    for (let month = first > last ? last : first; month <= last; month = monthAfter(month)) {
      if (!(await this.#close({ ...workspace, closedThrough }, month))) return;
      closedThrough = month;
    }
  }

  /** False: it was not, since something was posted into it or somebody else closed it meanwhile. The next look reckons anew. */
  async #close(workspace: MonthToClose, month: Month): Promise<boolean> {
    const { store } = this.#parts;
    const statement = await statementOf(store, workspace.id, month);
    const charges = invoiceLines(statement);
    const givenBack = creditNotes(statement);
    return store.write(async (tx) => {
      const kept = await keepWorkspace(tx, workspace.id);
      const now = await dayTotals(tx, workspace.id, daysOf(month));
      if (!kept || now.last !== statement.last || now.first !== statement.first) return false;
      if (!(await closeMonth(tx, workspace, month))) return false;
      if (charges) await this.#give(tx, kept, month, { kind: "invoice", correctsId: null }, charges);
      for (const { ofMonth, lines } of givenBack) {
        const invoice = await invoiceOf(tx, workspace.id, ofMonth);
        assert(invoice, `${workspace.id}: ${ofMonth} was corrected, and has no invoice`);
        await this.#give(tx, kept, month, { kind: "credit_note", correctsId: invoice.id }, lines);
      }
      return true;
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
