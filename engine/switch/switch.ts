import type { CallId, ConferenceId, LegId, RecordingId } from "../ids.ts";
import type { GatewayState, TrunkProfile } from "./gateway-file.ts";

/**
 * One FreeSWITCH box as the engine sees it: typed commands in, typed events out. Nothing of ESL gets past this
 * folder. Every method ends: with the switch's answer, or with a SautikitError: `switch.unavailable` when the command
 * surely was not run; `switch.refused` when the switch would not run it, in its own words; `switch.unknown_outcome`
 * when it may have been run (timed out, or the connection died under it).
 */
export interface Switch {
  /** Stable name of the box, from configuration; kept on each leg. */
  readonly box: string;
  /** True while the event connection is authenticated, subscribed, and answered the last heartbeat. */
  readonly connected: boolean;

  /**
   * Dials one or more branches (bgapi). Resolves when the switch answered the job: with the uuid of the branch
   * that won, or the cause for which all failed. Sent once; never repeated by the switch layer. `ok` with
   * `intercept` means that the branch went to join the waiting leg; if that is gone by then, the branch is answered
   * and hung up within 20 ms. `sent` is called once the switch has the command, or may have it; `switch.unavailable`
   * before that means that nothing was sent.
   */
  originate(request: Originate, sent?: () => void): Promise<OriginateOutcome>;
  /** `uuid_kill`. False: no such channel (it had ended already). */
  hangUp(leg: LegId, cause: HangupCause): Promise<boolean>;
  /**
   * Takes in a call that came to us and is parked: its waiting time is armed in `ring-<leg>` before what the switch had
   * armed by itself is deleted, its cut-off is armed by the switch at the answer, and the caller hears that it rings.
   * Repeatable until it is answered. False: no such channel.
   */
  takeIn(taken: TakenIn): Promise<boolean>;
  /** Ends a call that came to us and that nobody takes in, and leaves no end-of-leg record of it. */
  refuse(leg: LegId, cause: HangupCause): Promise<boolean>;
  /**
   * Rings a device for the box that a call came from: the switch joins the two, ends the one with the other and leaves no
   * end-of-leg record of either. From here on the channel is nobody's leg. False: no such channel.
   */
  ringFor(channel: LegId, ring: RelayedRing): Promise<boolean>;
  /** 200 to a caller; answered already, nothing. What limited the waiting is disarmed. False: no such channel. */
  answer(leg: LegId): Promise<boolean>;
  /** 183 with media to a caller: what is played from here on is heard unanswered, and not billed. */
  preAnswer(leg: LegId): Promise<boolean>;
  /**
   * What becomes of a leg when its next bridge ends: it parks, for so many seconds in `idle-<leg>` unless somebody
   * directs it, or it ends with the bridge.
   */
  afterBridge(leg: LegId, then: AfterBridge): Promise<boolean>;
  /** `uuid_setvar`, one value at a time; refuses CR, LF, NUL. False: no such channel. */
  setVariable(leg: LegId, name: string, value: string): Promise<boolean>;
  /**
   * Plays a file of ours, or the beep, loop times, behind what the leg is playing. Ends in `playbackEnded` with the token; one still
   * queued when the leg is told to stop or hangs up may end without.
   */
  play(leg: LegId, sound: Sound, options: { token: string; loops: number }): Promise<boolean>;
  /** `uuid_break all`: whatever plays on the leg stops within 20 ms, and what is queued behind it never plays. */
  stopPlayback(leg: LegId): Promise<boolean>;
  /** Sends DTMF to the party (RFC 4733): `0-9 * #`, and `w` and `W` for half a second and a second of nothing. */
  sendDigits(leg: LegId, digits: string): Promise<boolean>;
  /** Plays 425 Hz ringback to a waiting, answered leg until it is bridged or stopped. */
  playRingback(leg: LegId): Promise<boolean>;
  /** With `ends` the switch ends it by itself, whether or not we are there. */
  startRecording(leg: LegId, recording: RecordingId, ends?: RecordingEnds): Promise<boolean>;
  /** False also if that recording is not running on the leg. */
  stopRecording(leg: LegId, recording: RecordingId): Promise<boolean>;
  /** Writes silence into the running recording until unmasked. False also if it is not running on the leg. */
  maskRecording(leg: LegId, recording: RecordingId, masked: boolean): Promise<boolean>;
  /** `uuid_buglist`: whether that recording runs on the leg. False also if there is no such channel. */
  isRecording(leg: LegId, recording: RecordingId): Promise<boolean>;
  /**
   * The two ends of the event connection, as addresses: the way between us and the box that is known to lead there. Null
   * while there is none.
   */
  readonly ends: { ours: string; its: string } | null;
  /**
   * Has the box send what the party of a parked leg says to a UDP port of ours, and play to them what comes back: linear
   * PCM of 16 bits, little-endian, at the codec's rate, 20 ms a datagram. Nothing tells that it could not bind its port:
   * then no datagram comes. Once for each stay in the park; `endFork` begins another. False: no such channel.
   */
  forkMedia(leg: LegId, fork: MediaFork): Promise<boolean>;
  /**
   * Ends it, by parking the leg anew: whether or not there is one, and without a gap in its recordings. Resolves once it
   * is parked again; `switch.unknown_outcome` where that is not told in 2 s. False: no such channel, or it has ended.
   */
  endFork(leg: LegId): Promise<boolean>;
  /**
   * Has an answered leg leave what it is in for a room, which the switch opens for the first who comes. What the leg does
   * once it is out of the room again, however that comes about, is armed with it. Not to be repeated while it is inside:
   * it would leave and come back.
   */
  enterRoom(leg: LegId, room: ConferenceId, how: EnterRoom): Promise<boolean>;
  /** The leg leaves whatever room it is in, and parks; what the switch had armed by itself for a parked leg is deleted. */
  leaveRoom(leg: LegId): Promise<boolean>;
  /** The same for one that came out of its room and is parked: nothing ends it but what we arm. */
  keepParked(leg: LegId): Promise<boolean>;
  /** `music`: what one who is held hears, over and over. False: no such member, or no such room. Repeatable. */
  changeMember(leg: LegId, room: ConferenceId, change: MemberChange, music?: MediaFile): Promise<boolean>;
  /** What is heard in a room that has not started, or has one member alone. False: no such room. */
  setRoomMusic(room: ConferenceId, music: MediaFile): Promise<boolean>;
  /** Plays a file once, mixed into what is heard: by all in the room, or by one. False: no such member, or no such room. */
  announce(room: ConferenceId, file: MediaFile, leg?: LegId): Promise<boolean>;
  /** All leave it. False: no such room. */
  endRoom(room: ConferenceId): Promise<boolean>;
  /** Who is in a room. Null: there is no such room, so nobody. */
  roomMembers(room: ConferenceId): Promise<RoomMember[] | null>;
  /** Schedules a kill in a group of its own; `inSeconds` is whole; the kill is never early, and late by up to 1.3 s. */
  armKill(leg: LegId, group: KillGroup, inSeconds: number, cause: HangupCause): Promise<void>;
  /** Deletes a group's scheduled kills. Unknown groups are fine. */
  disarmKill(group: KillGroup): Promise<void>;
  /** One `show channels as json`. Lags commands by up to a second. */
  listChannels(): Promise<ChannelListing[]>;
  /** Callers who wait and whose uuid is not known: from the same listing, and each looked at. */
  arrivals(): Promise<Arrival[]>;
  /** Channels that came to the box by SIP, are answered, and stand for no leg: uuids, each looked at. */
  strangers(): Promise<string[]>;
  /** Channels that another box's leg is at the other end of (`ringFor`), from the same listing. */
  relayed(): Promise<Relayed[]>;
  /** Ends a channel of either kind. False: it is gone. */
  endStranger(uuid: string): Promise<boolean>;
  /** `uuid_dump` of one channel: exact, not lagging. Null: no such channel. */
  channelFacts(leg: LegId): Promise<ChannelFacts | null>;
  /** `reloadxml`: the box reads its folder of credentials anew. One that it cannot read leaves what was there before. */
  reloadDirectory(): Promise<void>;
  /**
   * Every binding of a customer's device, or one username's; none where the box has no profile for devices. All of them can
   * be more than an answer may be long: they are asked for over a connection of their own, which then ends alone.
   */
  registrations(username?: string): Promise<Registration[]>;
  /** Drops all its bindings at once, and tells of each as `unregistered`. Calls that it has go on. */
  forgetDevice(username: string): Promise<void>;
  /**
   * The box reads its folder of trunks anew: who may send calls, and the gateways. Those that it has of `down` are taken down
   * first, and are there again a moment later if they are in the files. Calls that run over them go on.
   */
  loadGateways(down: readonly { name: string; profile: TrunkProfile }[]): Promise<void>;
  /** Every gateway, and whether its trunk answers. */
  gateways(): Promise<GatewayState[]>;
  /**
   * Calls a number over one gateway, plays 2 s of a tone to whoever answers, and hangs up: all by the switch itself. It is no
   * leg, leaves no end-of-leg record, and nothing is told of it. Resolves once it is over.
   */
  placeTest(test: TestCall): Promise<TestOutcome>;
  version(): Promise<string>;
}

export interface TestCall {
  /** A name for its channel, of the kind that the switch gives. */
  channel: string;
  gateway: string;
  /** As the trunk wants the number. */
  to: string;
  callerId: string;
  ringTimeoutSeconds: number;
}

/** `createdAtUs` and what follows are the switch's stamps. */
export interface TestOutcome extends Omit<HungUp, "channel" | "audio" | "sipCallId"> {
  /** What was spoken; null: it did not come to that. */
  codec: string | null;
  /** RTP packets that came from them. */
  packetsHeard: number;
}

/** A call that came to the switch, parked unanswered, and that nobody has taken in. */
export interface Arrival {
  box: string;
  /** The switch's name of the channel. */
  uuid: string;
  /** As the caller's network wrote them, cut to 64 characters: anything at all. Who hides their number is `anonymous`. */
  from: string;
  to: string;
  /** The switch's own µs stamp. */
  createdAtUs: number;
  /** SIP's name of the dialog, for the log. */
  sipCallId: string;
  /**
   * The username by which the caller's device logged in: the switch's own word, never a header of the device's. Null: it
   * comes from the carrier.
   */
  device: string | null;
  /** The IPv4 address that it comes from; null: none that can be read. */
  address: string | null;
  /** What the trunk edge gave the call on its way, cut to 64 characters; null: nothing. */
  ticket: string | null;
  /** Another box's, for a device that is here; null: it came with none. */
  relay: string | null;
}

/**
 * How one binding of a device is dialled: its Contact, and the address that its REGISTER came from, which is where the
 * call goes. Made by `deviceContact` alone.
 */
export type DeviceContact = string & { readonly __deviceContact: unique symbol };

export type DeviceTransport = "udp" | "tcp" | "tls" | "ws" | "wss";

/** One binding of a device, as the switch lists it. */
export interface Registration {
  username: string;
  /** Null: its Contact is not fit to be dialled, so that this binding cannot be called. */
  contact: DeviceContact | null;
  /** The Contact as the device wrote it, for people; cut to 256 characters. */
  contactUri: string;
  transport: DeviceTransport;
  /** Where its REGISTER came from. */
  source: { host: string; port: number };
  /** As the device wrote it, cut to 128 characters; empty where it said nothing. */
  userAgent: string;
  expiresAtMs: number;
  /** Of its REGISTERs; cut to 256 characters. */
  callId: string;
}

export interface TakenIn {
  leg: LegId;
  call: CallId;
  /** The call's, as the channel is to say it in `sautikit_trace`: 32 hexadecimal digits. */
  trace?: string;
  /** Whole seconds that it may wait unanswered; then NO_ANSWER. */
  ringSeconds: number;
  /** Whole seconds from the answer after which the switch kills the leg (ALLOTTED_TIMEOUT), in `cutGroup`. */
  maxSeconds: number;
  cutGroup: KillGroup;
}

export type AfterBridge = { kind: "end" } | { kind: "park"; idleSeconds: number };

/** A kill group's name; ours only: `cut-<leg>-<n>`, `idle-<leg>`, `ring-<leg>`. */
export type KillGroup = `${"cut" | "idle" | "ring"}-${LegId}${"" | `-${number}`}`;

/** Absolute path on the box of a file that we put there; our ids only, never a customer's name. */
export type MediaFile = string & { readonly __mediaFile: unique symbol };

/** The tone before a recording: 300 ms of 1 kHz. */
export const beep = "beep";
export type Sound = MediaFile | typeof beep;

/** IPv4 alone: the switch opens nothing else. */
export interface MediaFork {
  its: { host: string; port: number };
  ours: { host: string; port: number };
}

export interface EnterRoom {
  /** Until one with this comes, all wait and hear music. */
  starts: boolean;
  /** When this one leaves, the room ends for all: the switch itself sees to it. */
  ends: boolean;
  muted: boolean;
  /** The others hear a beep when this one comes, and a lower one when it goes. */
  beep: boolean;
  /** Once it is out of the room: as after a bridge. */
  then: AfterBridge;
}

export type MemberChange = "mute" | "unmute" | "hold" | "unhold" | "kick";

export interface RoomMember {
  leg: LegId;
  /** Null: while it is held that cannot be read. */
  muted: boolean | null;
  held: boolean;
}

interface MemberState {
  /** The room does not hear it. */
  muted: boolean;
  /** It hears music in place of the room, and is not heard. */
  held: boolean;
}

export interface RecordingEnds {
  /**
   * So long below about -42 dBFS in both directions, from the start or after something louder. A lone louder frame of
   * 20 ms begins the time anew.
   */
  silenceMs: number;
  /** Whole seconds from the start; up to a second later, never before. */
  maxSeconds: number;
}

export interface Originate {
  /** What the winner does once it is answered (park), or has media (intercept joins it to a waiting leg). */
  then: { kind: "park" } | { kind: "intercept"; leg: LegId };
  /** With several branches, or park: true, so that only an answer counts. */
  ignoreEarlyMedia: boolean;
  branches: readonly [Branch, ...Branch[]];
}

export interface Branch {
  leg: LegId;
  /** The switch's name of the channel; default: the leg's id. Another one for each time that the leg is dialled anew. */
  channel?: string;
  call: CallId;
  /** The call's, as the channel is to say it in `sautikit_trace`: 32 hexadecimal digits. */
  trace?: string;
  way: Way;
  /** E.164 with `+`; the CLI shown. */
  callerId: string;
  /** Whole seconds until an unanswered leg is cancelled by the switch (NO_ANSWER), early media or not. */
  ringTimeoutSeconds: number;
  /** Whole seconds from the answer after which the switch kills the leg (ALLOTTED_TIMEOUT). */
  maxSeconds: number;
  /** Name of the group in which the switch arms that kill at the answer. */
  cutGroup: KillGroup;
  /** Starts by itself in the switch, without us: at the answer, or as soon as there is media. */
  record?: { recording: RecordingId; from: "answer" | "media" };
  /** A kill group that the switch deletes by itself at this leg's answer (a waiting leg's guard). */
  disarmOnAnswer?: KillGroup;
}

/** Whom a branch rings. */
export type Way =
  | {
      kind: "trunk";
      /** Gateway of the switch's configuration that reaches the trunk. */
      gateway: string;
      /** As the trunk wants the number: digits, perhaps behind `+`. */
      to: string;
    }
  /** One binding; a device with several is rung by a branch for each. */
  | {
      kind: "device";
      contact: DeviceContact;
      /** Where its way is encrypted, so is its sound; else plain sound is offered beside. */
      encrypted?: "only";
    }
  /** A device that is at another box, which rings it for the one that comes with that ticket. */
  | { kind: "box"; host: string; port: number; ticket: string };

/** What a box rings for another. */
export interface RelayedRing {
  /** Of the other box. */
  leg: LegId;
  device: Extract<Way, { kind: "device" }>;
  callerId: string;
  trace?: string;
  ringSeconds: number;
}

export type OriginateOutcome =
  | { ok: true; leg: LegId }
  /** `reply` is the switch's own text, for the log and the call's events. */
  | { ok: false; cause: HangupCause; reply: string };

export interface ChannelListing {
  leg: LegId;
  createdAtS: number;
  state: "ringing" | "early" | "active" | "held" | "hangup" | "down";
}

export interface Relayed {
  uuid: string;
  leg: LegId;
}

export interface ChannelFacts {
  leg: LegId;
  /** µs since the epoch; null where it has not happened. */
  createdAtUs: number;
  ringingAtUs: number | null;
  answeredAtUs: number | null;
  bridgedTo: LegId | null;
  /** It has ended, and is there for another moment. */
  hungUp: boolean;
  /** It is nobody's leg here, but at the other end of one at another box. */
  relayed: boolean;
  /** The last that it began to play of what was given a token; null: nothing, or something without a token since. */
  playback: Playback | null;
  /** Which of our recordings run on it cannot be read. */
}

export type PlaybackOutcome = "played" | "notFound" | "failed";

/** What became of a `play` that the switch has begun. */
export interface Playback {
  token: string;
  /** Null: it still plays. */
  outcome: PlaybackOutcome | null;
}

export interface Quality {
  mos: number;
  jitterMs: number;
  packetLossPercent: number;
}

/** RTP of a leg from its first media to its end, digits and comfort noise included. */
export interface AudioPackets {
  received: number;
  sent: number;
  /** What the party last said of its own direction (RFC 3264): whether it meant to send, and to hear. */
  party: { sends: boolean; hears: boolean };
  /** When it was last joined to another leg; null: never. */
  bridgedAtUs: number | null;
}

interface At {
  box: string;
  leg: LegId;
  /** The switch's own µs stamp. */
  atUs: number;
}

/** SIP's name of the leg's dialog, cut to 256 characters; absent where the event has none. */
interface Dialog {
  sipCallId?: string;
}

export type SwitchEvent =
  | (At & { kind: "created" | "parked" | "unbridged" })
  | (At & Dialog & { kind: "ringing" | "earlyMedia" | "answered" })
  | (At & { kind: "bridged"; otherLeg: LegId })
  | (At & HungUp & { kind: "hungUp" })
  /** The switch finished what we played with a token; `played` also where it was stopped or the leg hung up. */
  | (At & { kind: "playbackEnded"; token: string; outcome: PlaybackOutcome })
  | (At & { kind: "recordingStarted"; recording: RecordingId })
  | (At & { kind: "recordingStopped"; recording: RecordingId; lengthMs: number; by: RecordingStopper })
  | (At & { kind: "digit"; digit: string; durationMs: number })
  | (At & MemberState & { kind: "roomEntered" | "memberChanged"; room: ConferenceId })
  /** `hungUp`: it is on its way to its end, and does nothing more. */
  | (At & { kind: "roomLeft"; room: ConferenceId; hungUp: boolean });

/** What ended a recording. `other`: we did, or its longest time; the switch does not tell these apart. */
export type RecordingStopper = "silence" | "hangUp" | "other";

/** How a leg ended: the same facts whether read from the event or from the end-of-leg record. */
export interface HungUp {
  /** Of which channel of the leg: it may have been dialled anew since. Absent: of the one that it has. */
  channel?: string;
  createdAtUs: number;
  ringingAtUs: number | null;
  answeredAtUs: number | null;
  endedAtUs: number;
  cause: HangupCause;
  /** Q.850 number. */
  q850: number;
  /** The final answer to its INVITE; null: there was none. */
  sipStatus: number | null;
  /** Null: nothing came from the party. */
  quality: Quality | null;
  /** Null: it never had media. */
  audio: AudioPackets | null;
  /** SIP's name of its dialog; null: it came to none. */
  sipCallId: string | null;
}

/** What happened to a box itself, beside its legs' events. */
export type BoxEvent =
  /** Connected, authenticated, subscribed; `coreUuid` differs from the last one when the switch itself was restarted. */
  | { kind: "connected"; box: string; coreUuid: string; version: string }
  | { kind: "disconnected"; box: string; reason: string }
  /** A heartbeat was answered by that core: every leg known to live on it was alive at `atUs` (our clock), when it was asked. */
  | { kind: "alive"; box: string; coreUuid: string; atUs: number }
  | DeviceEvent
  | LoginFailed;

export type DeviceEvent =
  /** A device came, or came again. */
  | { kind: "registered"; box: string; registration: Registration }
  /** A binding was taken back, has expired, or was dropped. Null: which of its bindings is not said. */
  | { kind: "unregistered"; box: string; username: string; callId: string | null };

/** A device was refused with 403. */
export interface LoginFailed {
  kind: "loginFailed";
  box: string;
  /** IPv4. */
  address: string;
  /**
   * As the device wrote it, in small letters: it is not let in, or not with that password, or not from there. Null: it is no name
   * that a login could have.
   */
  username: string | null;
}

/** FreeSWITCH's name of a Q.850 cause or of its own, e.g. NORMAL_CLEARING; kept as the switch spells it. */
export type HangupCause = Uppercase<string>;
