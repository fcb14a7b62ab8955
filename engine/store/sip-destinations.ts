import type { SipDestinationId, WorkspaceId } from "../ids.ts";
import { insertRow } from "./rows.ts";
import type { ReadTx, Tx } from "./store.ts";

/** Whom documents of a workspace may dial at another's SIP server. */
export interface SipDestinationRow {
  id: SipDestinationId;
  workspaceId: WorkspaceId;
  /** A host name in small letters, or an IPv4 address. */
  host: string;
  /** Null: any; so are the two that follow. */
  port: number | null;
  transport: "udp" | "tcp" | "tls" | null;
  sipUser: string | null;
  label: string;
  createdAtMs: number;
}

export const insertSipDestination = (tx: Tx, row: SipDestinationRow) =>
  insertRow(tx, "sip_destinations", row);

/** Newest first, those older than `before`. */
export const sipDestinationsPage = (
  tx: ReadTx,
  workspaceId: WorkspaceId,
  { limit, before }: { limit: number; before: SipDestinationId | null },
) =>
  tx.all<SipDestinationRow>(
    `SELECT * FROM sip_destinations WHERE workspace_id = ? ${before === null ? "" : "AND id < ?"}
     ORDER BY id DESC LIMIT ?`,
    [workspaceId, ...(before === null ? [] : [before]), limit],
  );

export const sipDestinationsAt = (tx: ReadTx, workspaceId: WorkspaceId, host: string) =>
  tx.all<SipDestinationRow>("SELECT * FROM sip_destinations WHERE workspace_id = ? AND host = ?", [
    workspaceId,
    host,
  ]);

export async function countSipDestinations(tx: ReadTx, workspaceId: WorkspaceId): Promise<number> {
  const row = await tx.get<{ count: number }>(
    "SELECT COUNT(*) AS count FROM sip_destinations WHERE workspace_id = ?",
    [workspaceId],
  );
  return row?.count ?? 0;
}

export const sipDestinationOf = (tx: ReadTx, workspaceId: WorkspaceId, id: SipDestinationId) =>
  tx.get<SipDestinationRow>("SELECT * FROM sip_destinations WHERE workspace_id = ? AND id = ?", [
    workspaceId,
    id,
  ]);

export async function deleteSipDestination(tx: Tx, id: SipDestinationId): Promise<void> {
  await tx.run("DELETE FROM sip_destinations WHERE id = ?", [id]);
}
