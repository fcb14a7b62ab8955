import { steadyUs } from "../clock.ts";
import type { CallId, LegId, RecordingId } from "../ids.ts";
import type { Destination } from "../policy/destinations.ts";
import { insertLeg, type CallRow, type LegRow } from "../store/calls.ts";
import * as recordings from "../store/recordings.ts";
import type { CallChange } from "./call-change.ts";
import type { RecordFrom } from "./call-request.ts";
import type { Command, DeviceWay, DialBranch, Dialling } from "./command.ts";
import { secondsAtDialling } from "./cut-off.ts";

/** A call as it begins. */
export const newCall = (
  call: Omit<
    CallRow,
    | "sipCredentialId"
    | "wakeAtMs"
    | "hangupRequestedAtMs"
    | "lastPosition"
    | "lastSequence"
    | "hangupCause"
    | "failureCode"
    | "answeredAtUs"
    | "endedAtUs"
    | "updatedAtMs"
  > &
    Partial<Pick<CallRow, "sipCredentialId">>,
): CallRow => ({
  sipCredentialId: null,
  ...call,
  wakeAtMs: null,
  hangupRequestedAtMs: null,
  lastPosition: 0,
  lastSequence: 0,
  hangupCause: null,
  failureCode: null,
  answeredAtUs: null,
  endedAtUs: null,
  updatedAtMs: call.createdAtMs,
});

export function newLeg(
  leg: Pick<
    LegRow,
    | "id"
    | "callId"
    | "workspaceId"
    | "position"
    | "box"
    | "fromE164"
    | "toE164"
    | "rateMicroKesPerMinute"
    | "maxDurationSeconds"
    | "cutAfterSeconds"
    | "createdAtMs"
  > &
    Partial<
      Pick<
        LegRow,
        "kind" | "direction" | "country" | "channelUuid" | "sipCallId" | "dialledAtMs" | "startedAtUs"
      >
    >,
): LegRow {
  return {
    kind: "pstn",
    direction: "outbound",
    country: null,
    status: "initiated",
    channelUuid: null,
    sipCallId: null,
    dialledAtMs: null,
    startedAtUs: null,
    ...leg,
    ringingAtUs: null,
    answeredAtUs: null,
    endedAtUs: null,
    bridgedTo: null,
    cutAtUs: null,
    cutGeneration: 0,
    seenAtUs: null,
    hangupCause: null,
    q850: null,
    sipStatus: null,
    quality: null,
    packetsReceived: null,
    packetsSent: null,
    oneWay: null,
    endedBy: null,
    billedSeconds: null,
    costMinor: null,
    trunk: null,
    dialling: null,
  };
}

/** Chosen before the switch hears of it, so that no file of the switch's is unknown to us. */
export async function newRecording(
  change: CallChange,
  leg: LegRow,
  {
    trim = false,
    askedInCall = true,
    createdAtMs = change.nowMs,
  }: { trim?: boolean; askedInCall?: boolean; createdAtMs?: number } = {},
): Promise<RecordingId> {
  const id = change.parts.ids.next("rec");
  const { callId, workspaceId, box } = leg;
  await recordings.insert(change.tx, {
    id,
    callId,
    legId: leg.id,
    workspaceId,
    box,
    status: "starting",
    askedInCall,
    trim,
    createdAtMs,
  });
  return id;
}

/** Ends one that runs; one that is stopping, or has ended, is left as it is. */
export async function stopRecording(change: CallChange, leg: LegId, recording: RecordingId): Promise<void> {
  const running = ["starting", "recording", "paused"] as const;
  if (!(await recordings.markStatus(change.tx, recording, running, "stopping"))) return;
  change.intend({ kind: "stopRecording", leg, recording });
  await change.emit("recording.stopping", { recording_id: recording, leg_id: leg });
}

/** A leg that is to be dialled, with what the switch holds for it. */
interface ToDial {
  id: LegId;
  callId: CallId;
  traceId: string | null;
  way: DialBranch["way"];
  callerId: string;
  ringTimeoutSeconds: number;
  /** From the answer; the switch then ends the leg. */
  cutAfterSeconds: number;
  record: { recording: RecordingId; from: RecordFrom } | null;
}

/** One originate of these legs, of which the first to answer parks, or joins the leg that waits for it. */
export function originateOf(
  legs: readonly [ToDial, ...ToDial[]],
  waiting?: LegId,
  untilAnswer = false,
): Dialling {
  const [first, ...others] = legs;
  return {
    then: waiting === undefined ? { kind: "park" } : { kind: "intercept", leg: waiting },
    // A lone leg that joins a waiting one lets the carrier's announcement through, and one that is recorded from ringing
    // lets it into the file, which stays empty of it where the switch ignores early media. Of several the first with an
    // announcement would win.
    // One who waits unanswered would be answered by the first sound of it, and hold that for the callee's answer.
    ignoreEarlyMedia:
      untilAnswer || others.length > 0 || (waiting === undefined && first.record?.from !== "from-ringing"),
    branches: [branchOf(first, waiting), ...others.map((leg) => branchOf(leg, waiting))],
  };
}

const branchOf = (leg: ToDial, waiting: LegId | undefined): DialBranch => ({
  leg: leg.id,
  call: leg.callId,
  ...(leg.traceId === null ? {} : { trace: leg.traceId }),
  way: leg.way,
  callerId: leg.callerId,
  ringTimeoutSeconds: leg.ringTimeoutSeconds,
  maxSeconds: leg.cutAfterSeconds,
  cutGroup: `cut-${leg.id}-0`,
  ...(leg.record
    ? {
        record: {
          recording: leg.record.recording,
          from: leg.record.from === "from-answer" ? "answer" : "media",
        },
      }
    : {}),
  ...(waiting === undefined ? {} : { disarmOnAnswer: `idle-${waiting}` as const }),
});

/** What legs that are dialled together have in common. */
interface Together {
  callerId: string;
  ringTimeoutSeconds: number;
  maxDurationSeconds: number;
  record: RecordFrom | null;
  waiting?: LegId;
  untilAnswer?: true;
}

/** Whom a leg is dialled to: a number, over a trunk, or one binding of a device. */
export interface Callee extends Destination {
  device?: DeviceWay;
}

/** Adds a leg for each of them to the call, and has them dialled as one, behind `prepare`. */
export async function dialTogether(
  change: CallChange,
  box: string,
  destinations: readonly Callee[],
  { callerId, ringTimeoutSeconds, maxDurationSeconds, record, waiting, untilAnswer }: Together,
  prepare: readonly Command[] = [],
): Promise<LegRow[]> {
  const { call, tx, parts } = change;
  const added: LegRow[] = [];
  const toDial: ToDial[] = [];
  for (const callee of destinations) {
    const { device, ...destination } = callee;
    const limits = { ...destination, maxDurationSeconds };
    const leg = newLeg({
      id: parts.ids.next("leg"),
      callId: call.id,
      workspaceId: call.workspaceId,
      position: change.legs.length,
      kind: device === undefined ? "pstn" : "sip",
      box,
      fromE164: callerId,
      toE164: destination.e164,
      country: destination.country,
      rateMicroKesPerMinute: destination.rateMicroKesPerMinute,
      maxDurationSeconds,
      cutAfterSeconds: await secondsAtDialling(tx, call.workspaceId, limits, steadyUs(parts.clock)),
      createdAtMs: change.nowMs,
    });
    await insertLeg(tx, leg);
    change.legs.push(leg);
    added.push(leg);
    const recording = record && {
      recording: await newRecording(change, leg, { askedInCall: false }),
      from: record,
    };
    toDial.push({
      way: device === undefined ? { kind: "number", to: destination.e164 as `+${string}` } : device,
      ...{ id: leg.id, callId: call.id, traceId: call.traceId, callerId, ringTimeoutSeconds },
      ...{ cutAfterSeconds: leg.cutAfterSeconds, record: recording },
    });
  }
  const [first, ...others] = toDial;
  if (!first) throw new Error(`Nobody is to be dialled for ${call.id}.`);
  change.intend(...prepare, {
    kind: "originate",
    originate: originateOf([first, ...others], waiting, untilAnswer),
  });
  return added;
}
