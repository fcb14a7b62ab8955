import type { RoomRefusal, StatusTarget, StepFact } from "../actions/verb.ts";
import { steadyUs } from "../clock.ts";
import type { ConferenceId } from "../ids.ts";
import type { JsonObject } from "../json.ts";
import type { LegRow } from "../store/calls.ts";
import * as conferences from "../store/conferences.ts";
import type { ConferenceRow, MemberRow } from "../store/conferences.ts";
import * as recordings from "../store/recordings.ts";
import type { SwitchEvent } from "../switch/switch.ts";
import type { CallChange } from "./call-change.ts";
import type { RoomRequest } from "./command.ts";
import { newRecording, stopRecording } from "./dialing.ts";

/**
 * A call's part in a room. Each of these is work on one call, under its row; then the room's row is kept, and no other
 * call's: what the other members are to be told is done afterwards, in a transaction each (rooms.ts).
 */

/** How long the waiting leg outlives a controller that does not come back to direct it. */
const idleSecondsMax = 30;

/** Makes the call's first leg a member of the room of that name, which is opened for it unless it is there. */
export async function enterRoom(change: CallChange, request: RoomRequest): Promise<StepFact> {
  const { tx, call, firstLeg: leg, parts } = change;
  // Of a room that it was taken out of, and the switch never said so.
  await leaveAll(change, leg, (member) => member.leaving ?? "left", steadyUs(change.parts.clock));
  const room = await openRoom(change, request);
  const reason = await refusal(change, room);
  if (reason !== null) return { kind: "roomRefused", reason };
  const recording = await recordingFor(change, leg, request.record);
  await conferences.insertMember(tx, {
    ...{ token: request.token, conferenceId: room.id, callId: call.id, legId: leg.id, status: "entering" },
    startOnEnter: request.startOnEnter ? 1 : 0,
    endOnExit: request.endOnExit ? 1 : 0,
    muted: request.muted ? 1 : 0,
    ...{ held: 0, leaving: null, recordingId: recording, toldStarted: 0 },
    statusUrl: request.statusUrl,
    statusEvents: request.statusEvents && JSON.stringify(request.statusEvents),
    ...{ createdAtMs: parts.clock.steadyMs(), joinedAtUs: null, leftAtUs: null },
  });
  if (recording !== null) change.intend({ kind: "startRecording", leg: leg.id, recording });
  change.intend({
    ...{ kind: "enterRoom", leg: leg.id, room: room.id, token: request.token },
    how: {
      starts: request.startOnEnter,
      ends: request.endOnExit,
      muted: request.muted,
      beep: request.beep,
      then: request.stays ? { kind: "park", idleSeconds: idleSecondsMax } : { kind: "end" },
    },
  });
  return { kind: "roomJoined", room: room.id };
}

async function openRoom(change: CallChange, request: RoomRequest): Promise<ConferenceRow> {
  const { tx, call, firstLeg, nowMs, parts } = change;
  for (;;) {
    const there = await conferences.keepLiveRoom(tx, call.workspaceId, request.name);
    if (there) return there;
    const room: ConferenceRow = {
      ...{ id: parts.ids.next("conf"), workspaceId: call.workspaceId, name: request.name, box: firstLeg.box },
      ...{ maxParticipants: request.maxParticipants, locked: 0, music: null },
      ...{ createdAtMs: nowMs, startedAtMs: null, endedAtMs: null },
    };
    // Another call may open it in the same moment: then it is that one.
    if (await conferences.insertRoom(tx, room)) return room;
  }
}

async function refusal({ tx, firstLeg }: CallChange, room: ConferenceRow): Promise<RoomRefusal | null> {
  if (room.box !== firstLeg.box) return "other_box";
  if (room.locked === 1) return "locked";
  const { length } = await conferences.presentMembers(tx, room.id);
  return length >= room.maxParticipants ? "full" : null;
}

/** A leg is in one recording at a time; one that is stopping is stopped before the next begins. */
async function recordingFor(change: CallChange, leg: LegRow, wanted: boolean) {
  if (!wanted) return null;
  const rows = await recordings.byLeg(change.tx, leg.id);
  const runs = rows.some(({ status }) => ["starting", "recording", "paused"].includes(status));
  return runs ? null : newRecording(change, leg);
}

/** The running step wants its leg out of the room. `failed`: the switch never had it inside. */
export async function leaveRoom(
  change: CallChange,
  roomId: ConferenceId,
  reason: "directed" | "failed",
): Promise<void> {
  const { tx, firstLeg: leg } = change;
  const found = await membership(change, leg, roomId);
  if (!found) return;
  const { room, member } = found;
  change.intend({ kind: "leaveRoom", leg: leg.id });
  if (reason === "failed") await left(change, leg, room, member, "failed", steadyUs(change.parts.clock));
  else if (member.leaving === null) await conferences.updateMember(tx, member.token, { leaving: reason });
}

/** A file of ours takes the place of what those who wait in the room hear. */
export async function setRoomMusic(change: CallChange, room: ConferenceId, file: string): Promise<void> {
  await conferences.setMusic(change.tx, room, file);
  change.intend({ kind: "setRoomMusic", leg: change.firstLeg.id, room, file });
}

type Left = Extract<SwitchEvent, { kind: "roomLeft" }>;
type Inside = Exclude<Extract<SwitchEvent, { room: ConferenceId }>, Left>;
type RoomNews = Left | Inside;

/** What the switch says of a member. Undefined: it is known already, or nobody's business. */
export async function takeRoomNews(
  change: CallChange,
  leg: LegRow,
  news: RoomNews,
): Promise<StepFact | undefined> {
  const found = await membership(change, leg, news.room);
  if (!found) return undefined;
  const { room, member } = found;
  switch (news.kind) {
    case "roomEntered":
      return entered(change, leg, room, member, news);
    case "memberChanged":
      await stateChanged(change, leg, room, member, news);
      return undefined;
    case "roomLeft": {
      const { hungUp } = news;
      // Of a stay before this one, or read from a list that is older than its entry.
      if (member.status === "entering" || (member.joinedAtUs ?? 0) > news.atUs) return undefined;
      await left(change, leg, room, member, hungUp ? "hung_up" : null, news.atUs);
      if (!hungUp) change.intend({ kind: "keepParked", leg: leg.id });
      return { kind: "roomLeft", room: room.id, leg: leg.id, hungUp };
    }
  }
}

/** That it is not in a room which it was on its way to. Undefined: it is known already, or the step waits for it yet. */
export async function missedRoom(
  change: CallChange,
  leg: LegRow,
  { room: id, token, atUs }: { room: ConferenceId; token: string; atUs: number },
): Promise<StepFact | undefined> {
  const found = await membership(change, leg, id);
  if (found?.member.token !== token || found.member.status !== "entering") return undefined;
  const { room, member } = found;
  if (member.leaving === null) return undefined;
  // Where nobody has told the leg itself to leave: it may be on its way there yet.
  if (member.leaving !== "directed") change.intend({ kind: "leaveRoom", leg: leg.id });
  await left(change, leg, room, member, null, atUs);
  return { kind: "roomLeft", room: room.id, leg: leg.id, hungUp: false };
}

/** A leg that has ended is in no room any more, whether or not the switch could say so. */
export const leftWithLeg = (change: CallChange, leg: LegRow, atUs: number): Promise<void> =>
  leaveAll(change, leg, () => "hung_up", atUs);

async function leaveAll(
  change: CallChange,
  leg: LegRow,
  reasonOf: (member: MemberRow) => LeftBecause,
  atUs: number,
): Promise<void> {
  for (const { conferenceId } of await conferences.memberships(change.tx, leg.id)) {
    const found = await membership(change, leg, conferenceId);
    if (found) await left(change, leg, found.room, found.member, reasonOf(found.member), atUs);
  }
}

/** Under the room, which is kept first: another member's leaving may change this row. */
async function membership(
  { tx }: CallChange,
  leg: LegRow,
  id: ConferenceId,
): Promise<{ room: ConferenceRow; member: MemberRow } | undefined> {
  const room = await conferences.keepRoom(tx, id);
  const members = await conferences.memberships(tx, leg.id);
  const member = members.find(({ conferenceId }) => conferenceId === id);
  return room && member && { room, member };
}

async function entered(
  change: CallChange,
  leg: LegRow,
  room: ConferenceRow,
  member: MemberRow,
  news: Inside,
): Promise<StepFact | undefined> {
  if (member.status !== "entering") return undefined;
  const { tx } = change;
  const muted = news.muted ? 1 : 0;
  const held = news.held ? 1 : 0;
  const now: MemberRow = { ...member, status: "inside", joinedAtUs: news.atUs, muted, held };
  const present = await conferences.presentMembers(tx, room.id);
  const inside = [now, ...present.filter((one) => one.status === "inside")];
  await conferences.updateMember(tx, member.token, {
    ...{ status: "inside", joinedAtUs: news.atUs, muted, held },
    ...(room.endedAtMs === null ? {} : { leaving: member.leaving ?? "ended" }),
  });
  await tell(
    change,
    room,
    member,
    "conference.joined",
    {
      ...{ leg_id: leg.id, muted: news.muted, members: inside.length },
      ...{ start_on_enter: member.startOnEnter === 1, end_on_exit: member.endOnExit === 1 },
    },
    news.atUs,
  );
  // It ended while the leg was on its way, and the switch has opened another by its name.
  if (room.endedAtMs !== null) change.intend({ kind: "leaveRoom", leg: leg.id });
  else if (room.startedAtMs === null && inside.length > 1 && inside.some((one) => one.startOnEnter === 1))
    await conferences.startRoom(tx, room.id, Math.floor(news.atUs / 1000));
  // The others are told by whoever listens for that, after the commit.
  tx.afterCommit(() => change.parts.changed(room.id));
  return { kind: "roomEntered", room: room.id, leg: leg.id };
}

async function stateChanged(
  change: CallChange,
  leg: LegRow,
  room: ConferenceRow,
  member: MemberRow,
  { muted, held, atUs }: Inside,
): Promise<void> {
  const now = { muted: muted ? 1 : 0, held: held ? 1 : 0 } as const;
  await conferences.updateMember(change.tx, member.token, now);
  const payload = { leg_id: leg.id };
  if (now.muted !== member.muted)
    await tell(change, room, member, muted ? "conference.muted" : "conference.unmuted", payload, atUs);
  if (now.held !== member.held)
    await tell(change, room, member, held ? "conference.held" : "conference.unheld", payload, atUs);
}

export type LeftBecause = "hung_up" | "kicked" | "ended" | "directed" | "failed" | "left";

/** `reason` null: as was asked for, or because the room is over. */
async function left(
  change: CallChange,
  leg: LegRow,
  room: ConferenceRow,
  member: MemberRow,
  reason: LeftBecause | null,
  seenAtUs: number,
): Promise<void> {
  const { tx } = change;
  // Their coming may have been told by our clock, and this by the switch's, which is behind it.
  const atUs = Math.max(seenAtUs, member.joinedAtUs ?? seenAtUs);
  await conferences.updateMember(tx, member.token, { status: "left", leftAtUs: atUs });
  const stay = (await conferences.presentMembers(tx, room.id)).filter(({ token }) => token !== member.token);
  const atMs = Math.floor(atUs / 1000);
  const wasInside = member.status === "inside";
  // Nobody asked for it, and they have not hung up: then the switch has put all out, since one went who ends the room.
  // That one's own leaving may be taken in later than this, since calls are side by side.
  const byTheSwitch =
    reason === null &&
    member.leaving === null &&
    stay.some(({ status, endOnExit }) => status === "inside" && endOnExit === 1);
  const isOver =
    room.endedAtMs !== null || stay.length === 0 || (wasInside && member.endOnExit === 1) || byTheSwitch;
  if (isOver && room.endedAtMs === null) {
    await conferences.endRoom(tx, room.id, atMs);
    await conferences.markLeaving(tx, room.id, "ended");
  } else if (!isOver && !stay.some(({ status }) => status === "inside")) {
    // Who is on the way there finds it empty, and waits.
    await conferences.startRoom(tx, room.id, null);
  }
  // Only its own; with the leg it ends by itself.
  if (member.recordingId !== null && leg.endedAtUs === null)
    await stopRecording(change, leg.id, member.recordingId);
  await tell(
    change,
    room,
    member,
    "conference.left",
    {
      leg_id: leg.id,
      reason: reason ?? member.leaving ?? (byTheSwitch ? "ended" : "left"),
      duration_seconds: member.joinedAtUs === null ? 0 : Math.round((atUs - member.joinedAtUs) / 1_000_000),
    },
    atUs,
  );
  if (isOver) await tell(change, room, member, "conference.ended", {}, atUs);
}

/** On the member's call, and to whom its action wants told. */
export const tell = (
  change: CallChange,
  room: Pick<ConferenceRow, "id" | "name">,
  member: MemberRow,
  kind: Parameters<CallChange["emit"]>[0],
  payload: JsonObject,
  atUs: number,
): Promise<void> =>
  change.emit(
    kind,
    { conference_id: room.id, conference: room.name, ...payload },
    Math.floor(atUs / 1000),
    statusTarget(member),
  );

const statusTarget = ({ statusUrl, statusEvents }: MemberRow): StatusTarget | undefined =>
  statusUrl === null
    ? undefined
    : { url: statusUrl, kinds: statusEvents === null ? null : (JSON.parse(statusEvents) as string[]) };
