import type { Tx } from "./store.ts";

/** From the edge to the box, and from there to the controller: milliseconds, unless somebody is away. */
export const ticketMs = 30_000;
/** A call that is refused is sent on to the next box, and its ticket is asked about again. */
const keptMs = 600_000;

export interface NewTicket {
  ticket: string;
  trunk: string;
  dialled: string;
  nowMs: number;
}

/** Those that are long over go with it. */
export async function issueTicket(tx: Tx, { ticket, trunk, dialled, nowMs }: NewTicket): Promise<void> {
  await tx.run("DELETE FROM edge_tickets WHERE expires_at_ms < ?", [nowMs - keptMs]);
  await tx.run(
    `INSERT INTO edge_tickets (ticket, trunk, dialled, created_at_ms, expires_at_ms) VALUES (?, ?, ?, ?, ?)`,
    [ticket, trunk, dialled, nowMs, nowMs + ticketMs],
  );
}

/** `again`: somebody came with it before. `cause`: why they were refused; null: they were taken in. */
export type TicketUse = { kind: "taken"; trunk: string } | { kind: "again"; cause: string | null } | null;

/** Takes a ticket, once; null: there is none like it for that number, or no more. */
export async function useTicket(
  tx: Tx,
  { ticket, dialled, nowMs }: { ticket: string; dialled: string; nowMs: number },
): Promise<TicketUse> {
  const { changes } = await tx.run(
    `UPDATE edge_tickets SET used_at_ms = ?
     WHERE ticket = ? AND dialled = ? AND expires_at_ms > ? AND used_at_ms IS NULL`,
    [nowMs, ticket, dialled, nowMs],
  );
  const row = await tx.get<{ trunk: string; usedAtMs: number | null; refusedCause: string | null }>(
    "SELECT trunk, used_at_ms, refused_cause FROM edge_tickets WHERE ticket = ? AND dialled = ?",
    [ticket, dialled],
  );
  if (row === undefined || row.usedAtMs === null) return null;
  return changes === 1 ? { kind: "taken", trunk: row.trunk } : { kind: "again", cause: row.refusedCause };
}

export async function noteTicketRefused(tx: Tx, ticket: string, cause: string): Promise<void> {
  await tx.run("UPDATE edge_tickets SET refused_cause = ? WHERE ticket = ?", [cause, ticket]);
}
