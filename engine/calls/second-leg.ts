import { nameOf } from "../actions/dial-spec.ts";
import type { StepFact } from "../actions/verb.ts";
import { parseE164 } from "../e164.ts";
import { SautikitError } from "../errors.ts";
import type { NumberId, SipId, WorkspaceId } from "../ids.ts";
import { rateFor } from "../metering/rates.ts";
import type { Destination } from "../policy/destinations.ts";
import { CallRefused, type RefusedNumber } from "../policy/refusal.ts";
import { parseObject } from "../store/calls.ts";
import { activeNumberOf } from "../store/numbers.ts";
import { holderOfLogin } from "../store/sip-credentials.ts";
import type { ReadTx } from "../store/store.ts";
import { isListed } from "../sip/destinations.ts";
import { portOf, sipUriText, type SipUri } from "../sip/sip-uri.ts";
import { deviceContact } from "../switch/devices.ts";
import type { CallChange } from "./call-change.ts";
import type { CallOptions } from "./call-request.ts";
import type { DeviceTarget, DialRequest } from "./command.ts";
import { dialTogether, type Callee } from "./dialing.ts";
import { ringableNow } from "./ringable-devices.ts";

/** Of one call: each of its changes reads them all, and its end tells of all. */
const legsMax = 2_000;

type Refused = Extract<StepFact, { kind: "dialing" }>["refused"];

/**
 * Adds to a running call a leg for each number, of which the switch joins the first to answer to the one that waits. A
 * number that may not be dialled is left out. Throws what a dial that is refused as a whole is told. Whatever is refused is
 * noted, in the transaction of the call's own event.
 */
export async function dialSecondLeg(change: CallChange, request: DialRequest): Promise<StepFact> {
  const { call, tx, parts } = change;
  const callerId = request.callerId ?? optionsOf(change).callerId;
  // Also the call's own: a number may have been suspended, or be another's, since the call began.
  const callerIds = [{ field: "callerId", e164: callerId }];
  const note = (refusal: CallRefused) =>
    parts.policy.note(tx, refusal, {
      ...{ workspaceId: call.workspaceId, source: "dial", from: callerId, callId: call.id },
      to: refusal.number ?? request.to[0] ?? null,
    });
  // What goes by SIP is on no trunk: of it is asked about the workspace, the number to present and the money alone.
  const whom = await bySip(change, request);
  const rated = whom === null ? null : await sipRate(change, whom);
  const asked = {
    ...{ workspaceId: call.workspaceId, begins: false, callerIds, beside: rated ? [rated] : [] },
    to: request.to.map((e164): RefusedNumber => ({ field: "number", e164 })),
  };
  const { admitted, refused } = await parts.policy.admit(tx, asked).catch(async (error: unknown) => {
    if (error instanceof CallRefused) await note(error);
    throw error;
  });
  if (whom?.kind === "listed") return dialUri(change, request, whom.uri, rated);
  if (whom?.kind === "devices")
    return dialAdmitted(change, request, await devicesNow(change, whom.target, rated));
  if (whom?.kind === "notListed") refused.push(notListed(whom.uri, "sip"));
  for (const refusal of refused) await note(refusal);
  const told = refused.map(({ number, code, reason, message }) => ({
    to: number ?? "",
    code,
    reason,
    message,
  }));
  return dialAdmitted(change, request, { allowed: admitted, refused: told });
}

/** The same for those that were admitted before, perhaps none. Throws `calls.too_many_legs`. */
export async function dialAdmitted(
  change: CallChange,
  request: DialRequest,
  { allowed, refused }: { allowed: readonly Callee[]; refused: Refused },
): Promise<StepFact> {
  if (allowed.length === 0) return { kind: "dialing", legs: [], refused };
  if (change.legs.length + allowed.length > legsMax) throw new SautikitError("calls.too_many_legs");
  const options = optionsOf(change);
  const { waiting, ringTimeoutSeconds, record, untilAnswer } = request;
  const legs = await dialTogether(
    change,
    change.firstLeg.box,
    allowed,
    {
      ...{ callerId: shownBy(change, request), ringTimeoutSeconds, record, waiting },
      maxDurationSeconds: request.maxDurationSeconds ?? options.maxDurationSeconds,
      ...(untilAnswer ? { untilAnswer } : {}),
    },
    request.prepare,
  );
  for (const leg of legs) await change.emit("dial.started", { leg_id: leg.id, to: leg.toE164 });
  return { kind: "dialing", legs: legs.map(({ id, toE164 }) => ({ leg: id, to: toE164 })), refused };
}

/**
 * The number that rings: the workspace's own; but its own devices are shown whom they would talk to, where that is known and
 * the document does not say otherwise.
 */
function shownBy(change: CallChange, { callerId, devices }: DialRequest): string {
  const { direction, fromE164, toE164 } = change.call;
  const party = direction === "inbound" ? fromE164 : toE164;
  return callerId ?? (devices && parseE164(party).ok ? party : optionsOf(change).callerId);
}

const optionsOf = ({ call }: CallChange): CallOptions => parseObject(call.options) as unknown as CallOptions;

/** Devices of the call's workspace that are registered just now, at whichever box. */
async function devicesNow(
  change: CallChange,
  target: DeviceTarget,
  rated: Rated | null,
): Promise<{ allowed: Callee[]; refused: Refused }> {
  const { call, tx, nowMs } = change;
  const to = nameOf(target);
  const none = (message: string) => ({
    allowed: [],
    refused: [{ to, code: "sip.not_registered", reason: null, message }],
  });
  const own = await ownDevices(tx, call.workspaceId, target, nowMs);
  if (own === null) return none(`${to} is no SIP credential, or number, of this workspace.`);
  const devices = await ringableNow(change, own);
  if (devices.length === 0) return none(`No device that can be called is registered with ${to} just now.`);
  const callee: Destination = { e164: to, country: null, ...requireRate(rated) };
  return {
    allowed: devices.map((device) => ({ ...callee, device })),
    refused: [],
  };
}

type BySip = { kind: "listed" | "notListed"; uri: SipUri } | { kind: "devices"; target: DeviceTarget } | null;

/** Who is meant, where the same text may be a credential with some domain behind it: the workspace's list goes first. */
async function bySip({ tx, call, nowMs }: CallChange, { uri, devices }: DialRequest): Promise<BySip> {
  const { workspaceId } = call;
  if (uri && (await isListed(tx, workspaceId, uri))) return { kind: "listed", uri };
  const isOwn = devices && (!uri || (await ownDevices(tx, workspaceId, devices, nowMs)) !== null);
  if (isOwn) return { kind: "devices", target: devices };
  return uri ? { kind: "notListed", uri } : null;
}

export const notListed = (uri: SipUri, field: string): CallRefused => {
  const e164 = sipUriText(uri);
  return new CallRefused("sip_destination", `${e164} is not among the workspace's SIP destinations.`, {
    number: { field, e164 },
  });
};

/** Somebody at another's server: at the address that was checked, so that their name leads nowhere else meanwhile. */
async function dialUri(
  change: CallChange,
  request: DialRequest,
  uri: SipUri,
  rated: Rated | null,
): Promise<StepFact> {
  const { address, callerId = optionsOf(change).callerId } = request;
  if (address === undefined) return { kind: "hostWanted", host: uri.host };
  const to = sipUriText(uri);
  // A box takes another's call for a carrier's, or for what it shows a ticket for.
  if (change.parts.peers.isAt(address)) {
    const message = "A media server of ours is no SIP destination.";
    return {
      kind: "dialing",
      legs: [],
      refused: [{ to, code: "sip.host_not_allowed", reason: null, message }],
    };
  }
  const contact = deviceContact(to, { host: address, port: portOf(uri) }, uri.transport);
  if (contact === null) throw new Error(`${to} at ${address} is none that can be dialled.`);
  const device = { kind: "device", contact } as const;
  const callee: Callee = { e164: to, country: null, device, ...requireRate(rated) };
  return dialAdmitted(change, { ...request, callerId }, { allowed: [callee], refused: [] });
}

interface Rated {
  rateMicroKesPerMinute: number;
}

/** What a minute of a leg by SIP costs. Null: the deck sells none. */
async function sipRate({ call, tx, nowMs }: CallChange, whom: NonNullable<BySip>): Promise<Rated | null> {
  const rate = await rateFor(tx, {
    ...{ workspaceId: call.workspaceId, legKind: "sip", direction: "outbound", atMs: nowMs },
    remoteE164: whom.kind === "devices" ? nameOf(whom.target) : sipUriText(whom.uri),
  });
  return rate && { rateMicroKesPerMinute: rate.microKesPerMinute };
}

function requireRate(rated: Rated | null): Rated {
  if (!rated) throw new SautikitError("rates.not_found", "The deck sells no calls by SIP.");
  return rated;
}

/** Whose devices are meant, registered or not; null: nobody's of the workspace. */
export async function ownDevices(
  tx: ReadTx,
  workspaceId: WorkspaceId,
  target: DeviceTarget,
  nowMs: number,
): Promise<{ number: NumberId } | { credential: SipId } | null> {
  if ("number" in target) {
    const number = await activeNumberOf(tx, workspaceId, target.number);
    return number ? { number: number.id } : null;
  }
  const holder = await holderOfLogin(tx, target.login, nowMs);
  return holder?.workspaceId === workspaceId ? { credential: holder.credentialId } : null;
}
