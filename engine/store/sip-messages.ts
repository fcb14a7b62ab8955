import type { CallId, LegId, SipMessageId, WorkspaceId } from "../ids.ts";
import type { ReadTx, Tx } from "./store.ts";

export interface SipMessageRow {
  id: SipMessageId;
  workspaceId: WorkspaceId;
  callId: CallId;
  legId: LegId;
  /** By the media server's clock. */
  atUs: number;
  direction: "sent" | "received";
  transport: string;
  method: string;
  summary: string;
  /** Masked. */
  message: string;
  createdAtMs: number;
}

/** A leg, as its SIP's trace needs it. */
export interface TracedLeg {
  id: LegId;
  direction: "outbound" | "inbound";
  sipCallId: string;
}

/**
 * Whose those dialogs are: of legs that live, or ended after then, and of attempts of theirs that failed. The older one's where a call came back to us by its own
 * Call-ID; nobody's where that is another workspace's, for whoever calls may choose theirs.
 */
export async function legsOfDialogs(
  tx: ReadTx,
  sipCallIds: readonly string[],
  endedSinceUs: number,
): Promise<TracedLeg[]> {
  const those = sipCallIds.map(() => "?").join(", ");
  const rows = await tx.all<TracedLeg & { workspaceId: WorkspaceId; endedAtUs: number | null }>(
    `SELECT id, direction, sip_call_id, workspace_id, ended_at_us FROM legs
     WHERE sip_call_id IN (${those}) AND (ended_at_us IS NULL OR ended_at_us > CAST(? AS BIGINT))
     UNION
     SELECT l.id, l.direction, a.sip_call_id, l.workspace_id, l.ended_at_us FROM leg_attempts a JOIN legs l ON l.id = a.leg_id
     WHERE a.sip_call_id IN (${those}) AND (l.ended_at_us IS NULL OR l.ended_at_us > CAST(? AS BIGINT))
     ORDER BY id`,
    [...sipCallIds, endedSinceUs, ...sipCallIds, endedSinceUs],
  );
  return [...Map.groupBy(rows, ({ sipCallId }) => sipCallId).values()].flatMap((legs) => {
    const workspaces = new Set(legs.map(({ workspaceId }) => workspaceId));
    const found = legs.find(({ endedAtUs }) => endedAtUs === null) ?? legs[0];
    if (workspaces.size > 1 || found === undefined) return [];
    const { id, direction, sipCallId } = found;
    return [{ id, direction, sipCallId }];
  });
}

export interface KeptMax {
  perLeg: number;
  perCall: number;
  /** Of a leg that ended before then nothing is kept any more. */
  endedSinceUs: number;
}

/**
 * Keeps it, unless the leg is that dialog's no more, and none of its attempts is (it was erased, or is another's as well), or it
 * has so many already.
 */
export async function insertSipMessage(
  tx: Tx,
  leg: TracedLeg,
  row: Omit<SipMessageRow, "workspaceId" | "callId" | "legId">,
  max: KeptMax,
): Promise<boolean> {
  const { changes } = await tx.run(
    `INSERT INTO sip_messages (id, workspace_id, call_id, leg_id, at_us, direction, transport, method, summary, message,
       created_at_ms)
     SELECT ?, l.workspace_id, l.call_id, l.id, CAST(? AS BIGINT), ?, ?, ?, ?, ?, CAST(? AS BIGINT) FROM legs l
     WHERE l.id = ? AND (l.sip_call_id = ?
         OR EXISTS (SELECT 1 FROM leg_attempts a WHERE a.leg_id = l.id AND a.sip_call_id = ?))
       AND (l.ended_at_us IS NULL OR l.ended_at_us > CAST(? AS BIGINT))
       AND NOT EXISTS (SELECT 1 FROM legs o WHERE o.sip_call_id = ? AND o.workspace_id <> l.workspace_id
         AND (o.ended_at_us IS NULL OR o.ended_at_us > CAST(? AS BIGINT)))
       AND NOT EXISTS (SELECT 1 FROM leg_attempts a JOIN legs o ON o.id = a.leg_id
         WHERE a.sip_call_id = ? AND o.workspace_id <> l.workspace_id
         AND (o.ended_at_us IS NULL OR o.ended_at_us > CAST(? AS BIGINT)))
       AND (SELECT COUNT(*) FROM sip_messages m WHERE m.leg_id = l.id) < ?
       AND (SELECT COUNT(*) FROM sip_messages m WHERE m.call_id = l.call_id) < ?`,
    [
      ...[row.id, row.atUs, row.direction, row.transport, row.method, row.summary, row.message],
      ...[row.createdAtMs, leg.id, leg.sipCallId, leg.sipCallId, max.endedSinceUs],
      ...[leg.sipCallId, max.endedSinceUs, leg.sipCallId, max.endedSinceUs],
      ...[max.perLeg, max.perCall],
    ],
  );
  return changes === 1;
}

/** So many at most in the order in which they went over the wire, after one of them; none where that is not kept any more. */
export const sipMessagesOfCall = (
  tx: ReadTx,
  callId: CallId,
  limit: number,
  after: SipMessageId | null,
): Promise<SipMessageRow[]> =>
  after === null
    ? tx.all("SELECT * FROM sip_messages WHERE call_id = ? ORDER BY at_us, id LIMIT ?", [callId, limit])
    : tx.all(
        `SELECT * FROM sip_messages WHERE call_id = ?
           AND (at_us, id) > (SELECT at_us, id FROM sip_messages WHERE id = ? AND call_id = ?)
         ORDER BY at_us, id LIMIT ?`,
        [callId, after, callId, limit],
      );

/** The oldest of those that were kept before then, so many at most; answers how many went. */
export async function deleteSipMessages(tx: Tx, beforeMs: number, limit: number): Promise<number> {
  const { changes } = await tx.run(
    `DELETE FROM sip_messages WHERE id IN
       (SELECT id FROM sip_messages WHERE created_at_ms < ? ORDER BY created_at_ms LIMIT ?)`,
    [beforeMs, limit],
  );
  return changes;
}

/** Of the last legs that came to a dialog and are over, how many there are and how many have a trace. */
export async function lastTraced(tx: ReadTx, limit: number): Promise<{ legs: number; traced: number }> {
  const row = await tx.get<{ legs: number; traced: number }>(
    `SELECT COUNT(*) AS legs, COALESCE(SUM(has), 0) AS traced FROM
       (SELECT CASE WHEN EXISTS (SELECT 1 FROM sip_messages m WHERE m.leg_id = l.id) THEN 1 ELSE 0 END AS has
        FROM legs l WHERE l.sip_call_id IS NOT NULL AND l.ended_at_us IS NOT NULL ORDER BY l.id DESC LIMIT ?) AS latest`,
    [limit],
  );
  return { legs: row?.legs ?? 0, traced: row?.traced ?? 0 };
}
