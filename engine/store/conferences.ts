import type { CallId, ConferenceId, LegId, RecordingId, WorkspaceId } from "../ids.ts";
import { insertRow, updateRow } from "./rows.ts";
import type { ReadTx, Tx } from "./store.ts";

export interface ConferenceRow {
  id: ConferenceId;
  workspaceId: WorkspaceId;
  name: string;
  box: string;
  maxParticipants: number;
  locked: 0 | 1;
  music: string | null;
  createdAtMs: number;
  startedAtMs: number | null;
  /** By the switch's stamps or `steadyMs`, against which it is held. */
  endedAtMs: number | null;
}

export type LeaveReason = "kicked" | "ended" | "directed";

export interface MemberRow {
  token: string;
  conferenceId: ConferenceId;
  callId: CallId;
  legId: LegId;
  status: "entering" | "inside" | "left";
  startOnEnter: 0 | 1;
  endOnExit: 0 | 1;
  muted: 0 | 1;
  held: 0 | 1;
  leaving: LeaveReason | null;
  recordingId: RecordingId | null;
  statusUrl: string | null;
  statusEvents: string | null;
  toldStarted: 0 | 1;
  /** By `steadyMs`. */
  createdAtMs: number;
  joinedAtUs: number | null;
  leftAtUs: number | null;
}

/** The live room of that name, kept for this transaction: who enters or leaves is counted under it. */
export const keepLiveRoom = (tx: Tx, workspaceId: WorkspaceId, name: string) =>
  tx.get<ConferenceRow>(
    "SELECT * FROM conferences WHERE workspace_id = ? AND name = ? AND ended_at_ms IS NULL FOR NO KEY UPDATE",
    [workspaceId, name],
  );

/** A room, live or not, kept likewise. After the call, where both are. */
export const keepRoom = (tx: Tx, id: ConferenceId) =>
  tx.get<ConferenceRow>("SELECT * FROM conferences WHERE id = ? FOR NO KEY UPDATE", [id]);

export const roomById = (tx: ReadTx, id: ConferenceId) =>
  tx.get<ConferenceRow>("SELECT * FROM conferences WHERE id = ?", [id]);

export const liveRoom = (tx: ReadTx, workspaceId: WorkspaceId, name: string) =>
  tx.get<ConferenceRow>(
    "SELECT * FROM conferences WHERE workspace_id = ? AND name = ? AND ended_at_ms IS NULL",
    [workspaceId, name],
  );

/** Newest first, those older than `before`. */
export const liveRoomsOf = (
  tx: ReadTx,
  workspaceId: WorkspaceId,
  { limit, before }: { limit: number; before: ConferenceId | null },
) =>
  tx.all<ConferenceRow>(
    `SELECT * FROM conferences WHERE workspace_id = ? AND ended_at_ms IS NULL ${before === null ? "" : "AND id < ?"}
     ORDER BY id DESC LIMIT ?`,
    [workspaceId, ...(before === null ? [] : [before]), limit],
  );

export const liveRoomsOfBox = (tx: ReadTx, box: string) =>
  tx.all<ConferenceRow>("SELECT * FROM conferences WHERE ended_at_ms IS NULL AND box = ? ORDER BY id", [box]);

/** Those that have ended, and somebody is in them yet. */
export const endingRoomsOfBox = (tx: ReadTx, box: string) =>
  tx.all<ConferenceRow>(
    `SELECT * FROM conferences WHERE ended_at_ms IS NOT NULL AND box = ? AND id IN
       (SELECT conference_id FROM conference_members WHERE left_at_us IS NULL) ORDER BY id`,
    [box],
  );

/** False: there is one of that name. */
export const insertRoom = (tx: Tx, row: ConferenceRow): Promise<boolean> =>
  insertRow(tx, "conferences", row, "ON CONFLICT DO NOTHING");

export const lockRoom = (tx: Tx, id: ConferenceId, locked: boolean) =>
  tx.run("UPDATE conferences SET locked = ? WHERE id = ?", [locked ? 1 : 0, id]);
export const startRoom = (tx: Tx, id: ConferenceId, atMs: number | null) =>
  tx.run("UPDATE conferences SET started_at_ms = ? WHERE id = ?", [atMs, id]);
export const endRoom = (tx: Tx, id: ConferenceId, atMs: number) =>
  tx.run("UPDATE conferences SET ended_at_ms = ? WHERE id = ? AND ended_at_ms IS NULL", [atMs, id]);
export const setMusic = (tx: Tx, id: ConferenceId, music: string) =>
  tx.run("UPDATE conferences SET music = ? WHERE id = ?", [music, id]);

export const insertMember = (tx: Tx, row: MemberRow) => insertRow(tx, "conference_members", row);

export const updateMember = (tx: Tx, token: string, patch: Partial<MemberRow>) =>
  updateRow(tx, "conference_members", ["token", token], patch);

/** Those who are in a room, or on their way there, in the order in which they came. */
export const presentMembers = (tx: ReadTx, room: ConferenceId) =>
  tx.all<MemberRow>(
    "SELECT * FROM conference_members WHERE conference_id = ? AND left_at_us IS NULL ORDER BY created_at_ms, token",
    [room],
  );

/** Wherever that leg is a member, or is about to be. */
export const memberships = (tx: ReadTx, leg: LegId) =>
  tx.all<MemberRow>(
    "SELECT * FROM conference_members WHERE leg_id = ? AND left_at_us IS NULL ORDER BY created_at_ms DESC, token",
    [leg],
  );

/** Undefined: it is not on its way into the room, or no longer. */
export const entering = (tx: ReadTx, token: string) =>
  tx.get<MemberRow>("SELECT * FROM conference_members WHERE token = ? AND status = 'entering'", [token]);

/** The rooms, over or not, that somebody was sent into before that who has not been seen inside yet. */
export const roomsBeingEntered = (tx: ReadTx, beforeMs: number) =>
  tx.all<ConferenceRow>(
    `SELECT * FROM conferences WHERE id IN (SELECT conference_id FROM conference_members
       WHERE left_at_us IS NULL AND status = 'entering' AND created_at_ms < ?) ORDER BY id`,
    [beforeMs],
  );

/** All who are there leave for that reason, unless there is another one already. */
export const markLeaving = (tx: Tx, room: ConferenceId, reason: LeaveReason) =>
  tx.run(
    "UPDATE conference_members SET leaving = ? WHERE conference_id = ? AND left_at_us IS NULL AND leaving IS NULL",
    [reason, room],
  );
