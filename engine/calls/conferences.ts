import { invalidField, SautikitError } from "../errors.ts";
import type { ConferenceId, LegId, WorkspaceId } from "../ids.ts";
import type { MediaSource } from "../media/media-source.ts";
import { legById, type LegRow } from "../store/calls.ts";
import * as conferences from "../store/conferences.ts";
import type { ConferenceRow, MemberRow } from "../store/conferences.ts";
import type { ReadTx, Tx } from "../store/store.ts";
import type { MemberChange } from "../switch/switch.ts";
import type { ChangeParts } from "./change-parts.ts";
import { intend } from "./intend.ts";
import type { Announcement } from "./rooms.ts";

export type ConferenceCommand =
  | { command: MemberChange; legId: LegId }
  | { command: "lock" | "unlock" | "end" }
  /** Without a leg: to all. */
  | { command: Announcement["announcement"]; legId?: LegId; source: MediaSource };

export interface SeenConference {
  room: ConferenceRow;
  members: { member: MemberRow; leg: LegRow }[];
}

/** What customers do with rooms. The effect on the switch is a room's own intent, after the commit. */
export class Conferences {
  readonly #parts: Pick<ChangeParts, "ids" | "clock" | "changed">;

  constructor(parts: Pick<ChangeParts, "ids" | "clock" | "changed">) {
    this.#parts = parts;
  }

  /** The room it went to. Throws `conferences.not_found`, `validation.invalid` (leg_id). */
  async command(
    tx: Tx,
    workspaceId: WorkspaceId,
    name: string,
    asked: ConferenceCommand,
  ): Promise<ConferenceId> {
    const room = await conferences.keepLiveRoom(tx, workspaceId, name);
    if (!room) throw new SautikitError("conferences.not_found");
    const at = { box: room.box, room: room.id };
    switch (asked.command) {
      case "lock":
      case "unlock":
        await conferences.lockRoom(tx, room.id, asked.command === "lock");
        break;
      case "end":
        // From here on the name is free; who is in there leaves.
        await conferences.endRoom(tx, room.id, this.#parts.clock.steadyMs());
        await conferences.markLeaving(tx, room.id, "ended");
        await intend(tx, this.#parts, room.id, [{ kind: "endRoom", ...at }]);
        break;
      case "say":
      case "play": {
        if (asked.legId !== undefined) await memberOf(tx, room, asked.legId);
        const announcement: Announcement = { announcement: asked.command, leg_id: asked.legId ?? null };
        const token = JSON.stringify(announcement);
        await intend(tx, this.#parts, room.id, [{ kind: "prepareMedia", source: asked.source, token }]);
        break;
      }
      default: {
        const { command: change, legId: leg } = asked;
        const member = await memberOf(tx, room, leg);
        if (change === "kick" && member.leaving === null)
          await conferences.updateMember(tx, member.token, { leaving: "kicked" });
        await intend(tx, this.#parts, room.id, [
          { kind: "changeMember", ...at, leg, change, music: room.music },
        ]);
      }
    }
    return room.id;
  }

  /** A page of those that are live, newest first. */
  list(tx: ReadTx, workspaceId: WorkspaceId, page: { limit: number; before: ConferenceId | null }) {
    return conferences
      .liveRoomsOf(tx, workspaceId, page)
      .then((rooms) => Promise.all(rooms.map((room) => seen(tx, room))));
  }

  /** Throws `conferences.not_found`. */
  async get(tx: ReadTx, workspaceId: WorkspaceId, name: string): Promise<SeenConference> {
    const room = await conferences.liveRoom(tx, workspaceId, name);
    if (!room) throw new SautikitError("conferences.not_found");
    return seen(tx, room);
  }
}

async function memberOf(tx: ReadTx, room: ConferenceRow, leg: LegId): Promise<MemberRow> {
  const members = await conferences.presentMembers(tx, room.id);
  const member = members.find(({ legId, status }) => legId === leg && status === "inside");
  if (member) return member;
  throw invalidField("leg_id", "unknown", "is not in this conference");
}

async function seen(tx: ReadTx, room: ConferenceRow): Promise<SeenConference> {
  const members: SeenConference["members"] = [];
  for (const member of await conferences.presentMembers(tx, room.id)) {
    const leg = member.status === "inside" ? await legById(tx, member.legId) : undefined;
    if (leg) members.push({ member, leg });
  }
  return { room, members };
}
