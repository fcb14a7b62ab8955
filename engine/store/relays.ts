import type { CallId, LegId } from "../ids.ts";
import { ticketMs } from "./edge-tickets.ts";
import type { ReadTx, Tx } from "./store.ts";

/** Longer than any call. */
const keptMs = 24 * 3_600_000;

export interface RelayRow {
  ticket: string;
  legId: LegId;
  /** Where the device is. */
  box: string;
  /** How that box dials it. */
  contact: string;
  encrypted: "only" | null;
  ringSeconds: number;
}

export const issueRelay = (tx: Tx, row: RelayRow, nowMs: number) =>
  tx.run(
    `INSERT INTO relays (ticket, leg_id, box, contact, encrypted, ring_seconds, created_at_ms, expires_at_ms)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
    [
      ...[row.ticket, row.legId, row.box, row.contact, row.encrypted, row.ringSeconds],
      ...[nowMs, nowMs + ticketMs],
    ],
  );

export interface UsedRelay extends RelayRow {
  fromE164: string;
  traceId: string | null;
}

/** `again`: for a channel that it was taken for before. Undefined: there is none, or no more, or nobody waits for its leg. */
export async function useRelay(
  tx: Tx,
  { ticket, box, channel, nowMs }: { ticket: string; box: string; channel: string; nowMs: number },
): Promise<UsedRelay | "again" | undefined> {
  const { changes } = await tx.run(
    "UPDATE relays SET channel_uuid = ? WHERE ticket = ? AND box = ? AND expires_at_ms > ? AND channel_uuid IS NULL",
    [channel, ticket, box, nowMs],
  );
  const row = await tx.get<UsedRelay & { channelUuid: string | null }>(
    `SELECT r.*, l.from_e164, c.trace_id FROM relays r JOIN legs l ON l.id = r.leg_id JOIN calls c ON c.id = l.call_id
     WHERE r.ticket = ? AND r.box = ? AND l.ended_at_us IS NULL`,
    [ticket, box],
  );
  if (row?.channelUuid !== channel) return undefined;
  return changes === 1 ? row : "again";
}

/** Tickets that nobody came with: their leg was not dialled after all. */
export const withdrawRelays = (tx: Tx, leg: LegId) =>
  tx.run("DELETE FROM relays WHERE leg_id = ? AND channel_uuid IS NULL", [leg]);

/** Legs of other boxes that live, and that a channel at this one stands for. */
export const liveRelaysAt = (tx: ReadTx, box: string) =>
  tx.all<{ legId: LegId; callId: CallId; channelUuid: string }>(
    `SELECT r.leg_id, l.call_id, r.channel_uuid FROM legs l CROSS JOIN relays r
     WHERE r.leg_id = l.id AND l.ended_at_us IS NULL AND r.box = ? AND r.channel_uuid IS NOT NULL`,
    [box],
  );

/** Of legs that are long over. */
export const sweepRelays = (tx: Tx, nowMs: number) =>
  tx.run("DELETE FROM relays WHERE created_at_ms < ?", [nowMs - keptMs]);
