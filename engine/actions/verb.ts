import type { z } from "zod";
import type { ConferenceId, LegId, RecordingId } from "../ids.ts";
import type { JsonObject } from "../json.ts";
import type { Command, DeviceTarget, DialRequest, RoomRequest } from "../calls/command.ts";
import type { AskingKind, CallEventKind } from "../calls/event-kinds.ts";
import type { FailureCode } from "../calls/leg-state.ts";
import type { RefusalReason } from "../policy/refusal.ts";
import type { SipUri } from "../sip/sip-uri.ts";
import type { LegStatus } from "../store/calls.ts";
import type { RecordingEnds, RecordingStopper } from "../switch/switch.ts";
import type { EgressMethod } from "../egress/egress.ts";
import type { StreamReason } from "../streams/stream-end.ts";

/**
 * A voice action. Pure: given where it is and what happened, it says where it is then and what is to be done. Its state
 * is stored with the call after each step, so a controller that was killed goes on from there.
 */
export interface Verb<Spec, State extends JsonObject> {
  name: string;
  /** What it does, for customers: in the OpenAPI document and in docs/events.md. */
  meaning: string;
  /** Of what stands behind the verb in the document; strict, so that a misspelt option never passes. */
  schema: z.ZodType<Spec>;
  /** An inbound call is answered before it begins. The others run unanswered, and what they play is early media. */
  needsAnswer?: true;
  /** Numbers in it, so that one which would be refused is refused when the document is given, not in the call. */
  numbers?(spec: Spec): NumberUse[];
  /** Whom it dials by SIP: devices of nobody of the workspace's, and URIs that its list has not, are refused likewise. */
  devices?(spec: Spec): DeviceUse[];
  /** WebSockets that it opens, so that one which would be refused is refused with the request. `field` as of numbers. */
  sockets?(spec: Spec): UrlUse[];
  /** Where it has us tell of things: checked when the document is given, and again whenever something is told. */
  callbacks?(spec: Spec): UrlUse[];
  /** URLs of audio in it: one of ours that leads to no prompt is refused likewise. */
  media?(spec: Spec): UrlUse[];
  begin(spec: Spec, scene: Scene): Step<State>;
  /** Null: the fact is not this step's business. */
  on(state: State, fact: StepFact, scene: Scene): Step<State> | null;
  /** What is to be undone where another document takes its place. Absent: nothing. */
  drop?(state: State, scene: Scene): Dropped;
}

export interface Dropped {
  effects: Effect[];
  /** Legs whose end the other document waits for. */
  after?: LegId[];
}

/** A number that a document dials, or presents as caller id; `field` is its path as the customer wrote it. */
export interface NumberUse {
  field: string;
  e164: string;
  use: "dialled" | "presented";
}

/** Whom a document dials by SIP: devices, by whose they are, or a URI; where it can be read as either, as both. */
export interface DeviceUse {
  field: string;
  target: DeviceTarget | null;
  uri: SipUri | null;
}

/** A URL in a document; `field` is its path as the customer wrote it. */
export interface UrlUse {
  field: string;
  url: string;
}

/** What a step may know of the call it runs on. */
export interface Scene {
  /** The leg that the document speaks to. */
  leg: LegId;
  /** False while an inbound call rings. */
  answered: boolean;
  /** Of the steady clock, which no step of the host's reaches. */
  nowMs: number;
  /** Unique to this step of this call; ties what comes back to it. */
  token: string;
  /** Whether another action follows. */
  more: boolean;
  /** Whether there is a voice URL; without one, and with no more actions, the call ends after this one. */
  asks: boolean;
  /** Digits that the caller typed and no action has taken yet. */
  typed: string;
}

export interface Step<State> {
  /** Null: the action is over and the next one runs. */
  state: State | null;
  effects: Effect[];
  /** When this step wants to be woken if nothing else happens, ms; every wait ends. */
  wakeAtMs?: number;
  /** What is left of the scene's `typed`; absent: all of it. */
  typed?: string;
}

export type Effect =
  | { kind: "command"; command: Command }
  /** Rated, checked for funds, originated towards the waiting leg: `dialing`, `hostWanted` or `dialRefused` follows at once. */
  | { kind: "dial"; request: DialRequest }
  /** Made a member of a room, and on its way there: `roomJoined` or `roomRefused` follows at once. */
  | { kind: "enterRoom"; request: RoomRequest }
  /** A file of ours that those who wait in the room hear. */
  | { kind: "roomMusic"; room: ConferenceId; file: string }
  /** Out of the room, or no longer on its way there; where it was inside, `roomLeft` follows once it is out. */
  | { kind: "leaveRoom"; room: ConferenceId; reason: "directed" | "failed" }
  /** A recording of the leg; a `recordingBegun` fact follows at once. `trim`: without the silence at its ends. */
  | { kind: "record"; ends: RecordingEnds; trim: boolean }
  /** An event on the call; kinds `call.*` are also told by webhook, and others to whom the action names. */
  | { kind: "event"; event: CallEventKind; payload: JsonObject; also?: StatusTarget }
  /**
   * Told as an event, and the voice URL, or the one given, is asked what comes next. Its document replaces this one;
   * without one the next action runs.
   */
  | { kind: "ask"; event: AskingKind; payload: JsonObject; url?: string; method?: EgressMethod }
  /** `cause`: what a caller who is not answered yet is refused with; default: rejected. */
  | { kind: "hangUp"; cause?: "CALL_REJECTED" | "USER_BUSY" };

/** Why a number was not dialled. `reason`: the policy's; null: the number was none, or no device is registered. */
export interface DialRefusal {
  to: string;
  code: string;
  reason: RefusalReason | null;
  message: string;
}

export type StepFact =
  | { kind: "wake" }
  /**
   * The leg was taken up again: by another controller, or after the switch was away. What was typed meanwhile is lost, and
   * what ended has been told by now: a wait for either begins anew, since nobody is to pay for our absence.
   */
  | { kind: "adopted" }
  /** `insteadOf`: why the file is something else than was asked for. */
  | { kind: "mediaReady"; token: string; file: string; durationMs: number; insteadOf?: string }
  /** `origin`: what the audio's server did, where it is that which failed. */
  | {
      kind: "mediaFailed";
      token: string;
      reason: string;
      origin?: { status: number | null; fault: string | null };
    }
  | { kind: "playbackEnded"; token: string; outcome: "played" | "notFound" | "failed" }
  /** Typed by the caller, or by whoever was dialled. */
  | { kind: "digit"; leg: LegId; digit: string }
  | { kind: "recordingBegun"; recording: RecordingId }
  /** Of any recording of the call. `unknown`: it was found ended; `nobody`: it never began. */
  | {
      kind: "recordingEnded";
      recording: RecordingId;
      by: RecordingStopper | "unknown" | "nobody";
      lengthMs: number | null;
    }
  /** Which legs are dialled, and which numbers were left out, and why. */
  | {
      kind: "dialing";
      legs: readonly { leg: LegId; to: string }[];
      refused: readonly DialRefusal[];
    }
  /** Of whom it is that is to be dialled, with the address: a `findHost` of the step's own. */
  | { kind: "hostWanted"; host: string }
  | { kind: "hostFound"; token: string; address: string }
  | { kind: "hostRefused"; token: string; code: string; message: string }
  /** Nobody is dialled. */
  | ({ kind: "dialRefused" } & Omit<DialRefusal, "to">)
  /** It is on its way there. */
  | { kind: "roomJoined"; room: ConferenceId }
  | { kind: "roomRefused"; reason: RoomRefusal }
  /** It is in there, or out again; `hungUp`: and on its way to its end. */
  | { kind: "roomEntered"; room: ConferenceId; leg: LegId }
  | { kind: "roomLeft"; room: ConferenceId; leg: LegId; hungUp: boolean }
  | { kind: "legAnswered"; leg: LegId }
  /** The bot hears the call. `resumed`: anew, since the process that had opened it is gone. */
  | { kind: "streamStarted"; token: string; stream: string; resumed: boolean }
  | {
      kind: "streamEnded";
      token: string;
      reason: StreamReason;
      /** The bot's, of its WebSocket. */
      closeCode: number | null;
      /** HTTP's, where the answer was no WebSocket. */
      status: number | null;
      /** Messages with audio to the bot, those left out since it did not read, and the bot's own. */
      sent: number;
      dropped: number;
      received: number;
    }
  /** Two legs hear each other: early media, or the answer. */
  | { kind: "legsBridged"; legs: readonly LegId[] }
  | {
      kind: "legEnded";
      leg: LegId;
      status: LegStatus;
      billedSeconds: number;
      failureCode: FailureCode | null;
    };

/** Whom a document wants told of what becomes of an action of it; `kinds` null: of all. */
export interface StatusTarget {
  url: string;
  kinds: readonly string[] | null;
}

/** `other_box`: the room is on another media server than the leg. */
export type RoomRefusal = "full" | "locked" | "other_box";

/** An effect that is nothing but a command. */
export const command = (command: Command): Effect => ({ kind: "command", command });

/** A step that goes on, or is over. */
export const stay = <State extends JsonObject>(
  state: State,
  effects: Effect[],
  wakeAtMs?: number,
): Step<State> => (wakeAtMs === undefined ? { state, effects } : { state, effects, wakeAtMs });
export const done = (effects: Effect[] = []): { state: null; effects: Effect[] } => ({
  state: null,
  effects,
});
