import type { NumberId, PortId, WorkspaceId } from "../ids.ts";
import type { ReadTx, Tx } from "./store.ts";

export const portStatuses = [
  "submitted",
  "in_review",
  "scheduled",
  "completed",
  "rejected",
  "canceled",
] as const;
export type PortStatus = (typeof portStatuses)[number];

export interface PortRow {
  id: PortId;
  workspaceId: WorkspaceId;
  e164: string;
  /** ISO 3166 alpha-2, lower case. */
  country: string;
  currentCarrier: string;
  accountReference: string;
  voiceCallbackUrl: string | null;
  documentUrl: string | null;
  /** Of what was uploaded, in the object storage; null: nothing, or not any more. */
  documentKey: string | null;
  documentType: string | null;
  documentBytes: number | null;
  /** Hex. */
  documentSha256: string | null;
  documentAtMs: number | null;
  status: PortStatus;
  /** Days in Nairobi. */
  expectedFrom: string;
  expectedBy: string;
  scheduledForMs: number | null;
  reason: string | null;
  numberId: NumberId | null;
  createdAtMs: number;
  updatedAtMs: number;
}

export type NewPortRow = Omit<
  PortRow,
  | "documentKey"
  | "documentType"
  | "documentBytes"
  | "documentSha256"
  | "documentAtMs"
  | "status"
  | "scheduledForMs"
  | "reason"
  | "numberId"
  | "updatedAtMs"
>;

/** False: the workspace has one open for that number. */
export async function insertPort(tx: Tx, row: NewPortRow): Promise<boolean> {
  const { changes } = await tx.run(
    `INSERT INTO ports (id, workspace_id, e164, country, current_carrier, account_reference, voice_callback_url,
       document_url, status, expected_from, expected_by, created_at_ms, updated_at_ms)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'submitted', ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
    [
      row.id,
      row.workspaceId,
      row.e164,
      row.country,
      row.currentCarrier,
      row.accountReference,
      row.voiceCallbackUrl,
      row.documentUrl,
      row.expectedFrom,
      row.expectedBy,
      row.createdAtMs,
      row.createdAtMs,
    ],
  );
  return changes === 1;
}

export const portById = (tx: ReadTx, id: PortId) => tx.get<PortRow>("SELECT * FROM ports WHERE id = ?", [id]);

/** The row as it is now; others that change it wait until this transaction ends. */
export const portToChange = (tx: Tx, id: PortId) =>
  tx.get<PortRow>("SELECT * FROM ports WHERE id = ? FOR NO KEY UPDATE", [id]);

/** Newest first, those older than `before`; `status`: in that one alone. */
export function portsOf(
  tx: ReadTx,
  workspaceId: WorkspaceId,
  { limit, before, status }: { limit: number; before: PortId | null; status: PortStatus | null },
): Promise<PortRow[]> {
  const older = before === null ? "" : "AND id < ?";
  const inIt = status === null ? "" : "AND status = ?";
  return tx.all(`SELECT * FROM ports WHERE workspace_id = ? ${older} ${inIt} ORDER BY id DESC LIMIT ?`, [
    workspaceId,
    ...(before === null ? [] : [before]),
    ...(status === null ? [] : [status]),
    limit,
  ]);
}

/** Of all workspaces, oldest first. */
export const portsIn = (tx: ReadTx, statuses: readonly PortStatus[]): Promise<PortRow[]> =>
  tx.all(`SELECT * FROM ports WHERE status IN (${statuses.map(() => "?").join(", ")}) ORDER BY id`, statuses);

export async function updatePort(
  tx: Tx,
  id: PortId,
  row: Pick<PortRow, "status" | "scheduledForMs" | "reason" | "numberId" | "updatedAtMs">,
): Promise<void> {
  await tx.run(
    "UPDATE ports SET status = ?, scheduled_for_ms = ?, reason = ?, number_id = ?, updated_at_ms = ? WHERE id = ?",
    [row.status, row.scheduledForMs, row.reason, row.numberId, row.updatedAtMs, id],
  );
}

export type PortDocumentFacts = Pick<
  PortRow,
  "documentKey" | "documentType" | "documentBytes" | "documentSha256" | "documentAtMs"
>;

/** What the storage holds of it; all null: nothing any more. */
export async function updatePortDocument(tx: Tx, id: PortId, row: PortDocumentFacts): Promise<void> {
  await tx.run(
    `UPDATE ports SET document_key = ?, document_type = ?, document_bytes = ?, document_sha256 = ?, document_at_ms = ?
     WHERE id = ?`,
    [row.documentKey, row.documentType, row.documentBytes, row.documentSha256, row.documentAtMs, id],
  );
}

/** Closed before `beforeMs`, with a document that is still stored. */
export const portsToForget = (tx: ReadTx, beforeMs: number, limit: number): Promise<PortRow[]> =>
  tx.all(
    `SELECT * FROM ports WHERE status IN ('completed', 'rejected', 'canceled') AND updated_at_ms < ?
       AND document_at_ms IS NOT NULL ORDER BY id LIMIT ?`,
    [beforeMs, limit],
  );

/**
 *   reserved ──▶ the request's document ──▶ deleted ──▶ gone
 *       └────────────────────────────────────┘
 * An object of a porting request: its row is there before it, until after it has gone.
 */
export interface PaperRow {
  objectKey: string;
  portId: PortId;
  createdAtMs: number;
}

/** Before its object is put. */
export async function reservePaper(tx: Tx, { objectKey, portId, createdAtMs }: PaperRow): Promise<void> {
  await tx.run("INSERT INTO port_papers (object_key, port_id, created_at_ms) VALUES (?, ?, ?)", [
    ...[objectKey, portId, createdAtMs],
  ]);
}

/** False: it was given up meanwhile. */
export async function keepPaper(tx: Tx, objectKey: string | null, atMs: number): Promise<boolean> {
  const { changes } = await tx.run(
    "UPDATE port_papers SET kept_at_ms = ? WHERE object_key = ? AND deleted_at_ms IS NULL",
    [atMs, objectKey],
  );
  return changes === 1;
}

export async function deletePaper(tx: Tx, objectKey: string, atMs: number): Promise<void> {
  await tx.run("UPDATE port_papers SET deleted_at_ms = ? WHERE object_key = ? AND deleted_at_ms IS NULL", [
    ...[atMs, objectKey],
  ]);
}

/** Those that nobody made their request's: whoever uploaded them died, or was refused. */
export async function givePapersUp(tx: Tx, beforeMs: number, atMs: number): Promise<void> {
  await tx.run(
    "UPDATE port_papers SET deleted_at_ms = ? WHERE kept_at_ms IS NULL AND deleted_at_ms IS NULL AND created_at_ms < ?",
    [atMs, beforeMs],
  );
}

export const papersToRemove = (tx: ReadTx, limit: number): Promise<Pick<PaperRow, "objectKey">[]> =>
  tx.all(
    "SELECT object_key FROM port_papers WHERE deleted_at_ms IS NOT NULL ORDER BY deleted_at_ms LIMIT ?",
    [limit],
  );

/** The storage has no object of it any more. */
export async function forgetPaper(tx: Tx, objectKey: string): Promise<void> {
  await tx.run("DELETE FROM port_papers WHERE object_key = ? AND deleted_at_ms IS NOT NULL", [objectKey]);
}
