import { rfc3339Ms, rfc3339Seconds, rfc3339Us } from "../clock.ts";
import type { JsonObject } from "../json.ts";
import { accruedMinor } from "../metering/accrual.ts";
import { billedSeconds } from "../metering/price.ts";
import { parseObject, type CallEventRow, type CallRow, type LegRow } from "../store/calls.ts";
import type { SipMessageRow } from "../store/sip-messages.ts";
import type { AttemptRow } from "../store/trunks.ts";
import { cutOffBy } from "./cut-off.ts";

/** A leg as the API and `call.completed` show it; while it talks, seconds and cost are those of `nowUs`. */
export function legView(
  leg: LegRow,
  nowUs: number,
  recordingIds: readonly string[] = [],
  attempts: readonly AttemptRow[] = [],
): JsonObject {
  return {
    id: leg.id,
    kind: leg.kind,
    direction: leg.direction,
    from: leg.fromE164,
    to: leg.toE164,
    status: leg.status,
    started_at: timeUs(leg.startedAtUs),
    answered_at: timeUs(leg.answeredAtUs),
    ended_at: timeUs(leg.endedAtUs),
    billed_seconds: leg.billedSeconds ?? billedSeconds(leg.answeredAtUs, leg.endedAtUs ?? nowUs),
    rate_per_minute_minor: ratePerMinuteMinor(leg),
    cost_minor: leg.costMinor ?? accruedMinor([leg], leg.endedAtUs ?? nowUs),
    hangup_cause: leg.hangupCause,
    cut_off: cutOff(leg),
    q850: leg.q850,
    sip_status: leg.sipStatus,
    quality: leg.quality === null ? null : parseObject(leg.quality),
    audio:
      leg.packetsReceived === null
        ? null
        : {
            packets_received: leg.packetsReceived,
            packets_sent: leg.packetsSent,
            one_way: leg.oneWay,
          },
    recording_ids: [...recordingIds],
    attempts: attempts.map(attemptView),
  };
}

const attemptView = (attempt: AttemptRow): JsonObject => ({
  trunk: attempt.trunk,
  sip_status: attempt.sipStatus,
  hangup_cause: attempt.hangupCause,
  started_at: timeUs(attempt.startedAtUs),
  ended_at: timeUs(attempt.endedAtUs),
});

/** What the switch ended a leg for; null: neither for its longest time nor for the workspace's money. */
export const cutOff = (leg: LegRow): "max_duration" | "wallet" | null =>
  leg.endedAtUs !== null && leg.answeredAtUs !== null && leg.hangupCause === "allotted_timeout"
    ? cutOffBy(leg, leg.answeredAtUs)
    : null;

/** Seconds from the first leg's answer to its end, rounded up; live while it talks. */
export function callSeconds(call: CallRow, nowUs: number): number {
  return billedSeconds(call.answeredAtUs, call.endedAtUs ?? nowUs);
}

export interface CallParts {
  call: CallRow;
  legs: readonly LegRow[];
  events: readonly CallEventRow[];
  /** Recording ids by leg id, oldest first. */
  recordings: ReadonlyMap<string, readonly string[]>;
  /** By leg id, in their order. */
  attempts: ReadonlyMap<string, readonly AttemptRow[]>;
}

/** The call as `GET /v1/calls/{id}` shows it. Without `events` (lists) that field is left empty. */
export function callView({ call, legs, events, recordings, attempts }: CallParts, nowUs: number): JsonObject {
  const views = legs.map((leg) => legView(leg, nowUs, recordings.get(leg.id), attempts.get(leg.id)));
  const [first] = legs;
  // A device's own leg stands before the one that is paid for.
  const priced = legs.find((leg) => leg.kind === "pstn") ?? first;
  return {
    id: call.id,
    workspace_id: call.workspaceId,
    session_id: call.id,
    direction: call.direction,
    from: call.fromE164,
    to: call.toE164,
    local_e164: call.direction === "outbound" ? call.fromE164 : call.toE164,
    remote_e164: call.direction === "outbound" ? call.toE164 : call.fromE164,
    country: call.country,
    status: call.status,
    created_at: rfc3339Seconds(call.createdAtMs),
    started_at: timeUs(call.startedAtUs),
    answered_at: timeUs(call.answeredAtUs),
    ended_at: timeUs(call.endedAtUs),
    duration_seconds: callSeconds(call, first?.endedAtUs ?? nowUs),
    hangup_cause: call.hangupCause,
    failure_code: call.failureCode,
    cost_minor: sum(views.map((view) => view["cost_minor"] as number)),
    cost_currency: "KES",
    rate_per_minute_minor: priced ? ratePerMinuteMinor(priced) : null,
    client_request_id: call.clientRequestId,
    metadata: call.metadata === null ? null : parseObject(call.metadata),
    legs: views,
    events: events.map(eventView),
    trace_id: call.traceId,
    updated_at: rfc3339Seconds(call.updatedAtMs),
  };
}

export const eventView = (event: CallEventRow): JsonObject => ({
  id: event.id,
  call_id: event.callId,
  kind: event.kind,
  payload: parseObject(event.payload),
  occurred_at: rfc3339Ms(event.occurredAtMs),
  created_at: rfc3339Ms(event.createdAtMs),
});

export const sipMessageView = (row: SipMessageRow): JsonObject => ({
  at: rfc3339Us(row.atUs),
  direction: row.direction,
  leg_id: row.legId,
  method: row.method,
  summary: row.summary,
  transport: row.transport,
  message: row.message,
});

/** Rates are micro-KES per minute; a cent is 10 000 of them. Fractions of a cent stay visible. */
const ratePerMinuteMinor = (leg: LegRow) => leg.rateMicroKesPerMinute / 10_000;
const timeUs = (us: number | null) => (us === null ? null : rfc3339Ms(Math.floor(us / 1000)));
const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0);
