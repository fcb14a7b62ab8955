import { steadyUs } from "../clock.ts";
import type { CallId, ConferenceId, IntentId, LegId } from "../ids.ts";
import type { JsonObject } from "../json.ts";
import type { Log } from "../log.ts";
import { deleteIntent } from "../store/calls.ts";
import * as conferences from "../store/conferences.ts";
import type { ConferenceRow, MemberRow } from "../store/conferences.ts";
import type { Store } from "../store/store.ts";
import type { RoomMember, Switch } from "../switch/switch.ts";
import { CallChange } from "./call-change.ts";
import type { ChangeParts } from "./change-parts.ts";
import { tell } from "./conference.ts";
import type { DocumentFact } from "./document-run.ts";
import { intend } from "./intend.ts";
import type { LegNews } from "./leg-progress.ts";

interface Parts extends ChangeParts {
  store: Store;
  log: Log;
  boxOf: (name: string) => Switch | undefined;
  news: (news: LegNews) => Promise<unknown>;
}

/** What was said or played, as a token carries it: to one leg, or to all. */
export interface Announcement extends JsonObject {
  announcement: "say" | "play";
  leg_id: LegId | null;
}

/** The switch takes a leg in within a tick or two; one that it was not heard to take in is looked for after this. */
const enteringMsMax = 2_000;
/** Who is in a room so long after its end was overlooked. */
const endingMsMax = 10_000;

/** What concerns several calls at once: rooms as the switch has them, and what their members are told. */
export class Rooms {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Holds the rooms of a box against what it says; told of each difference is the member's call, as by an event. */
  async reconcile(box: Switch): Promise<void> {
    const { store } = this.#parts;
    const rooms = await store.read(async (tx) => [
      ...(await conferences.liveRoomsOfBox(tx, box.box)),
      ...(await conferences.endingRoomsOfBox(tx, box.box)),
    ]);
    for (const room of rooms) await this.#reconcileRoom(box, room);
  }

  async #reconcileRoom(box: Switch, room: ConferenceRow): Promise<void> {
    const { store, clock } = this.#parts;
    // Both before it is asked: whoever enters later has not left by what it says. It is held against the switch's stamps, which no step
    // of our clock reaches.
    const atUs = steadyUs(clock);
    const known = await store.read((tx) => conferences.presentMembers(tx, room.id));
    await this.#compare(box, room, known, (await box.roomMembers(room.id)) ?? [], atUs);
    await this.changed(room.id);
  }

  /** The same of one room, soon after the switch should have told of somebody's entry and did not. */
  async everySecond(boxes: readonly Switch[]): Promise<void> {
    const { store, clock, log } = this.#parts;
    const beforeMs = clock.steadyMs() - enteringMsMax;
    for (const room of await store.read((tx) => conferences.roomsBeingEntered(tx, beforeMs))) {
      const box = boxes.find((one) => one.box === room.box);
      if (!box?.connected) continue;
      await this.#reconcileRoom(box, room).catch((error: unknown) => {
        log.warn({ err: error, room: room.id }, "a room could not be compared");
      });
    }
  }

  async #compare(
    box: Switch,
    room: ConferenceRow,
    known: readonly MemberRow[],
    there: readonly RoomMember[],
    atUs: number,
  ): Promise<void> {
    const { news, clock } = this.#parts;
    const nowMs = clock.steadyMs();
    const isLongOver = room.endedAtMs !== null && nowMs - room.endedAtMs > endingMsMax;
    for (const member of known) {
      const at = { box: box.box, leg: member.legId, room: room.id, atUs };
      const found = there.find(({ leg }) => leg === member.legId);
      if (found) {
        const state = { muted: found.muted ?? member.muted === 1, held: found.held };
        const differs = state.muted !== (member.muted === 1) || state.held !== (member.held === 1);
        if (member.status === "entering") await news({ kind: "roomEntered", ...at, ...state });
        else if (differs) await news({ kind: "memberChanged", ...at, ...state });
        if (isLongOver) await box.leaveRoom(member.legId);
      } else if (member.status === "inside") {
        // Who hangs up just now has been put out by nobody; that they have is told for itself.
        const facts = await box.channelFacts(member.legId);
        if (facts?.hungUp === false) await news({ kind: "roomLeft", ...at, hungUp: false });
      } else if (nowMs - member.createdAtMs > enteringMsMax) {
        await news({ kind: "roomMissed", ...at, token: member.token });
      }
    }
  }

  /** A room that has started: each member's call says so, once. Never rejects. */
  async changed(id: ConferenceId): Promise<void> {
    const { store, log, clock } = this.#parts;
    try {
      const { room, members } = await store.read(async (tx) => ({
        room: await conferences.roomById(tx, id),
        members: await conferences.presentMembers(tx, id),
      }));
      if (!room || room.startedAtMs === null || room.endedAtMs !== null) return;
      for (const { token, callId, status, toldStarted } of members) {
        if (status !== "inside" || toldStarted === 1) continue;
        await this.#onCall(callId, token, async (change, member) => {
          if (member.toldStarted === 1) return;
          await conferences.updateMember(change.tx, token, { toldStarted: 1 });
          const atUs = Math.max((room.startedAtMs ?? 0) * 1000, member.joinedAtUs ?? clock.nowUs());
          await tell(change, room, member, "conference.started", {}, atUs);
        });
      }
    } catch (error) {
      log.error({ err: error, room: id }, "a room's members could not be told of its start");
    }
  }

  /** What came of an intent of a room, which is to have something said or played; the intent's row goes with it. */
  async take(id: ConferenceId, intent: IntentId, fact: DocumentFact): Promise<void> {
    const { store } = this.#parts;
    if (fact.kind === "mediaFailed") await this.announced(id, fact.token, fact.reason);
    await store.write(async (tx) => {
      // Stored before, by a commit whose answer was lost.
      if ((await deleteIntent(tx, intent)).changes === 0) return;
      const room = await conferences.roomById(tx, id);
      if (fact.kind !== "mediaReady" || !room || room.endedAtMs !== null) return;
      const { leg_id: leg } = JSON.parse(fact.token) as Announcement;
      const { file, token } = fact;
      await intend(tx, this.#parts, id, [{ kind: "announce", box: room.box, room: id, leg, file, token }]);
    });
  }

  /** It is heard, or (`reason`) it is not: on the calls of those whom it is for. Never rejects. */
  async announced(id: ConferenceId, token: string, reason: string | null): Promise<void> {
    await this.#tellAnnounced(id, token, reason).catch((error: unknown) => {
      this.#parts.log.error({ err: error, room: id }, "what came of an announcement could not be told");
    });
  }

  async #tellAnnounced(id: ConferenceId, token: string, reason: string | null): Promise<void> {
    const { store, clock } = this.#parts;
    const announcement = JSON.parse(token) as Announcement;
    const { room, members } = await store.read(async (tx) => ({
      room: await conferences.roomById(tx, id),
      members: await conferences.presentMembers(tx, id),
    }));
    if (!room) return;
    const heard = reason === null ? "conference.announced" : "conference.announcement_failed";
    const atUs = clock.nowUs();
    for (const { token: membership, callId, legId } of members) {
      if (announcement.leg_id !== null && announcement.leg_id !== legId) continue;
      await this.#onCall(callId, membership, (change, member) =>
        tell(change, room, member, heard, { ...announcement, ...(reason === null ? {} : { reason }) }, atUs),
      );
    }
  }

  /** One call's transaction: nobody holds two. */
  async #onCall(
    callId: CallId,
    token: string,
    work: (change: CallChange, member: MemberRow) => Promise<void>,
  ): Promise<void> {
    await this.#parts.store.write(async (tx) => {
      const change = await CallChange.load(this.#parts, tx, callId);
      const members = change ? await conferences.memberships(tx, change.firstLeg.id) : [];
      const member = members.find((one) => one.token === token);
      if (!change || !member) return;
      await work(change, member);
      await change.save();
    });
  }
}
