import type { StepFact } from "../actions/verb.ts";
import { SautikitError } from "../errors.ts";
import type { WorkspaceId } from "../ids.ts";
import { rateFor } from "../metering/rates.ts";
import type { Destination } from "../policy/destinations.ts";
import { CallRefused, type RefusedNumber } from "../policy/refusal.ts";
import { parseObject } from "../store/calls.ts";
import { activeNumberOf } from "../store/numbers.ts";
import { holderOfLogin, ringableAt } from "../store/sip-credentials.ts";
import type { ReadTx } from "../store/store.ts";
import { isDeviceContact } from "../switch/devices.ts";
import type { CallChange } from "./call-change.ts";
import type { CallOptions } from "./call-request.ts";
import type { DeviceTarget, DialRequest } from "./command.ts";
import { dialTogether, type Callee } from "./dialing.ts";

type Refused = Extract<StepFact, { kind: "dialing" }>["refused"];

/** As many as `to` takes. */
const devicesMax = 10;

/**
 * Adds to a running call a leg for each number, of which the switch joins the first to answer to the one that waits. A
 * number that may not be dialled is left out. Throws what a dial that is refused as a whole is told. Whatever is refused is
 * noted, in the transaction of the call's own event.
 */
export async function dialSecondLeg(
  change: CallChange,
  request: DialRequest,
  gateway: string,
): Promise<StepFact> {
  const { call, tx, parts } = change;
  const callerId = request.callerId ?? optionsOf(change).callerId;
  // Also the call's own: a number may have been suspended, or be another's, since the call began.
  const callerIds = [{ field: "callerId", e164: callerId }];
  const note = (refusal: CallRefused) =>
    parts.policy.note(tx, refusal, {
      ...{ workspaceId: call.workspaceId, source: "dial", from: callerId, callId: call.id },
      to: refusal.number ?? request.to[0] ?? null,
    });
  if (request.devices) {
    try {
      return await dialAdmitted(change, request, {
        ...(await devicesNow(change, request.devices, callerIds)),
        gateway,
      });
    } catch (error) {
      if (error instanceof CallRefused) await note(error);
      throw error;
    }
  }
  const asked = {
    ...{ workspaceId: call.workspaceId, begins: false, callerIds },
    to: request.to.map((e164): RefusedNumber => ({ field: "number", e164 })),
  };
  const { admitted, refused } = await parts.policy.admit(tx, asked).catch(async (error: unknown) => {
    if (error instanceof CallRefused) await note(error);
    throw error;
  });
  for (const refusal of refused) await note(refusal);
  const told = refused.map(({ number, code, reason, message }) => ({
    to: number ?? "",
    code,
    reason,
    message,
  }));
  return dialAdmitted(change, request, { gateway, allowed: admitted, refused: told });
}

/** The same for those that were admitted before, perhaps none. */
export async function dialAdmitted(
  change: CallChange,
  request: DialRequest,
  { gateway, allowed, refused }: { gateway: string; allowed: readonly Callee[]; refused: Refused },
): Promise<StepFact> {
  if (allowed.length === 0) return { kind: "dialing", legs: [], refused };
  const options = optionsOf(change);
  const { waiting, ringTimeoutSeconds, record, untilAnswer } = request;
  const legs = await dialTogether(
    change,
    change.firstLeg.box,
    allowed,
    {
      ...{ gateway, callerId: request.callerId ?? options.callerId, ringTimeoutSeconds, record, waiting },
      maxDurationSeconds: request.maxDurationSeconds ?? options.maxDurationSeconds,
      ...(untilAnswer ? { untilAnswer } : {}),
    },
    request.prepare,
  );
  for (const leg of legs) await change.emit("dial.started", { leg_id: leg.id, to: leg.toE164 });
  return { kind: "dialing", legs: legs.map(({ id, toE164 }) => ({ leg: id, to: toE164 })), refused };
}

const optionsOf = ({ call }: CallChange): CallOptions => parseObject(call.options) as unknown as CallOptions;

/** Devices of the call's workspace that are registered just now at the box of its first leg. */
async function devicesNow(
  change: CallChange,
  target: DeviceTarget,
  callerIds: readonly RefusedNumber[],
): Promise<{ allowed: Callee[]; refused: Refused }> {
  const { call, tx, parts, nowMs } = change;
  // They are on no trunk: it is asked about the workspace and the number to present alone.
  await parts.policy.admit(tx, { workspaceId: call.workspaceId, begins: false, callerIds, to: [] });
  const to = "login" in target ? `sip:${target.login}` : target.number;
  const none = (message: string) => ({
    allowed: [],
    refused: [{ to, code: "sip.not_registered", reason: null, message }],
  });
  const ringable = await ringableNow(change, target);
  if (ringable === null) return none(`${to} is no SIP credential, or number, of this workspace.`);
  const contacts = ringable.flatMap(({ contact }) => (isDeviceContact(contact) ? [contact] : []));
  if (contacts.length === 0) return none(`No device that can be called is registered with ${to} just now.`);
  const rate = await rateFor(tx, {
    ...{ workspaceId: call.workspaceId, legKind: "sip", direction: "outbound", remoteE164: to, atMs: nowMs },
  });
  if (!rate) throw new SautikitError("rates.not_found", "The deck sells no calls to SIP devices.");
  const callee: Destination = { e164: to, country: null, rateMicroKesPerMinute: rate.microKesPerMinute };
  return {
    allowed: contacts.map((device) => ({ ...callee, device })),
    refused: [],
  };
}

/** Whether a login, or a number, is one of the workspace's just now, registered or not. */
export async function isDeviceOf(
  tx: ReadTx,
  workspaceId: WorkspaceId,
  target: DeviceTarget,
  nowMs: number,
): Promise<boolean> {
  if ("number" in target) return (await activeNumberOf(tx, workspaceId, target.number)) !== undefined;
  return (await holderOfLogin(tx, target.login, nowMs))?.workspaceId === workspaceId;
}

/** Null: it is none of the workspace's. */
async function ringableNow(
  { call, tx, nowMs, firstLeg: { box } }: CallChange,
  target: DeviceTarget,
): Promise<{ contact: string }[] | null> {
  const page = { nowMs, limit: devicesMax };
  if ("number" in target) {
    const number = await activeNumberOf(tx, call.workspaceId, target.number);
    return number ? ringableAt(tx, box, { number: number.id }, page) : null;
  }
  const holder = await holderOfLogin(tx, target.login, nowMs);
  return holder?.workspaceId === call.workspaceId
    ? ringableAt(tx, box, { credential: holder.credentialId }, page)
    : null;
}
