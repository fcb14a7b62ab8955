import { steadyUs } from "../clock.ts";
import { numberFromCarrier } from "../e164.ts";
import { isError } from "../errors.ts";
import type { CallId, LegId, SipId } from "../ids.ts";
import { rateFor } from "../metering/rates.ts";
import { CallRefused, type RefusalReason } from "../policy/refusal.ts";
import { legOfChannel } from "../store/calls.ts";
import { numberById, type NumberRow } from "../store/numbers.ts";
import { holderOfLogin } from "../store/sip-credentials.ts";
import type { Tx } from "../store/store.ts";
import { newTrace, type Trace } from "../trace.ts";
import type { Arrival, HangupCause } from "../switch/switch.ts";
import type { CallOptions } from "./call-request.ts";
import type { ChangeParts, Drains } from "./change-parts.ts";
import { secondsAtDialling } from "./cut-off.ts";
import { newCall, newLeg } from "./dialing.ts";
import { DocumentRun } from "./document-run.ts";
import { storeArrival, type Taken } from "./inbound.ts";
import { dialAdmitted } from "./second-leg.ts";

/** A device that dials may ring so long: its user sees it ring, and hangs up. */
const ringSecondsMax = 90;
const maxDurationSeconds = 14_400;

export interface FromDevice extends Arrival {
  device: string;
}

/**
 * Stores a call that a customer's device places, as one of the API's: the same policy admits it, and a leg is dialled for
 * it, which the switch joins to the device's when it is answered. Refused, nothing is stored but the refusal, and the
 * device is told why as far as SIP has words for it.
 */
export async function takeInDeviceCall(
  tx: Tx,
  parts: ChangeParts & { drains: Drains },
  arrival: FromDevice,
  ids: { call: CallId; leg: LegId },
): Promise<Taken> {
  const before = await legOfChannel(tx, arrival.uuid);
  if (before) return { kind: "known", leg: before };
  const nowMs = parts.clock.nowMs();
  const holder = await holderOfLogin(tx, arrival.device, nowMs);
  const number = holder && (await numberById(tx, holder.numberId));
  // Revoked since the switch read its list.
  if (!holder || !number) return refuse("unknown_login", "CALL_REJECTED");
  const to = numberFromCarrier(arrival.to) ?? arrival.to;
  const { workspaceId } = holder;
  const noted = { workspaceId, source: "device", from: number.e164, to } as const;
  // It has no other box to go to: one that is being drained takes it, as long as another is not.
  if (parts.drains.allDraining()) {
    const draining = new CallRefused(
      "draining",
      "Every media server is being drained: no new calls for now.",
    );
    // What is no number at all is not kept, here as below.
    if (numberFromCarrier(arrival.to) !== null) await parts.policy.note(tx, draining, noted);
    return refuse(draining.reason, causes.draining);
  }
  const rate = await rateFor(tx, {
    ...{ workspaceId, legKind: "sip", direction: "inbound", remoteE164: to, atMs: nowMs },
  });
  // Where there is none the policy says so, after what else it has against the call.
  const rateMicroKesPerMinute = rate?.microKesPerMinute ?? 0;
  const { credentialId, maxConcurrentCalls, maxCallsPerSecond } = holder;
  const asked = {
    ...{ workspaceId, begins: true, beside: [{ rateMicroKesPerMinute }] },
    device: {
      ...{ credentialId, maxConcurrentCalls, maxCallsPerSecond, address: arrival.address },
      rateMicroKesPerMinute: rate?.microKesPerMinute ?? null,
    },
    callerIds: [{ field: "from", e164: number.e164 }],
    to: [{ field: "to", e164: to }],
  };
  const admission = await parts.policy.admit(tx, asked).catch((error: unknown) => {
    if (error instanceof CallRefused) return { admitted: [], refused: [error] };
    // What is no number at all.
    if (isError(error, "validation.invalid")) return null;
    throw error;
  });
  if (admission === null) return refuse("unknown_number", "UNALLOCATED_NUMBER");
  const [refused] = admission.refused;
  if (refused) {
    await parts.policy.note(tx, refused, noted);
    return refuse(refused.reason, causes[refused.reason]);
  }
  const call = callRow(ids.call, number, {
    ...{ arrival, to, nowMs, sipCredentialId: credentialId, trace: newTrace(parts.ids) },
    country: admission.admitted[0]?.country ?? null,
  });
  const limits = { rateMicroKesPerMinute, maxDurationSeconds };
  const leg = newLeg({
    ...{ id: ids.leg, callId: call.id, workspaceId, position: 0, kind: "sip", direction: "inbound" },
    ...{ box: arrival.box, channelUuid: arrival.uuid, fromE164: number.e164, toE164: to },
    ...limits,
    cutAfterSeconds: await secondsAtDialling(tx, workspaceId, limits, steadyUs(parts.clock)),
    sipCallId: arrival.sipCallId || null,
    ...{ createdAtMs: nowMs, dialledAtMs: nowMs, startedAtUs: arrival.createdAtUs },
  });
  // One that was not taken in ends at its answer (freeswitch-conf/): nobody is rung for it.
  const stored = { call, leg, ringSeconds: ringSecondsMax, orEnd: true } as const;
  // Whom it may dial was decided above.
  const document = new DocumentRun((change, request) =>
    dialAdmitted(change, request, { allowed: admission.admitted, refused: [] }),
  );
  return storeArrival(tx, parts, stored, document, (change) =>
    document.placedByDevice(change, to, Math.floor(arrival.createdAtUs / 1000)),
  );
}

/** What a device is told: 403 where it may not, 404 where there is none, 486 and 503 where it may try again. */
const causes: Readonly<Record<RefusalReason, HangupCause>> = {
  draining: "NORMAL_TEMPORARY_FAILURE",
  frozen: "OUTGOING_CALL_BARRED",
  address_banned: "OUTGOING_CALL_BARRED",
  credential_banned: "OUTGOING_CALL_BARRED",
  no_rate: "OUTGOING_CALL_BARRED",
  caller_id: "OUTGOING_CALL_BARRED",
  destination: "OUTGOING_CALL_BARRED",
  country: "OUTGOING_CALL_BARRED",
  refused_prefix: "OUTGOING_CALL_BARRED",
  sip_destination: "OUTGOING_CALL_BARRED",
  rate_too_high: "OUTGOING_CALL_BARRED",
  outside_window: "OUTGOING_CALL_BARRED",
  insufficient_funds: "OUTGOING_CALL_BARRED",
  spend_cap: "OUTGOING_CALL_BARRED",
  concurrency: "USER_BUSY",
  calls_per_second: "NORMAL_CIRCUIT_CONGESTION",
  credential_concurrency: "USER_BUSY",
  credential_calls_per_second: "NORMAL_CIRCUIT_CONGESTION",
  short_calls: "OUTGOING_CALL_BARRED",
  number_range: "OUTGOING_CALL_BARRED",
  new_country: "OUTGOING_CALL_BARRED",
};

const refuse = (why: Extract<Taken, { kind: "refused" }>["why"], cause: HangupCause): Taken => ({
  ...{ kind: "refused", why, cause },
});

function callRow(
  id: CallId,
  number: NumberRow,
  {
    arrival,
    to,
    country,
    sipCredentialId,
    nowMs,
    trace,
  }: {
    arrival: Arrival;
    to: string;
    country: string | null;
    sipCredentialId: SipId;
    nowMs: number;
    trace: Trace;
  },
) {
  const options: CallOptions = {
    callerId: number.e164,
    record: number.record === 1 ? "from-answer" : null,
    ringTimeoutSeconds: ringSecondsMax,
    maxDurationSeconds,
  };
  return newCall({
    ...{ id, workspaceId: number.workspaceId, numberId: number.id, sipCredentialId },
    direction: "outbound",
    ...{ fromE164: number.e164, toE164: to, country, status: "initiated" },
    // Nobody is asked what such a call does; it is told of where the number's calls are.
    ...{ voiceCallbackUrl: null, eventsUrl: number.eventsUrl ?? number.voiceCallbackUrl },
    ...{ clientRequestId: null, metadata: null, options: JSON.stringify(options), document: null },
    ...{ createdAtMs: nowMs, startedAtUs: arrival.createdAtUs, ...trace },
  });
}
