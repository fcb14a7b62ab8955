import type { Id, WorkspaceId } from "../ids.ts";
import type { ReadTx, Tx } from "./store.ts";

export interface InvoiceRow {
  id: Id<"stmt">;
  kind: "invoice" | "credit_note";
  number: number;
  workspaceId: WorkspaceId;
  /** The month whose closing gave it out. */
  month: string;
  /** The invoice that a credit note corrects. */
  correctsId: Id<"stmt"> | null;
  sellerName: string;
  sellerPin: string;
  buyerName: string;
  buyerPin: string | null;
  netMinor: number;
  vatMinor: number;
  /** JSON array. */
  lines: string;
  issuedAtMs: number;
}

export interface MonthToClose {
  id: WorkspaceId;
  createdAtMs: number;
  closedThrough: string | null;
}

export interface ClosingPage {
  after: MonthToClose | null;
  limit: number;
}

/** Workspaces that have not closed that month yet, those that are furthest behind first; those behind `after` in that order. */
export const workspacesToClose = (tx: ReadTx, month: string, { after, limit }: ClosingPage) =>
  tx.all<MonthToClose>(
    `SELECT id, created_at_ms, closed_through FROM workspaces
     WHERE (closed_through IS NULL OR closed_through < ?) AND (COALESCE(closed_through, ''), id) > (?, ?)
     ORDER BY COALESCE(closed_through, ''), id LIMIT ?`,
    [month, after?.closedThrough ?? "", after?.id ?? "", limit],
  );

/** False: somebody else did it meanwhile. */
export async function closeMonth(
  tx: Tx,
  { id, closedThrough }: MonthToClose,
  month: string,
): Promise<boolean> {
  const { changes } = await tx.run(
    "UPDATE workspaces SET closed_through = ? WHERE id = ? AND closed_through IS NOT DISTINCT FROM ?",
    [month, id, closedThrough],
  );
  return changes === 1;
}

/** The last month that was closed; null: none was. What is kept of the workspace's row keeps it so. */
export async function closedThrough(tx: ReadTx, id: WorkspaceId): Promise<string | null> {
  const row = await tx.get<Pick<MonthToClose, "closedThrough">>(
    "SELECT closed_through FROM workspaces WHERE id = ?",
    [id],
  );
  return row?.closedThrough ?? null;
}

/** The seller's next number. Whoever asks keeps the sequence until its transaction ends; undone, the number is given out again. */
export async function nextInvoiceNumber(tx: Tx, sellerPin: string): Promise<number> {
  const row = await tx.get<{ lastNumber: number }>(
    `INSERT INTO invoice_sequences (seller_pin, last_number) VALUES (?, 1)
     ON CONFLICT (seller_pin) DO UPDATE SET last_number = invoice_sequences.last_number + 1
     RETURNING last_number`,
    [sellerPin],
  );
  return row?.lastNumber ?? NaN;
}

export async function insertInvoice(tx: Tx, row: InvoiceRow): Promise<void> {
  await tx.run(
    `INSERT INTO invoices (id, kind, number, workspace_id, month, corrects_id, seller_name, seller_pin, buyer_name,
       buyer_pin, net_minor, vat_minor, lines, issued_at_ms)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    [
      ...[row.id, row.kind, row.number, row.workspaceId, row.month, row.correctsId, row.sellerName],
      ...[row.sellerPin, row.buyerName, row.buyerPin, row.netMinor, row.vatMinor, row.lines, row.issuedAtMs],
    ],
  );
}

/** A workspace's invoice of a month; undefined: it bought nothing then, or the month is not closed. */
export const invoiceOf = (tx: ReadTx, workspaceId: WorkspaceId, month: string) =>
  tx.get<InvoiceRow>("SELECT * FROM invoices WHERE workspace_id = ? AND month = ? AND kind = 'invoice'", [
    workspaceId,
    month,
  ]);

/**
 * With the number of the invoice that each credit note corrects; by number, those behind `after`. Two sellers' have the same
 * numbers: a month may be closed under one PIN for some and under the next for others.
 */
export const invoicesOfMonth = (
  tx: ReadTx,
  month: string,
  page: { after: Pick<InvoiceRow, "number" | "id"> | null; limit: number },
) =>
  tx.all<InvoiceRow & { correctsNumber: number | null }>(
    `SELECT i.*, o.number AS corrects_number FROM invoices i LEFT JOIN invoices o ON o.id = i.corrects_id
     WHERE i.month = ? AND (i.number, i.id) > (?, ?) ORDER BY i.number, i.id LIMIT ?`,
    [month, page.after?.number ?? 0, page.after?.id ?? "", page.limit],
  );

/** What was given out to a workspace when that month was closed. */
export const documentsOf = (tx: ReadTx, workspaceId: WorkspaceId, month: string) =>
  tx.all<InvoiceRow & { correctsNumber: number | null }>(
    `SELECT i.*, o.number AS corrects_number FROM invoices i LEFT JOIN invoices o ON o.id = i.corrects_id
     WHERE i.workspace_id = ? AND i.month = ? ORDER BY i.number`,
    [workspaceId, month],
  );
