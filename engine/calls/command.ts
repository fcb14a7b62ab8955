import type { EgressMethod } from "../egress/egress.ts";
import type { EventId, LegId, RecordingId } from "../ids.ts";
import type { JsonObject } from "../json.ts";
import type { MediaSource } from "../media/media-source.ts";
import type {
  AfterBridge,
  HangupCause,
  KillGroup,
  Originate,
  RecordingEnds,
  TakenIn,
} from "../switch/switch.ts";

/**
 * What the controller has decided and not yet done, as data: stored with the decision, carried out after the commit.
 * All but originate, play, digits and recordUntil are repeatable: redone after a crash, to the same effect.
 */
export type Command =
  | { kind: "originate"; originate: Originate }
  /** `file`: of ours, or the beep. */
  | { kind: "play"; leg: LegId; file: string; token: string; loops: number }
  | { kind: "prepareMedia"; source: MediaSource; token: string }
  /** An event of the call as a question; asked again after a crash, with the same event id. */
  | { kind: "ask"; event: EventId; url: string; method: EgressMethod; token: string }
  /** Runs until the WebSocket closes; opened anew after a crash. */
  | { kind: "stream"; leg: LegId; token: string; request: StreamRequest }
  | { kind: "endStream"; leg: LegId; token: string }
  | { kind: "sendDigits"; leg: LegId; digits: string }
  /** The first thing that is done to a leg that came to us; done again after a crash, so is the answer behind it. */
  | ({ kind: "takeIn" } & TakenIn)
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
  | { kind: "armKill"; leg: LegId; group: KillGroup; inSeconds: number; cause: HangupCause }
  /** The end of the leg at a moment, µs since the epoch, whenever this is carried out. */
  | { kind: "cutAt"; leg: LegId; group: KillGroup; atUs: number }
  | { kind: "disarmKill"; leg: LegId; group: KillGroup };

/** Never sent twice: somebody's phone would ring twice, somebody would hear a prompt twice. */
export type AtMostOnceCommand = Extract<
  Command,
  { kind: "originate" | "play" | "sendDigits" | "recordUntil" }
>;
export const isAtMostOnce = (command: Command): command is AtMostOnceCommand =>
  ["originate", "play", "sendDigits", "recordUntil"].includes(command.kind);

/** Takes its time, and nothing of the call waits for it: in a row of its own, which goes once its outcome is stored. */
export type ApartCommand = Extract<Command, { kind: "prepareMedia" | "ask" | "stream" }>;
export const isApart = (command: Command): command is ApartCommand =>
  ["prepareMedia", "ask", "stream"].includes(command.kind);

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

/** What a document wants dialled, the first to answer to be joined to the leg that waits. */
export interface DialRequest {
  /** The leg that waits and hears ringback. */
  waiting: LegId;
  to: readonly string[];
  /** Owned by the workspace, or refused; default: the call's own. */
  callerId?: string;
  ringTimeoutSeconds: number;
  maxDurationSeconds?: number;
  record: "from-answer" | "from-ringing" | null;
  /** Done before the originate, and only if there is one. */
  prepare: Command[];
}
