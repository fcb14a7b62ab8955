import type { CallId, EventId, IntentId, IntentOwner, LegId, NumberId, SipId, WorkspaceId } from "../ids.ts";
import type { JsonObject } from "../json.ts";
import { insertRow, updateRow } from "./rows.ts";
import type { ReadTx, Tx } from "./store.ts";

export type LegStatus =
  "initiated" | "ringing" | "answered" | "completed" | "no_answer" | "busy" | "canceled" | "failed";

/** What audio lacked: nothing came from the party, or nothing was sent to it. */
export type OneWay = "not_heard" | "not_sent";

export interface CallRow {
  id: CallId;
  workspaceId: WorkspaceId;
  numberId: NumberId | null;
  /** Whose device placed it; null: it was placed otherwise, or came to us. */
  sipCredentialId: SipId | null;
  direction: "outbound" | "inbound";
  fromE164: string;
  toE164: string;
  country: string | null;
  status: LegStatus;
  voiceCallbackUrl: string | null;
  eventsUrl: string | null;
  clientRequestId: string | null;
  /** JSON text, as the three below; parsed by who needs it. */
  metadata: string | null;
  options: string;
  document: string | null;
  wakeAtMs: number | null;
  hangupRequestedAtMs: number | null;
  lastPosition: number;
  lastSequence: number;
  hangupCause: string | null;
  failureCode: string | null;
  createdAtMs: number;
  startedAtUs: number | null;
  answeredAtUs: number | null;
  endedAtUs: number | null;
  updatedAtMs: number;
  /** W3C Trace Context, with the one below; null: from before there were traces. */
  traceId: string | null;
  traceSampled: 0 | 1 | null;
}

export interface LegRow {
  id: LegId;
  callId: CallId;
  workspaceId: WorkspaceId;
  position: number;
  kind: "pstn" | "sip" | "browser";
  direction: "outbound" | "inbound";
  fromE164: string;
  toE164: string;
  /** Of whom it dials; null: nobody knows, or somebody called us. */
  country: string | null;
  status: LegStatus;
  box: string;
  channelUuid: string | null;
  dialledAtMs: number | null;
  rateMicroKesPerMinute: number;
  createdAtMs: number;
  startedAtUs: number | null;
  ringingAtUs: number | null;
  answeredAtUs: number | null;
  endedAtUs: number | null;
  bridgedTo: LegId | null;
  maxDurationSeconds: number;
  cutAfterSeconds: number;
  cutAtUs: number | null;
  cutGeneration: number;
  seenAtUs: number | null;
  hangupCause: string | null;
  q850: number | null;
  sipStatus: number | null;
  quality: string | null;
  /** RTP of the whole leg; null: it has not ended, or never had media. */
  packetsReceived: number | null;
  packetsSent: number | null;
  oneWay: OneWay | null;
  sipCallId: string | null;
  /** Of a live one: from what its end will be known, since the switch does not have it any more. */
  endedBy: string | null;
  billedSeconds: number | null;
  costMinor: number | null;
  /** Over which it is dialled now. */
  trunk: string | null;
  /** JSON of a `Dialling`: another trunk may take it, as long as it rings nowhere. */
  dialling: string | null;
}

export interface CallEventRow {
  id: EventId;
  callId: CallId;
  position: number;
  sequence: number | null;
  kind: string;
  payload: string;
  occurredAtMs: number;
  createdAtMs: number;
}

export interface IntentRow {
  id: IntentId;
  /** Or a room. */
  callId: IntentOwner;
  commands: string;
  atMostOnce: 0 | 1;
  sentAtMs: number | null;
  createdAtMs: number;
}

/** With whose call it is. */
export interface StoredIntent extends IntentRow {
  workspaceId: WorkspaceId;
}

export const insertCall = (tx: Tx, row: CallRow) => insertRow(tx, "calls", row);
export const insertLeg = (tx: Tx, row: LegRow) => insertRow(tx, "legs", row);
/** Behind all that the call has yet to do: also where a re-armed cut-off of its workspace takes the same place just now. */
export async function insertIntent(tx: Tx, row: IntentRow): Promise<void> {
  const { id, callId, commands, atMostOnce, sentAtMs, createdAtMs } = row;
  for (let inserted = 0; inserted === 0;) {
    const { changes } = await tx.run(
      `INSERT INTO intents (id, call_id, position, commands, at_most_once, sent_at_ms, created_at_ms)
       VALUES (?, ?, (SELECT COALESCE(MAX(position), 0) + 1 FROM intents WHERE call_id = ?), ?, ?, ?, ?)
       ON CONFLICT (call_id, position) DO NOTHING`,
      [id, callId, callId, commands, atMostOnce, sentAtMs, createdAtMs],
    );
    inserted = changes;
  }
}
export const updateCall = (tx: Tx, id: CallId, patch: Partial<CallRow>) =>
  updateRow(tx, "calls", ["id", id], patch);
export const updateLeg = (tx: Tx, id: LegId, patch: Partial<LegRow>) =>
  updateRow(tx, "legs", ["id", id], patch);

/** Two legs of a call change places; no two may have the same one, not even in between. */
export async function swapPlaces(tx: Tx, one: LegRow, other: LegRow): Promise<void> {
  await updateLeg(tx, one.id, { position: -1 });
  await updateLeg(tx, other.id, { position: one.position });
  await updateLeg(tx, one.id, { position: other.position });
}

export const callById = (tx: ReadTx, id: CallId) => tx.get<CallRow>("SELECT * FROM calls WHERE id = ?", [id]);

/** The row as it is now, and nobody else changes it or its legs while this transaction lasts. */
export const callToChange = (tx: Tx, id: CallId) =>
  tx.get<CallRow>("SELECT * FROM calls WHERE id = ? FOR NO KEY UPDATE", [id]);

/** The call only if it is that workspace's. */
export const callOfWorkspace = (tx: ReadTx, workspaceId: WorkspaceId, id: CallId) =>
  tx.get<CallRow>("SELECT * FROM calls WHERE id = ? AND workspace_id = ?", [id, workspaceId]);

/** The leg that has the call first, then those that rang with it, then those that the call dialled. */
export const legsOfCall = (tx: ReadTx, callId: CallId) =>
  tx.all<LegRow>("SELECT * FROM legs WHERE call_id = ? ORDER BY position", [callId]);

export const liveLegsOfStrays = (tx: ReadTx, strays: Strays) => {
  const { condition, params } = ofStrays(strays, "legs.box");
  return tx.all<LegRow>(
    `SELECT * FROM legs WHERE ${condition} AND ended_at_us IS NULL AND dialled_at_ms IS NOT NULL ORDER BY id`,
    params,
  );
};

export const markDialled = (tx: Tx, legs: readonly LegId[], nowMs: number) =>
  Promise.all(legs.map((id) => tx.run("UPDATE legs SET dialled_at_ms = ? WHERE id = ?", [nowMs, id])));

/** As if they had not been dialled. False, and nothing is changed, where one has begun, or is over. */
export async function unmarkDialled(tx: Tx, legs: readonly LegId[]): Promise<boolean> {
  for (const id of legs) {
    const row = await tx.get<Pick<LegRow, "startedAtUs" | "endedAtUs">>(
      "SELECT started_at_us, ended_at_us FROM legs WHERE id = ? FOR NO KEY UPDATE",
      [id],
    );
    if (row?.startedAtUs !== null || row.endedAtUs !== null) return false;
  }
  // Nor has it a place on a trunk.
  for (const id of legs)
    await tx.run("UPDATE legs SET dialled_at_ms = NULL, trunk = NULL, dialling = NULL WHERE id = ?", [id]);
  return true;
}

/** Proof that it lived at that moment, for the day when its end is never told. */
export const markSeen = (tx: Tx, box: string, leg: LegId, atUs: number) =>
  tx.run(
    `UPDATE legs SET seen_at_us = ?, ended_by = NULLIF(ended_by, 'end_record')
     WHERE id = ? AND box = ? AND ended_at_us IS NULL`,
    [atUs, leg, box],
  );

/**
 * The switch lives and has it no more, and so has written how it ended: from here on the box's life proves nothing of the leg's.
 * Kept with it, since the switch may die before the next controller comes.
 */
export const markGone = (tx: Tx, box: string, leg: LegId) =>
  tx.run(
    `UPDATE legs SET ended_by = 'end_record' WHERE id = ? AND box = ? AND ended_at_us IS NULL AND ended_by IS NULL
       AND started_at_us IS NOT NULL`,
    [leg, box],
  );

/** The same as `markSeen` for all of a box's live legs, never backwards: the box itself was alive then, and they with it. */
export const raiseSeen = (tx: Tx, box: string, atUs: number) =>
  tx.run(
    `UPDATE legs SET seen_at_us = ? WHERE box = ? AND ended_at_us IS NULL AND ended_by IS NULL
       AND (seen_at_us IS NULL OR seen_at_us < ?) AND (dialled_at_ms * 1000 < ? OR started_at_us < ?)`,
    [atUs, box, atUs, atUs, atUs],
  );

/**
 * The switch died that had them, and those only that were dialled before, by our clock, or by the switch's where ours was set back
 * since: kept with each, since the next controller sees no other core than this one saw.
 */
export const markLastProven = (
  tx: Tx,
  box: string,
  { dialledBeforeMs, nowMs }: { dialledBeforeMs: number; nowMs: number },
) =>
  tx.run(
    `UPDATE legs SET ended_by = 'last_proven' WHERE box = ? AND ended_at_us IS NULL AND ended_by IS NULL
       AND (dialled_at_ms <= ? OR dialled_at_ms > ? OR started_at_us <= ?)`,
    // What was dialled later than now was dialled before the clock was set back.
    [box, dialledBeforeMs, nowMs, dialledBeforeMs * 1000],
  );

/** What the switch calls the leg's channel: its id, unless it came to us or was dialled anew. */
export const channelOf = ({ id, channelUuid }: Pick<LegRow, "id" | "channelUuid">): string =>
  channelUuid ?? id;

export const legById = (tx: ReadTx, id: LegId) => tx.get<LegRow>("SELECT * FROM legs WHERE id = ?", [id]);

/** Which call a leg is part of; undefined: there is no such leg. */
export async function callOfLeg(tx: ReadTx, id: LegId): Promise<CallId | undefined> {
  const row = await tx.get<{ callId: CallId }>("SELECT call_id FROM legs WHERE id = ?", [id]);
  return row?.callId;
}

export const legOfChannel = (tx: ReadTx, channelUuid: string) =>
  tx.get<LegRow>("SELECT * FROM legs WHERE channel_uuid = ?", [channelUuid]);

/** What the switch calls the live legs that came to it. */
export const channelsOfBox = (tx: ReadTx, box: string) =>
  tx.all<{ id: LegId; channelUuid: string }>(
    "SELECT id, channel_uuid FROM legs WHERE box = ? AND ended_at_us IS NULL AND channel_uuid IS NOT NULL",
    [box],
  );

export async function legHasEnded(tx: ReadTx, id: LegId): Promise<boolean> {
  const row = await tx.get("SELECT 1 AS ended FROM legs WHERE id = ? AND ended_at_us IS NOT NULL", [id]);
  return row !== undefined;
}

/** What a command needs to know of a leg. */
export type LegPlace = Pick<LegRow, "id" | "box" | "endedAtUs">;

export const legPlaces = (tx: ReadTx, callId: IntentOwner) =>
  tx.all<LegPlace>("SELECT id, box, ended_at_us FROM legs WHERE call_id = ?", [callId]);

/** The leg that the call's document speaks to. */
export const firstLegPlace = (tx: ReadTx, callId: CallId) =>
  tx.get<LegPlace>("SELECT id, box, ended_at_us FROM legs WHERE call_id = ? ORDER BY position LIMIT 1", [
    callId,
  ]);

/** An answered leg that has not ended, as far as its cut-off goes. */
export type TalkingLeg = Pick<
  LegRow,
  | "id"
  | "callId"
  | "rateMicroKesPerMinute"
  | "maxDurationSeconds"
  | "cutAfterSeconds"
  | "cutAtUs"
  | "cutGeneration"
> & { answeredAtUs: number };

const talkingLegs = `SELECT id, call_id, rate_micro_kes_per_minute, max_duration_seconds, cut_after_seconds, cut_at_us,
  cut_generation, answered_at_us FROM legs
  WHERE workspace_id = ? AND ended_at_us IS NULL AND answered_at_us IS NOT NULL`;

/** Of a whole workspace: what its money is spent on just now. */
export const talkingLegsOf = (tx: ReadTx, workspaceId: WorkspaceId) =>
  tx.all<TalkingLeg>(`${talkingLegs} ORDER BY id`, [workspaceId]);

/** Those that are, or may be, armed to end before their own longest time. */
export const talkingLegsCutShort = (tx: ReadTx, workspaceId: WorkspaceId) =>
  tx.all<TalkingLeg>(
    `${talkingLegs} AND (cut_at_us IS NOT NULL OR cut_after_seconds <> max_duration_seconds) ORDER BY id`,
    [workspaceId],
  );

/** Workspaces with a leg that talks. */
export const talkingWorkspaces = (tx: ReadTx) =>
  tx.all<{ workspaceId: WorkspaceId }>(
    "SELECT DISTINCT workspace_id FROM legs WHERE ended_at_us IS NULL AND answered_at_us IS NOT NULL",
  );

/** Legs that the box was told to dial and whose end is not stored. */
export const liveLegsOfBox = (tx: ReadTx, box: string) =>
  tx.all<LegRow>(
    "SELECT * FROM legs WHERE box = ? AND ended_at_us IS NULL AND dialled_at_ms IS NOT NULL ORDER BY id",
    [box],
  );

/** For the metrics: what is under way, over all workspaces. */
export async function countLive(tx: ReadTx): Promise<{ calls: number; legs: number; deliveries: number }> {
  const row = await tx.get<{ calls: number; legs: number; deliveries: number }>(
    `SELECT (SELECT COUNT(*) FROM calls WHERE ended_at_us IS NULL) AS calls,
       (SELECT COUNT(*) FROM legs WHERE ended_at_us IS NULL) AS legs,
       (SELECT COUNT(*) FROM deliveries WHERE next_attempt_at_ms IS NOT NULL) AS deliveries`,
  );
  return row ?? { calls: 0, legs: 0, deliveries: 0 };
}

/** Legs that ended since then with audio one way, or none. */
export async function countOneWay(tx: ReadTx, sinceUs: number): Promise<number> {
  const row = await tx.get<{ legs: number }>(
    "SELECT COUNT(*) AS legs FROM legs WHERE one_way IS NOT NULL AND ended_at_us >= ?",
    [sinceUs],
  );
  return row?.legs ?? 0;
}

/** How many legs live on each box that has any, with those of other boxes that a device of its own is in. */
export async function liveLegsByBox(tx: ReadTx): Promise<Map<string, number>> {
  const rows = await tx.all<{ box: string; legs: number }>(
    `SELECT box, CAST(SUM(legs) AS BIGINT) AS legs FROM (
       SELECT box, COUNT(*) AS legs FROM legs WHERE ended_at_us IS NULL GROUP BY box
       UNION ALL
       SELECT r.box, COUNT(*) FROM legs l CROSS JOIN relays r
         WHERE r.leg_id = l.id AND l.ended_at_us IS NULL AND r.channel_uuid IS NOT NULL GROUP BY r.box) counted GROUP BY box`,
  );
  return new Map(rows.map(({ box, legs }) => [box, legs]));
}

/** Calls that nobody has asked to end. */
export const callsToHangUp = (tx: ReadTx, workspaceId: WorkspaceId, limit: number) =>
  tx.all<{ id: CallId }>(
    `SELECT id FROM calls WHERE workspace_id = ? AND ended_at_us IS NULL AND hangup_requested_at_ms IS NULL
     ORDER BY id LIMIT ?`,
    [workspaceId, limit],
  );

export async function countLiveCalls(tx: ReadTx, workspaceId: WorkspaceId): Promise<number> {
  const row = await tx.get<{ live: number }>(
    "SELECT COUNT(*) AS live FROM calls WHERE workspace_id = ? AND ended_at_us IS NULL",
    [workspaceId],
  );
  return row?.live ?? 0;
}

export const insertCallEvent = (tx: Tx, row: CallEventRow & { workspaceId: WorkspaceId }) =>
  insertRow(tx, "call_events", row);

const eventColumns = "id, call_id, position, sequence, kind, payload, occurred_at_ms, created_at_ms";

/** All that there are: thousands of a call that was directed for hours. */
export const eventsOfCall = (tx: ReadTx, callId: CallId) =>
  tx.all<CallEventRow>(`SELECT ${eventColumns} FROM call_events WHERE call_id = ? ORDER BY position`, [
    callId,
  ]);

/** So many at most, oldest first, behind one of them; none behind another call's. */
export const eventsPage = (tx: ReadTx, callId: CallId, limit: number, after: EventId | null) =>
  tx.all<CallEventRow>(
    `SELECT ${eventColumns} FROM call_events WHERE call_id = ?
       ${after === null ? "" : "AND position > (SELECT position FROM call_events WHERE id = ? AND call_id = ?)"}
     ORDER BY position LIMIT ?`,
    [callId, ...(after === null ? [] : [after, callId]), limit],
  );

export const callEventById = (tx: ReadTx, id: EventId) =>
  tx.get<CallEventRow>(`SELECT ${eventColumns} FROM call_events WHERE id = ?`, [id]);

export async function wakeAtMs(tx: ReadTx, id: IntentOwner, scope: BoxScope): Promise<number | null> {
  const { condition, params } = withinScope(scope, "l.box");
  const row = await tx.get<{ wakeAtMs: number | null }>(
    `SELECT c.wake_at_ms FROM calls c JOIN legs l ON l.call_id = c.id AND l.position = 0 WHERE c.id = ? AND ${condition}`,
    [id, ...params],
  );
  return row?.wakeAtMs ?? null;
}

export const intentsOfCall = (tx: ReadTx, owner: IntentOwner) =>
  tx.all<StoredIntent>(
    `SELECT i.*, COALESCE(c.workspace_id, r.workspace_id) AS workspace_id FROM intents i
     LEFT JOIN calls c ON c.id = i.call_id LEFT JOIN conferences r ON r.id = i.call_id
     WHERE i.call_id = ? ORDER BY i.position`,
    [owner],
  );

/** Boxes that are nobody's: none of these, and none that somebody leads, or led a moment ago. */
export interface Strays {
  configured: readonly string[];
  /** Names of leases that nobody has had for long. A box without a lease was never led. */
  leaderless: readonly string[];
}

/** Whose calls and rooms: those of the box, or of strays (null: none are known yet). A call is its first leg's box's. */
export type BoxScope = { box: string } | { readonly strays: Strays | null };

/** `box` is a column. */
function withinScope(scope: BoxScope, box: string): { condition: string; params: string[] } {
  if ("box" in scope) return { condition: `${box} = ?`, params: [scope.box] };
  return scope.strays === null ? { condition: "1 = 0", params: [] } : ofStrays(scope.strays, box);
}

/** `box` is a column. */
export function ofStrays(
  { configured, leaderless }: Strays,
  box: string,
): { condition: string; params: string[] } {
  return {
    condition: `NOT ${among(box, configured)} AND NOT EXISTS (SELECT 1 FROM leases WHERE leases.name = ${box}
      AND (leases.holder IS NOT NULL OR NOT ${among("leases.name", leaderless)}))`,
    params: [...configured, ...leaderless],
  };
}

/** PostgreSQL knows no empty list. */
const among = (column: string, names: readonly string[]): string =>
  names.length === 0 ? "(1 = 0)" : `(${column} IN (${names.map(() => "?").join(", ")}))`;

export const callsWithIntents = (tx: ReadTx, scope: BoxScope) => {
  const { condition, params } = withinScope(scope, "COALESCE(l.box, r.box)");
  return tx.all<{ callId: IntentOwner }>(
    `SELECT DISTINCT i.call_id FROM intents i LEFT JOIN legs l ON l.call_id = i.call_id AND l.position = 0
     LEFT JOIN conferences r ON r.id = i.call_id WHERE ${condition} ORDER BY i.call_id`,
    params,
  );
};

/** Where it is carried out: for good, since a call stays on the box that it began on. */
export async function boxOfOwner(tx: ReadTx, owner: IntentOwner): Promise<string | null> {
  const row = await tx.get<{ box: string }>(
    `SELECT box FROM legs WHERE call_id = ? AND position = 0 UNION ALL SELECT box FROM conferences WHERE id = ?`,
    [owner, owner],
  );
  return row?.box ?? null;
}

/** Whether that is so of a call, or a room; false of one that is not there. */
export async function isWithin(tx: ReadTx, owner: IntentOwner, scope: BoxScope): Promise<boolean> {
  const { condition, params } = withinScope(scope, "b.box");
  const row = await tx.get(
    `SELECT 1 AS within FROM (SELECT box FROM legs WHERE call_id = ? AND position = 0
       UNION ALL SELECT box FROM conferences WHERE id = ?) b WHERE ${condition}`,
    [owner, owner, ...params],
  );
  return row !== undefined;
}

/** False: it was marked, or withdrawn, before; then it must not be sent. */
export async function markIntentSent(tx: Tx, id: IntentId, nowMs: number): Promise<boolean> {
  const { changes } = await tx.run("UPDATE intents SET sent_at_ms = ? WHERE id = ? AND sent_at_ms IS NULL", [
    nowMs,
    id,
  ]);
  return changes === 1;
}

export const markIntentUnsent = (tx: Tx, id: IntentId) =>
  tx.run("UPDATE intents SET sent_at_ms = NULL WHERE id = ?", [id]);

export const deleteIntent = (tx: Tx, id: IntentId) => tx.run("DELETE FROM intents WHERE id = ?", [id]);

/** Takes back what was not sent yet; the rows taken back. */
export const withdrawUnsentIntents = (tx: Tx, callId: CallId) =>
  tx.all<IntentRow>(
    "DELETE FROM intents WHERE call_id = ? AND at_most_once = 1 AND sent_at_ms IS NULL RETURNING *",
    [callId],
  );

export const callsToWake = (tx: ReadTx, beforeMs: number, scope: BoxScope) => {
  const { condition, params } = withinScope(scope, "l.box");
  return tx.all<{ id: CallId; wakeAtMs: number }>(
    `SELECT c.id, c.wake_at_ms FROM calls c JOIN legs l ON l.call_id = c.id AND l.position = 0
     WHERE c.wake_at_ms IS NOT NULL AND c.wake_at_ms <= ? AND ${condition} ORDER BY c.wake_at_ms LIMIT 1000`,
    [beforeMs, ...params],
  );
};

export interface BoxRow {
  name: string;
  coreUuid: string | null;
  version: string | null;
  aliveAtUs: number | null;
}

export const boxByName = (tx: ReadTx, name: string) =>
  tx.get<BoxRow>("SELECT * FROM boxes WHERE name = ?", [name]);

export const saveBox = (tx: Tx, row: BoxRow) =>
  tx.run(
    `INSERT INTO boxes (name, core_uuid, version, alive_at_us) VALUES (?, ?, ?, ?)
     ON CONFLICT (name) DO UPDATE SET core_uuid = excluded.core_uuid, version = excluded.version, alive_at_us = excluded.alive_at_us`,
    [row.name, row.coreUuid, row.version, row.aliveAtUs],
  );

/** Nothing where another core is stored: what lived on that one is not proven by this one's life. */
export const saveBoxAlive = (tx: Tx, name: string, coreUuid: string, aliveAtUs: number) =>
  tx.run("UPDATE boxes SET alive_at_us = ? WHERE name = ? AND core_uuid = ?", [aliveAtUs, name, coreUuid]);

export const parseObject = (text: string): JsonObject => JSON.parse(text) as JsonObject;
