import { frameSamples } from "../media/g711.ts";
import type { Api } from "./api.ts";
import type { RunningApplication } from "./application.ts";
import { channelHeaders } from "./channel-headers.ts";
import type { Channel } from "./channel.ts";
import type { Core } from "./core.ts";
import { hangUp } from "./hang-up.ts";
import { FrameQueue, Room, type Member } from "./room.ts";
import { openSound } from "./sound.ts";

/** The application `conference`: `<room>@<profile>+flags{moderator|endconf|mute}`. */
export function conference(
  core: Core,
  channel: Channel,
  argument: string,
  done: (response: string | null) => void,
): RunningApplication {
  const [, name = "", flags = ""] = /^([^@+]+)@\w+(?:\+flags\{([a-z|]*)\})?$/.exec(argument) ?? [];
  const room =
    core.rooms.get(name) ?? new Room(core.clock, name, channel.variables.get("conference_moh_sound") ?? "");
  core.rooms.set(name, room);
  let left = false;
  const has = (flag: string) => flags.split("|").includes(flag);
  const member: Member = {
    id: Math.max(0, ...room.members.map(({ id }) => id)) + 1,
    channel,
    moderator: has("moderator"),
    endsRoom: has("endconf"),
    muted: has("mute"),
    held: false,
    said: new FrameQueue(),
    toHear: new FrameQueue(),
    sounds: [],
    leave,
  };
  room.add(member);
  const beep = channel.variables.get("conference_enter_sound");
  if (room.members.length > 1 && beep !== undefined) room.play(beep, { leadIn: true });
  const silent = channel.media.onSaid((pcm) => member.said.push(pcm));
  const player = () => member.toHear.shift() ?? new Int16Array(frameSamples);
  channel.media.play(player);
  publish(core, room, member, "add-member");

  function leave(): void {
    if (left) return;
    left = true;
    silent();
    channel.media.play(null);
    const exit = channel.variables.get("conference_exit_sound");
    if (exit !== undefined) room.play(exit, { leadIn: true });
    room.remove(member);
    publish(core, room, member, "del-member");
    if (room.members.length === 0) close(core, room);
    else if (member.endsRoom) endRoom(core, room);
    done(null);
  }

  return {
    // A uuid_break is for what plays, and does nothing to a room.
    stop: (why) => (why === "break" ? undefined : leave()),
    digit: () => undefined,
    pause: (paused) => {
      if (!left) channel.media.play(paused ? null : player);
    },
  };
}

function close(core: Core, room: Room): void {
  room.close();
  if (core.rooms.get(room.name) === room) core.rooms.delete(room.name);
}

/** No longer to be found from now on; those who are in it leave it. */
function endRoom(core: Core, room: Room): void {
  close(core, room);
  for (const member of [...room.members]) {
    if (member.channel.variables.get("hangup_after_conference") === "false") member.leave();
    else hangUp(core, member.channel, "NORMAL_CLEARING");
  }
}

function publish(core: Core, room: Room, member: Member, action: string): void {
  core.events.publish("CUSTOM", [
    ["Event-Subclass", "conference::maintenance"],
    ["Conference-Name", room.name],
    ["Conference-Size", String(room.members.length)],
    ["Conference-Profile-Name", "room"],
    ...channelHeaders(member.channel, { variables: false }),
    ["Speak", String(!member.muted)],
    ["Hold", String(member.held)],
    ["Member-ID", String(member.id)],
    ["Member-Type", member.moderator ? "moderator" : "member"],
    ["Action", action],
  ]);
}

/** `conference <room> <command> …`, as far as the controller uses it. */
export const conferenceApi: Api = (core, argument) => {
  const [name = "", command = "", ...words] = argument.split(" ");
  const room = core.rooms.get(name);
  if (room === undefined) return `-ERR Conference ${name} not found\n`;
  switch (command) {
    case "json_list":
      return JSON.stringify([listed(room)]);
    case "moh":
      room.setMusic(words[0] ?? "");
      return "+OK moh\n";
    case "play":
      return play(room, words[0] ?? "", words[1]);
    case "mute":
    case "unmute":
    case "hold":
    case "unhold":
    case "kick":
      return onMembers(core, room, command, words);
    default:
      return `-ERR Conference command '${command}' not found.\n`;
  }
};

type MemberCommand = "mute" | "unmute" | "hold" | "unhold" | "kick";

function onMembers(core: Core, room: Room, command: MemberCommand, [who = "", more]: string[]): string {
  const members = who === "all" ? [...room.members] : named(room, who);
  if (members.length === 0) return "-ERR Non-Existant member\n";
  for (const member of members) change(core, room, member, command, more);
  return members.map(({ id }) => `+OK ${command === "kick" ? "kicked" : command} ${id}\n`).join("");
}

function change(core: Core, room: Room, member: Member, command: MemberCommand, music?: string): void {
  switch (command) {
    case "mute":
    case "unmute":
      member.muted = command === "mute";
      break;
    case "hold": {
      member.held = true;
      const source = music === undefined ? undefined : openSound(music)?.source;
      if (source !== undefined) member.sounds.push({ source, instead: true });
      break;
    }
    case "unhold":
      member.held = false;
      member.sounds.length = 0;
      break;
    case "kick":
      return member.leave();
  }
  publish(core, room, member, `${command}-member`);
}

function play(room: Room, sound: string, who: string | undefined): string {
  const notFound = `-ERR (play) File: ${sound} not found.\n`;
  if (who === undefined)
    return room.play(sound, { leadIn: false }) ? `+OK (play) Playing file ${sound}\n` : notFound;
  const [member] = named(room, who);
  if (member === undefined) return "-ERR Member: 0 not found.\n";
  const source = openSound(sound)?.source;
  if (source === undefined) return notFound;
  member.sounds.push({ source, instead: false });
  return `+OK (play) Playing file ${sound} to member ${member.id}\n`;
}

/** `<variable>=<value>` of a member's channel. */
function named(room: Room, who: string): Member[] {
  const [variable = "", value] = who.split("=");
  return room.members.filter(({ channel }) => channel.variables.get(variable) === value);
}

const listed = (room: Room): object => ({
  conference_name: room.name,
  member_count: room.members.length,
  wait_mod: room.waits,
  members: room.members.map(({ id, channel, held, muted, moderator, endsRoom }) => ({
    type: "caller",
    id,
    flags: {
      can_hear: !held,
      can_speak: !held && !muted,
      hold: held,
      is_moderator: moderator,
      end_conference: endsRoom,
    },
    uuid: channel.uuid,
  })),
});
