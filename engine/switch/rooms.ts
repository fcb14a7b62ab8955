import { isId, type ConferenceId, type LegId } from "../ids.ts";
import type { ChannelNames } from "./channel-names.ts";
import { objectFields, type Command } from "./codec.ts";
import { accepted, api } from "./commands.ts";
import type { AfterBridge, EnterRoom, RoomMember } from "./switch.ts";

/** The profile in freeswitch-conf/ that every room has. */
const profile = "room";

/** Soft, and slow: 350 Hz for half a second in two. `v=-20` lies 13 dB below the switch's other tones. */
const waitingTone = "tone_stream://v=-20;%(500,1500,350);loops=-1";
const enterTone = "tone_stream://%(200,0,1000)";
const exitTone = "tone_stream://%(200,0,500)";
/** Of a file that is heard over and over; when even these are over, the tone follows. The switch takes a list of 128. */
const musicLoops = 100;

/** What a leg runs in place of what it is in: the room, and then, for one that stays, a park that ends by itself. */
export function roomEntrance(channel: string, room: ConferenceId, how: EnterRoom): Command {
  assertRoom(room);
  const flags = [how.starts ? "moderator" : "", how.ends ? "endconf" : "", how.muted ? "mute" : ""].filter(
    (flag) => flag !== "",
  );
  const variables = [
    // Else who is left when a room ends is hung up with it.
    "hangup_after_conference=false",
    `conference_moh_sound=${waitingTone}`,
    // Another who waits does not begin the music anew.
    "conference_permanent_wait_mod_moh=true",
    // An empty value takes away what the room before this one had.
    `conference_enter_sound=${how.beep ? enterTone : ""}`,
    `conference_exit_sound=${how.beep ? exitTone : ""}`,
  ];
  const applications = [
    ["multiset", variables.join(" ")],
    ["conference", `${room}@${profile}${flags.length === 0 ? "" : `+flags{${flags.join("|")}}`}`],
    ...afterwards(how.then),
  ] as const;
  const line = applications.map(([name, argument]) => `${name}:${argument}`).join("^");
  return api("uuid_transfer", channel, `'m:^:${line}'`, "inline");
}

export const roomExit = (channel: string): Command => api("uuid_transfer", channel, "park:", "inline");

const afterwards = (then: AfterBridge): ["sched_hangup" | "park", string][] =>
  then.kind === "end"
    ? []
    : [
        ["sched_hangup", `+${then.idleSeconds + 1} ALLOTTED_TIMEOUT`],
        ["park", ""],
      ];

/** What one who is held hears: it must never run out, or the room would be heard. */
export const holdMusic = (file?: string): string =>
  file === undefined
    ? waitingTone
    : `file_string://${[...Array<string>(musicLoops).fill(file), waitingTone].join("!")}`;

/** A member is found by what we wrote on its channel: both kinds of channel have it. */
export const memberNamed = (leg: LegId): string => `presence_data=${leg}`;

export function assertRoom(room: ConferenceId): void {
  if (!isId("conf", room)) throw new RangeError("not a room");
}

/** False: no such room, or nobody of that name in it. Throws `switch.refused`. */
export function roomAccepted(command: string, reply: string): boolean {
  if (/^-ERR (Conference \S+ not found|Non-Existant|Member: )/.test(reply)) return false;
  return accepted(command, reply);
}

/** The reply to `conference … json_list`; undefined if it is none. */
export function membersIn(reply: string, names: ChannelNames): RoomMember[] | undefined {
  let rooms: unknown;
  try {
    rooms = JSON.parse(reply);
  } catch {
    return undefined;
  }
  const [room] = Array.isArray(rooms) ? (rooms as unknown[]) : [];
  const members = typeof room === "object" && room !== null && "members" in room ? room.members : undefined;
  if (!Array.isArray(members)) return undefined;
  return (members as unknown[]).flatMap((member): RoomMember[] => {
    const leg = names.legOf(objectFields(member)?.("uuid"));
    if (leg === undefined) return [];
    const { flags } = member as { flags?: { hold?: unknown; can_speak?: unknown } };
    const held = flags?.hold === true;
    // Who is held is shown as one who cannot speak either.
    return [{ leg, held, muted: held ? null : flags?.can_speak === false }];
  });
}
