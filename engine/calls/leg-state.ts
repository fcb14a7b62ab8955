import type { LegStatus } from "../store/calls.ts";
import type { HangupCause } from "../switch/switch.ts";

/**
 * A leg's whole life. What each side has seen by then:
 *
 *     initiated ──▶ ringing ──▶ answered ──▶ completed
 *         │            │            the far end talks, the meter runs; its end is a charge
 *         │            └─▶ busy, no_answer, canceled, failed: the far end (or we) ended it unanswered, free
 *         └─ dialled, nothing heard; every state after it can come first, since events get lost
 *
 * A leg that came to us is `initiated` when it is taken in and rings from then on; its answer is ours.
 *
 * A late or repeated fact is normal and changes nothing ("same"); nothing leaves a terminal state.
 */
export const legStatuses = [
  "initiated",
  "ringing",
  "answered",
  "completed",
  "no_answer",
  "busy",
  "canceled",
  "failed",
] as const satisfies readonly LegStatus[];

export const legFacts = [
  "created",
  "ringing",
  "earlyMedia",
  "answered",
  /** Ended, and the switch's stamps say that it had been answered. */
  "endedAnswered",
  "endedBusy",
  "endedNoAnswer",
  "endedCanceled",
  "endedFailed",
  /** Another of those that rang with it has the call. */
  "endedLost",
] as const;
export type LegFact = (typeof legFacts)[number];

type Row = Record<LegFact, LegStatus | "same">;

const ended: Row = {
  created: "same",
  ringing: "same",
  earlyMedia: "same",
  answered: "same",
  endedAnswered: "same",
  endedBusy: "same",
  endedNoAnswer: "same",
  endedCanceled: "same",
  endedFailed: "same",
  endedLost: "same",
};

const unanswered: Row = {
  created: "same",
  ringing: "ringing",
  earlyMedia: "ringing",
  answered: "answered",
  endedAnswered: "completed",
  endedBusy: "busy",
  endedNoAnswer: "no_answer",
  endedCanceled: "canceled",
  endedFailed: "failed",
  endedLost: "canceled",
};

const table: Record<LegStatus, Row> = {
  initiated: unanswered,
  ringing: { ...unanswered, ringing: "same", earlyMedia: "same" },
  // An answer that we saw is an answer, whatever a later fact says of it.
  answered: {
    created: "same",
    ringing: "same",
    earlyMedia: "same",
    answered: "same",
    endedAnswered: "completed",
    endedBusy: "completed",
    endedNoAnswer: "completed",
    endedCanceled: "completed",
    endedFailed: "completed",
    // Of several that answer in the same 20 ms the switch keeps one; with this one nobody talked.
    endedLost: "canceled",
  },
  completed: ended,
  no_answer: ended,
  busy: ended,
  canceled: ended,
  failed: ended,
};

/** Pure: sends, stores and times nothing. "same": the fact is late or repeated. */
export const transition = (status: LegStatus, fact: LegFact): LegStatus | "same" => table[status][fact];

/** Causes that name an outcome of an unanswered leg; every other one is `endedFailed`. */
const outcomes: Record<string, LegFact> = {
  USER_BUSY: "endedBusy",
  NO_ANSWER: "endedNoAnswer",
  NO_USER_RESPONSE: "endedNoAnswer",
  PROGRESS_TIMEOUT: "endedNoAnswer",
  // Unanswered, the switch's own timer of a branch: leg_timeout ends so.
  ALLOTTED_TIMEOUT: "endedNoAnswer",
  ORIGINATOR_CANCEL: "endedCanceled",
  PICKED_OFF: "endedCanceled",
  MANAGER_REQUEST: "endedCanceled",
  NORMAL_CLEARING: "endedCanceled",
};

/** The switch ends so whoever rang beside the leg that it keeps, answered or not. */
export const isLost = (cause: string): boolean => cause === "LOSE_RACE";

export function endFact(cause: HangupCause, answeredAtUs: number | null): LegFact {
  if (isLost(cause)) return "endedLost";
  return answeredAtUs !== null ? "endedAnswered" : (outcomes[cause] ?? "endedFailed");
}

/** Why a call or leg has no answer: the contract's closed list, for `failure_code`. */
export const failureCodes = {
  busy: "The callee was busy.",
  no_answer: "Nobody answered in time.",
  canceled: "The call was ended before it was answered; an inbound one by its caller.",
  rejected:
    "The callee or the carrier declined the call; an inbound one we did, as its document or the API said.",
  unallocated_number: "The number is not in service.",
  unreachable: "The network has no way to that number just now.",
  carrier_failure: "The carrier failed or was congested.",
  media_mismatch: "No common audio codec.",
  voice_url_failed: "The voice URL of an inbound call gave no valid answer, or there is none.",
  switch_failed: "The media server went down during the call.",
  controller_restarted:
    "The controller was restarted before it knew that the media server took the call; it was not dialled again.",
  not_sent: "No media server took the call within 10 s; it was not dialled.",
  not_taken_in: "The media server refused to take the device's call in; nobody was dialled.",
  no_trunk: "No trunk that carries the number is up and has room; it was not dialled.",
  other: "See hangup_cause.",
} as const;
export type FailureCode = keyof typeof failureCodes;

const codeByCause: Record<string, FailureCode> = {
  USER_BUSY: "busy",
  NO_ANSWER: "no_answer",
  NO_USER_RESPONSE: "no_answer",
  PROGRESS_TIMEOUT: "no_answer",
  ALLOTTED_TIMEOUT: "no_answer",
  ORIGINATOR_CANCEL: "canceled",
  LOSE_RACE: "canceled",
  PICKED_OFF: "canceled",
  MANAGER_REQUEST: "canceled",
  NORMAL_CLEARING: "canceled",
  CALL_REJECTED: "rejected",
  UNALLOCATED_NUMBER: "unallocated_number",
  INVALID_NUMBER_FORMAT: "unallocated_number",
  NUMBER_CHANGED: "unallocated_number",
  NO_ROUTE_DESTINATION: "unreachable",
  SUBSCRIBER_ABSENT: "unreachable",
  USER_NOT_REGISTERED: "unreachable",
  DESTINATION_OUT_OF_ORDER: "carrier_failure",
  NETWORK_OUT_OF_ORDER: "carrier_failure",
  NORMAL_TEMPORARY_FAILURE: "carrier_failure",
  NORMAL_CIRCUIT_CONGESTION: "carrier_failure",
  SWITCH_CONGESTION: "carrier_failure",
  RECOVERY_ON_TIMER_EXPIRE: "carrier_failure",
  GATEWAY_DOWN: "carrier_failure",
  INVALID_GATEWAY: "carrier_failure",
  INCOMPATIBLE_DESTINATION: "media_mismatch",
};

/** What we refuse a caller with has its own meaning. */
const inboundCodeByCause: Record<string, FailureCode> = {
  NORMAL_TEMPORARY_FAILURE: "voice_url_failed",
  SUBSCRIBER_ABSENT: "voice_url_failed",
};

export const failureCodeOf = (
  cause: HangupCause,
  direction: "outbound" | "inbound" = "outbound",
): FailureCode =>
  (direction === "inbound" ? inboundCodeByCause[cause] : undefined) ?? codeByCause[cause] ?? "other";

/**
 * Which end tells most where several were rung and nobody answered, the most telling first: that it was given up, then
 * what a person did, then what the network said, then what failed on our side.
 */
const tellingOrder: readonly FailureCode[] = [
  "canceled",
  "rejected",
  "busy",
  "no_answer",
  "unallocated_number",
  "unreachable",
  "media_mismatch",
  "carrier_failure",
  "other",
  "switch_failed",
  "controller_restarted",
  "not_sent",
  "not_taken_in",
  "no_trunk",
  "voice_url_failed",
];

/** Of equals the last. Undefined: there is none. */
export function mostTelling<End extends { failureCode: FailureCode }>(ends: readonly End[]): End | undefined {
  const rank = ({ failureCode }: End) => tellingOrder.indexOf(failureCode);
  return ends.reduce<End | undefined>(
    (best, end) => (best === undefined || rank(end) <= rank(best) ? end : best),
    undefined,
  );
}
