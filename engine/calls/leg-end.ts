import type { JsonObject } from "../json.ts";
import type { LegRow } from "../store/calls.ts";
import * as recordings from "../store/recordings.ts";
import { attemptsOfCalls } from "../store/trunks.ts";
import type { HungUp } from "../switch/switch.ts";
import type { CallChange } from "./call-change.ts";
import { callSeconds, cutOff, legView } from "./call-view.ts";
import { endDocument } from "./document-run.ts";
import { oneWayOf } from "./one-way-audio.ts";
import { endFact, isLost, transition, type FailureCode } from "./leg-state.ts";

/** How the end of a leg is known. The first to tell counts; the ledger takes one settlement a leg in any case. */
export type EndedBy =
  /** The switch's hang-up event. */
  | "event"
  /** The switch's end-of-leg record, where the event was missed. */
  | "end_record"
  /** The switch itself died: the last second in which it was proven alive. */
  | "last_proven"
  /** Never dialled, or never known to the switch. */
  | "controller";

/**
 * A leg's end: its state, its charge and CDR, its recordings closed. Late or repeated ends change nothing. Answers
 * whether this was the end.
 */
export async function endLeg(
  change: CallChange,
  leg: LegRow,
  facts: HungUp,
  endedBy: EndedBy,
): Promise<boolean> {
  if (leg.endedAtUs !== null) return false;
  // An answer that was seen stays, whatever the facts of the end have lost; but nobody pays for one that lost the race.
  const answeredAtUs = isLost(facts.cause) ? null : (facts.answeredAtUs ?? leg.answeredAtUs);
  const status = transition(leg.status, endFact(facts.cause, answeredAtUs));
  if (status === "same") return false;
  const startedAtUs = facts.createdAtUs;
  const ringingAtUs = facts.ringingAtUs ?? leg.ringingAtUs;
  if (answeredAtUs !== null || leg.answeredAtUs !== null) await change.changeMeter();
  const settled = await change.parts.settlement.settleLeg(
    change.tx,
    {
      legId: leg.id,
      callId: leg.callId,
      workspaceId: leg.workspaceId,
      direction: leg.direction,
      fromE164: leg.fromE164,
      toE164: leg.toE164,
      startedAtUs,
      ringingAtUs,
      answeredAtUs,
      endedAtUs: facts.endedAtUs,
      rateMicroKesPerMinute: leg.rateMicroKesPerMinute,
      hangupCause: facts.cause,
      sipStatus: facts.sipStatus,
      endedBy,
    },
    change.nowMs,
  );
  const oneWay = answeredAtUs === null ? null : oneWayOf(facts, answeredAtUs);
  change.setLeg(leg, {
    status,
    // What never reached the switch never started.
    startedAtUs: leg.startedAtUs ?? (endedBy === "controller" ? null : startedAtUs),
    ringingAtUs,
    answeredAtUs,
    endedAtUs: facts.endedAtUs,
    hangupCause: facts.cause.toLowerCase(),
    q850: facts.q850,
    sipStatus: facts.sipStatus,
    quality: facts.quality
      ? JSON.stringify({
          mos: facts.quality.mos,
          jitter_ms: facts.quality.jitterMs,
          packet_loss_percent: facts.quality.packetLossPercent,
        })
      : null,
    packetsReceived: facts.audio?.received ?? null,
    packetsSent: facts.audio?.sent ?? null,
    oneWay,
    sipCallId: leg.sipCallId ?? facts.sipCallId,
    endedBy,
    billedSeconds: settled.billedSeconds,
    costMinor: settled.costMinor,
    dialling: null,
  });
  await recordings.finishForLeg(change.tx, leg.id, facts.endedAtUs);
  change.legOver(leg, {
    ...{ status, cause: facts.cause },
    postDialDelayMs: ringingAtUs === null ? null : (ringingAtUs - startedAtUs) / 1000,
  });
  if (facts.audio && oneWay) {
    const { received, sent } = facts.audio;
    const audio = { packets_received: received, packets_sent: sent, one_way: oneWay };
    await change.emit("leg.one_way_audio", { leg_id: leg.id, ...audio }, Math.floor(facts.endedAtUs / 1000));
  }
  await change.emit(
    "leg.ended",
    {
      leg_id: leg.id,
      status,
      hangup_cause: facts.cause.toLowerCase(),
      billed_seconds: settled.billedSeconds,
      cost_minor: settled.costMinor,
      cut_off: cutOff(leg),
      known_by: endedBy,
    },
    Math.floor(facts.endedAtUs / 1000),
  );
  return true;
}

/** The call's fate is its first leg's, or that of the one which tells most where several rang and none answered. */
export function decideFate(change: CallChange, leg: LegRow, failureCode: FailureCode): void {
  change.setCall({
    status: leg.status,
    answeredAtUs: leg.answeredAtUs,
    startedAtUs: change.call.startedAtUs ?? leg.startedAtUs,
    hangupCause: leg.hangupCause,
    // What we ended it for, if we did, says more than how it then ended.
    failureCode: leg.answeredAtUs === null ? (change.call.failureCode ?? failureCode) : null,
  });
  endDocument(change);
}

/** Ends the call once its last leg has ended: then every charge is known, and `call.completed` can tell it. */
export async function endCallIfOver(change: CallChange): Promise<void> {
  const { call, legs, firstLeg } = change;
  if (call.endedAtUs !== null || legs.some((leg) => leg.endedAtUs === null)) return;
  const lastEndedAtUs = Math.max(...legs.map((leg) => leg.endedAtUs ?? 0));
  const endedAtUs = call.answeredAtUs === null ? lastEndedAtUs : (firstLeg.endedAtUs ?? lastEndedAtUs);
  change.setCall({ endedAtUs, document: null, wakeAtMs: null });
  const occurredAtMs = Math.floor(lastEndedAtUs / 1000);
  const endedAt = new Date(Math.floor(endedAtUs / 1000)).toISOString();
  if (call.answeredAtUs === null) {
    const payload = {
      failure_reason: call.status,
      failure_code: call.failureCode,
      hangup_cause: call.hangupCause,
      ended_at: endedAt,
    };
    await change.emit("call.failed", payload, occurredAtMs);
    return;
  }
  const recorded = await recordings.byCall(change.tx, call.workspaceId, call.id);
  const attempts = await attemptsOfCalls(change.tx, [call.id]);
  const views = legs.map((leg) =>
    legView(
      leg,
      0,
      recorded.flatMap((row) => (row.legId === leg.id ? [row.id] : [])),
      attempts.get(leg.id),
    ),
  );
  const payload: JsonObject = {
    duration_seconds: callSeconds(call, 0),
    answered_at: new Date(Math.floor(call.answeredAtUs / 1000)).toISOString(),
    ended_at: endedAt,
    hangup_cause: call.hangupCause,
    cut_off: cutOff(firstLeg),
    cost_minor: legs.reduce((total, leg) => total + (leg.costMinor ?? 0), 0),
    currency: "KES",
    legs: views,
  };
  await change.emit("call.completed", payload, occurredAtMs);
}
