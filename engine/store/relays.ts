import type { LegId } from "../ids.ts";
import type { DeviceContact } from "../switch/switch.ts";
import { ticketMs } from "./edge-tickets.ts";
import type { Tx } from "./store.ts";

/** Longer than any call: how many of them a box has is counted by the legs that live. */
const keptMs = 24 * 3_600_000;

export interface RelayRow {
  ticket: string;
  legId: LegId;
  /** Where the device is. */
  box: string;
  contact: DeviceContact;
  encrypted: "only" | null;
  ringSeconds: number;
}

/** Those that are long over go with it. */
export async function issueRelay(tx: Tx, row: RelayRow, nowMs: number): Promise<void> {
  await tx.run("DELETE FROM relays WHERE created_at_ms < ?", [nowMs - keptMs]);
  await tx.run(
    `INSERT INTO relays (ticket, leg_id, box, contact, encrypted, ring_seconds, created_at_ms, expires_at_ms)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
    [
      ...[row.ticket, row.legId, row.box, row.contact, row.encrypted, row.ringSeconds],
      ...[nowMs, nowMs + ticketMs],
    ],
  );
}

export interface UsedRelay extends RelayRow {
  fromE164: string;
  traceId: string | null;
}

/** Takes it for the channel that came with it to that box, once; undefined: there is none, or no more, or nobody waits for its leg. */
export async function useRelay(
  tx: Tx,
  { ticket, box, channel, nowMs }: { ticket: string; box: string; channel: string; nowMs: number },
): Promise<UsedRelay | undefined> {
  // Told of twice it is the same channel's.
  const { changes } = await tx.run(
    `UPDATE relays SET channel_uuid = ? WHERE ticket = ? AND box = ? AND expires_at_ms > ?
       AND (channel_uuid IS NULL OR channel_uuid = ?)`,
    [channel, ticket, box, nowMs, channel],
  );
  if (changes !== 1) return undefined;
  return tx.get<UsedRelay>(
    `SELECT r.*, l.from_e164, c.trace_id FROM relays r JOIN legs l ON l.id = r.leg_id JOIN calls c ON c.id = l.call_id
     WHERE r.ticket = ? AND l.ended_at_us IS NULL`,
    [ticket],
  );
}
