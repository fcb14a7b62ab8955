import type { EgressMethod } from "../egress/egress.ts";
import type { ConferenceId, EventId, LegId, RecordingId } from "../ids.ts";
import type { JsonObject } from "../json.ts";
import type { SipUri } from "../sip/sip-uri.ts";
import type { MediaSource } from "../media/media-source.ts";
import type {
  AfterBridge,
  Branch,
  EnterRoom,
  HangupCause,
  KillGroup,
  MemberChange,
  Originate,
  RecordingEnds,
  TakenIn,
  Way,
} from "../switch/switch.ts";

/**
 * What the controller has decided and not yet done, as data: stored with the decision, carried out after the commit.
 * All but originate, play, digits, recordUntil and announce are repeatable: redone after a crash, to the same effect.
 */
export type Command =
  | { kind: "originate"; originate: Dialling }
  /** `file`: of ours, or the beep. */
  | { kind: "play"; leg: LegId; file: string; token: string; loops: number }
  | { kind: "prepareMedia"; source: MediaSource; token: string }
  /** Of whom a document dials: the name is looked up, and where it leads is checked. */
  | { kind: "findHost"; host: string; token: string }
  /** An event of the call as a question; asked again after a crash, with the same event id. */
  | { kind: "ask"; event: EventId; url: string; method: EgressMethod; token: string }
  /** Runs until the WebSocket closes; opened anew after a crash. */
  | { kind: "stream"; leg: LegId; token: string; request: StreamRequest }
  | { kind: "endStream"; leg: LegId; token: string }
  | { kind: "sendDigits"; leg: LegId; digits: string }
  /**
   * The first thing that is done to a leg that came to us; done again after a crash, so is the answer behind it. `orEnd`: where
   * the switch refuses it the call is over.
   */
  | ({ kind: "takeIn"; orEnd?: true } & TakenIn)
  | { kind: "answer" | "preAnswer"; leg: LegId }
  | { kind: "hangUp"; leg: LegId; cause: HangupCause }
  | { kind: "afterBridge"; leg: LegId; then: AfterBridge }
  | { kind: "stopPlayback"; leg: LegId }
  | { kind: "playRingback"; leg: LegId }
  | { kind: "setVariable"; leg: LegId; name: string; value: string }
  | { kind: "startRecording" | "stopRecording"; leg: LegId; recording: RecordingId }
  /** A recording that the switch ends by itself. Begun again after a crash, it would write over what it had. */
  | { kind: "recordUntil"; leg: LegId; recording: RecordingId; ends: RecordingEnds }
  /** Where it no longer runs, and nobody said so, `recordingGone` is told. */
  | { kind: "checkRecording"; leg: LegId; recording: RecordingId }
  | { kind: "maskRecording"; leg: LegId; recording: RecordingId; masked: boolean }
  /** `token`: of the membership; done again only where the leg is not seen to be in the room, or to have been. */
  | { kind: "enterRoom"; leg: LegId; room: ConferenceId; token: string; how: EnterRoom }
  | { kind: "leaveRoom" | "keepParked"; leg: LegId }
  /** A file of ours that is heard in the room by those who wait. */
  | { kind: "setRoomMusic"; leg: LegId; room: ConferenceId; file: string }
  | RoomCommand
  | { kind: "armKill"; leg: LegId; group: KillGroup; inSeconds: number; cause: HangupCause }
  /** The end of the leg at a moment, µs since the epoch, whenever this is carried out. */
  | { kind: "cutAt"; leg: LegId; group: KillGroup; atUs: number }
  | { kind: "disarmKill"; leg: LegId; group: KillGroup };

/** What is to be dialled; over which trunk is chosen as it is sent. */
export type Dialling = Omit<Originate, "branches"> & { branches: readonly [DialBranch, ...DialBranch[]] };

export type DialBranch = Omit<Branch, "way"> & {
  way: { kind: "number"; to: `+${string}` } | DeviceWay;
};

/** `box`: where the device is; left out, at the call's own. */
export type DeviceWay = Extract<Way, { kind: "device" }> & { box?: string };

/** What a room's own intents are made of; `box` is where it is. */
export type RoomCommand = { box: string; room: ConferenceId } & (
  | { kind: "changeMember"; leg: LegId; change: MemberChange; music: string | null }
  /** `leg`: heard by that one alone; null: by all. */
  | { kind: "announce"; leg: LegId | null; file: string; token: string }
  | { kind: "endRoom" }
);
export const isOfRoom = (command: Command): command is RoomCommand => "box" in command && "room" in command;

/** Never sent twice: somebody's phone would ring twice, somebody would hear a prompt twice. */
export type AtMostOnceCommand = Extract<
  Command,
  { kind: "originate" | "play" | "sendDigits" | "recordUntil" | "announce" }
>;
export const isAtMostOnce = (command: Command): command is AtMostOnceCommand =>
  ["originate", "play", "sendDigits", "recordUntil", "announce"].includes(command.kind);

/** Takes its time, and nothing of the call waits for it: in a row of its own, which goes once its outcome is stored. */
export type ApartCommand = Extract<Command, { kind: "prepareMedia" | "findHost" | "ask" | "stream" }>;
export const isApart = (command: Command): command is ApartCommand =>
  ["prepareMedia", "findHost", "ask", "stream"].includes(command.kind);

/** A leg's audio to a WebSocket, as the document says. */
export interface StreamRequest extends JsonObject {
  url: string;
  track: "inbound_track" | "outbound_track" | "both_tracks";
  /** What comes back is played to the party. */
  connect: boolean;
  samplingRate: 8000 | 16_000;
  name: string | null;
  metadata: JsonObject;
}

/** The room that a document wants its leg in. */
export interface RoomRequest {
  /** The customer's; of the workspace. */
  name: string;
  /** Of the membership. */
  token: string;
  /** Of the room, where it does not exist yet. */
  maxParticipants: number;
  record: boolean;
  startOnEnter: boolean;
  endOnExit: boolean;
  muted: boolean;
  beep: boolean;
  statusUrl: string | null;
  /** Null: of all. */
  statusEvents: readonly string[] | null;
  /** Whether anything follows in the document. */
  stays: boolean;
}

export type DeviceTarget = { login: string } | { number: string };

/** What a document wants dialled, the first to answer to be joined to the leg that waits. */
export interface DialRequest {
  /** The leg that waits and hears ringback. */
  waiting: LegId;
  to: readonly string[];
  /** Registered devices, in place of numbers: of a login, or of all of a number's. */
  devices?: DeviceTarget;
  /** The same text read as a URI, which counts where the workspace's list has it. */
  uri?: SipUri;
  /** IPv4, of its host; absent: it is to be found first. */
  address?: string;
  /** The waiting leg is not answered yet, and is only by the callee's answer: no announcement before it is let through. */
  untilAnswer?: true;
  /** Owned by the workspace, or refused; default: the call's own. */
  callerId?: string;
  ringTimeoutSeconds: number;
  maxDurationSeconds?: number;
  record: "from-answer" | "from-ringing" | null;
  /** Done before the originate, and only if there is one. */
  prepare: Command[];
}
