import { steadyUs } from "../clock.ts";
import { numberFromCarrier, parseE164 } from "../e164.ts";
import type { CallId, LegId } from "../ids.ts";
import { rateFor } from "../metering/rates.ts";
import type { RefusalReason } from "../policy/refusal.ts";
import { hasFunds } from "../policy/spending.ts";
import {
  channelOf,
  countLiveCalls,
  insertCall,
  insertLeg,
  legOfChannel,
  type CallRow,
  type LegRow,
} from "../store/calls.ts";
import { forgetGone, howGone } from "../store/gone-callers.ts";
import { noteTicketRefused, useTicket } from "../store/edge-tickets.ts";
import type { Tx } from "../store/store.ts";
import { useRelay } from "../store/relays.ts";
import { isInService, numberByE164, type NumberRow } from "../store/numbers.ts";
import { keepWorkspace } from "../store/workspaces.ts";
import { newTrace, type Trace } from "../trace.ts";
import { isDeviceContact } from "../switch/devices.ts";
import { isCause } from "../switch/events.ts";
import type { Arrival, HangupCause, HungUp, RelayedRing } from "../switch/switch.ts";
import { CallChange } from "./call-change.ts";
import type { CallOptions } from "./call-request.ts";
import type { ChangeParts, Drains } from "./change-parts.ts";
import { secondsAtDialling } from "./cut-off.ts";
import { newCall, newLeg } from "./dialing.ts";
import type { DocumentRun } from "./document-run.ts";
import { takeLegNews } from "./leg-progress.ts";

/** A caller waits so long for an answer at most, and talks so long; the switch itself holds both. */
const ringSecondsMax = 120;
const maxDurationSeconds = 14_400;

/** Who hides their number, or has one that nobody can call back. */
export const anonymous = "anonymous";

/** Why nobody takes a caller in, and what their network is told: 404, 480, 603, 486, 403, 503. */
const refusals = {
  unknown_number: "UNALLOCATED_NUMBER",
  suspended_number: "SUBSCRIBER_ABSENT",
  workspace_frozen: "CALL_REJECTED",
  concurrency_limit: "USER_BUSY",
  no_rate: "SUBSCRIBER_ABSENT",
  no_funds: "SUBSCRIBER_ABSENT",
  no_ticket: "INCOMING_CALL_BARRED",
  draining: "NORMAL_TEMPORARY_FAILURE",
} as const satisfies Record<string, HangupCause>;
export type Refusal = keyof typeof refusals | RefusalReason | "unknown_login";

export type Taken =
  | { kind: "stored" }
  /** Stored, and over: they had gone before word of their coming was heard. */
  | { kind: "gone" }
  /** Taken in before: by a controller that died, or told of twice. */
  | { kind: "known"; leg: LegRow }
  | { kind: "refused"; why: Refusal; cause: HangupCause }
  /** Another box's leg: a device is rung for it, and that is all. Null: it is, or was to be. */
  | { kind: "relayed"; ring: RelayedRing | null };

/**
 * Stores a call that came to the switch, has it taken in there and its voice URL asked. Refused, nothing is stored but
 * that its ticket is used. The ids are chosen beforehand, since the leg's events follow at once.
 */
export async function takeInCall(
  tx: Tx,
  parts: ChangeParts & { ticketed: (source: string | null) => boolean; drains: Drains },
  arrival: Arrival,
  ids: { call: CallId; leg: LegId },
  document: DocumentRun,
): Promise<Taken> {
  const before = await legOfChannel(tx, arrival.uuid);
  if (before) return { kind: "known", leg: before };
  if (arrival.relay !== null) return takeInRelayed(tx, parts, arrival, arrival.relay);
  if (!parts.ticketed(arrival.address)) {
    // The edge passes over such a box by itself, and what it let through is taken; by 503 a carrier goes on to the next.
    if (parts.drains.isDraining(arrival.box)) return refuse("draining");
    return takeInAdmitted(tx, parts, arrival, ids, document);
  }
  const { ticket, to: dialled } = arrival;
  const use = ticket === null ? null : await useTicket(tx, { ticket, dialled, nowMs: parts.clock.nowMs() });
  if (ticket === null || use === null) return refuse("no_ticket");
  if (use.kind === "again") return { kind: "refused", why: "no_ticket", cause: again(use.cause) };
  const taken = await takeInAdmitted(tx, parts, arrival, ids, document);
  if (taken.kind === "refused") await noteTicketRefused(tx, ticket, taken.cause);
  return taken;
}

/** Whoever shows a ticket of that kind is another box, and never a caller. */
async function takeInRelayed(
  tx: Tx,
  { clock }: ChangeParts,
  { box, uuid }: Arrival,
  ticket: string,
): Promise<Taken> {
  const relay = await useRelay(tx, { ticket, box, channel: uuid, nowMs: clock.nowMs() });
  if (!relay) return refuse("no_ticket");
  // Told of twice. Should whoever took it have died before the device rang, its time runs out.
  if (relay === "again") return { kind: "relayed", ring: null };
  const { legId, contact, encrypted, fromE164, traceId, ringSeconds } = relay;
  if (!isDeviceContact(contact)) throw new Error(`Nobody can be dialled by what is kept for ${legId}.`);
  return {
    kind: "relayed",
    ring: {
      leg: legId,
      device: { kind: "device", contact, ...(encrypted === null ? {} : { encrypted }) },
      ...{ callerId: fromE164, ringSeconds },
      ...(traceId === null ? {} : { trace: traceId }),
    },
  };
}

/**
 * The edge sends a call that one box refused on to the next, and answers with the better of the two: the same once more
 * where the first was refused, and else 503, which no answer of a box that had the call loses to.
 */
function again(cause: string | null): HangupCause {
  const first = cause ?? undefined;
  return isCause(first) ? first : "NORMAL_TEMPORARY_FAILURE";
}

async function takeInAdmitted(
  tx: Tx,
  parts: ChangeParts,
  arrival: Arrival,
  ids: { call: CallId; leg: LegId },
  document: DocumentRun,
): Promise<Taken> {
  const to = numberFromCarrier(arrival.to);
  const seen = to === null ? undefined : await numberByE164(tx, to);
  if (!seen) return refuse("unknown_number");
  const workspace = await keepWorkspace(tx, seen.workspaceId);
  if (!workspace) throw new Error(`Number ${seen.id} has no workspace.`);
  // As it is now: what moves a number keeps its workspace first.
  const number = await numberByE164(tx, seen.e164);
  if (number?.workspaceId !== workspace.id) return refuse("unknown_number");
  if (!isInService(number)) return refuse("suspended_number");
  if (workspace.frozenAtMs !== null) return refuse("workspace_frozen");
  if ((await countLiveCalls(tx, workspace.id)) >= workspace.concurrentCalls)
    return refuse("concurrency_limit");
  const from = numberFromCarrier(arrival.from) ?? anonymous;
  const nowMs = parts.clock.nowMs();
  const rate = await rateFor(tx, {
    ...{ workspaceId: workspace.id, legKind: "pstn", direction: "inbound" },
    ...{ remoteE164: from, atMs: nowMs },
  });
  if (!rate) return refuse("no_rate");
  const paid = { rateMicroKesPerMinute: rate.microKesPerMinute };
  if (!(await hasFunds(tx, workspace.id, [paid], steadyUs(parts.clock)))) return refuse("no_funds");

  const call = callRow(ids.call, number, arrival, { from, nowMs, trace: newTrace(parts.ids) });
  const leg = newLeg({
    ...{ id: ids.leg, callId: call.id, workspaceId: workspace.id, position: 0 },
    ...{ box: arrival.box, channelUuid: arrival.uuid, direction: "inbound" },
    sipCallId: arrival.sipCallId || null,
    ...{ fromE164: from, toE164: number.e164 },
    rateMicroKesPerMinute: rate.microKesPerMinute,
    maxDurationSeconds,
    cutAfterSeconds: await secondsAtDialling(
      tx,
      workspace.id,
      { rateMicroKesPerMinute: rate.microKesPerMinute, maxDurationSeconds },
      steadyUs(parts.clock),
    ),
    ...{ createdAtMs: nowMs, dialledAtMs: nowMs, startedAtUs: arrival.createdAtUs },
  });
  return storeArrival(tx, parts, { call, leg, ringSeconds: ringSecondsMax }, document, (change) =>
    document.arrived(change, Math.floor(arrival.createdAtUs / 1000)),
  );
}

/**
 * A call that came to the switch, with its one leg, which is to be taken in there, and how it begins. Of one who had gone
 * before word of their coming was heard it is over with that, as if it had been heard in time.
 */
export async function storeArrival(
  tx: Tx,
  parts: ChangeParts,
  { call, leg, ringSeconds, orEnd }: { call: CallRow; leg: LegRow; ringSeconds: number; orEnd?: true },
  document: DocumentRun,
  begin: (change: CallChange) => Promise<void>,
): Promise<Taken> {
  const channel = channelOf(leg);
  const gone = await howGone(tx, channel, parts.clock.nowMs());
  await insertCall(tx, call);
  await insertLeg(tx, leg);
  const change = new CallChange(parts, tx, call, [leg]);
  change.intend({
    kind: "takeIn",
    leg: leg.id,
    call: call.id,
    ...(call.traceId === null ? {} : { trace: call.traceId }),
    ringSeconds,
    maxSeconds: leg.cutAfterSeconds,
    cutGroup: `cut-${leg.id}-0`,
    ...(orEnd && { orEnd }),
  });
  await begin(change);
  await change.save();
  if (gone !== null) {
    const facts = JSON.parse(gone) as HungUp;
    const told = { kind: "hungUp", box: leg.box, leg: leg.id, atUs: facts.endedAtUs } as const;
    await takeLegNews(change, { ...told, ...facts, endedBy: "end_record" }, document);
    await change.save();
  }
  await forgetGone(tx, channel);
  return { kind: gone === null ? "stored" : "gone" };
}

const refuse = (why: keyof typeof refusals): Taken => ({ kind: "refused", why, cause: refusals[why] });

function callRow(
  id: CallId,
  number: NumberRow,
  arrival: Arrival,
  { from, nowMs, trace }: { from: string; nowMs: number; trace: Trace },
): CallRow {
  const parsed = parseE164(from);
  const options: CallOptions = {
    // Whom it dials on is shown our number: the caller's own is not ours to present.
    callerId: number.e164,
    record: number.record === 1 ? "from-answer" : null,
    ringTimeoutSeconds: ringSecondsMax,
    maxDurationSeconds,
  };
  return newCall({
    id,
    workspaceId: number.workspaceId,
    numberId: number.id,
    direction: "inbound",
    fromE164: from,
    toE164: number.e164,
    country: parsed.ok ? parsed.country : null,
    status: "initiated",
    voiceCallbackUrl: number.voiceCallbackUrl,
    eventsUrl: number.eventsUrl,
    clientRequestId: null,
    metadata: null,
    options: JSON.stringify(options),
    document: null,
    createdAtMs: nowMs,
    startedAtUs: arrival.createdAtUs,
    ...trace,
  });
}
