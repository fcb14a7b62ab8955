import type { LegRow } from "../store/calls.ts";
import { attemptsOfLeg, endAttempt } from "../store/trunks.ts";
import { channelName } from "../switch/channel-names.ts";
import type { HungUp } from "../switch/switch.ts";
import type { CallChange } from "./call-change.ts";
import type { Dialling } from "./command.ts";
import { hangUpWaits } from "./hang-up-waits.ts";
import type { EndedBy } from "./leg-end.ts";

/**
 * Causes that say that a carrier could not, not that a callee would not: another trunk may. Never busy, declined, no answer
 * or unallocated, which the next carrier would only say again, to a phone that may have rung.
 */
const technicalCauses = new Set([
  "BEARERCAPABILITY_NOTAVAIL",
  "DESTINATION_OUT_OF_ORDER",
  "EXCHANGE_ROUTING_ERROR",
  "GATEWAY_DOWN",
  "INCOMPATIBLE_DESTINATION",
  "INTERWORKING",
  "INVALID_GATEWAY",
  "NETWORK_OUT_OF_ORDER",
  "NORMAL_CIRCUIT_CONGESTION",
  "NORMAL_TEMPORARY_FAILURE",
  "NO_ROUTE_TRANSIT_NET",
  "PROTOCOL_ERROR",
  "RECOVERY_ON_TIMER_EXPIRE",
  "REQUESTED_CHAN_UNAVAIL",
  "SERVICE_NOT_IMPLEMENTED",
  "SERVICE_UNAVAILABLE",
  "SWITCH_CONGESTION",
]);

/** Where the carrier answered by SIP that has to be technical as well: a 503 with the Reason "busy" is busy. */
const technicalStatuses = new Set([
  ...[400, 405, 406, 408, 413, 414, 415, 416, 420, 421, 423, 481, 482, 483, 488],
  ...[500, 501, 502, 503, 504, 505, 513, 606],
]);

/** The carrier did not take our login: nobody was dialled, whatever the cause is called. */
const notLoggedIn = new Set([401, 407]);

/** Pure: whether that end of an unanswered leg, which never rang, is the carrier's own. */
export function isTechnical({ cause, sipStatus }: Pick<HungUp, "cause" | "sipStatus">): boolean {
  if (sipStatus === null || sipStatus < 300) return technicalCauses.has(cause);
  return notLoggedIn.has(sipStatus) || (technicalCauses.has(cause) && technicalStatuses.has(sipStatus));
}

/** Told later than this, nobody waits for that phone to ring any more. */
const lateMs = 10_000;
/**
 * Tried for so long, no further trunk is: a carrier that took its time may have rung the phone without a word of it, and whoever
 * waits has been told a time. A carrier that says nothing at all takes eight seconds.
 */
const triesMsMax = 10_000;

/**
 * Pure: whether somebody still waits for the phone, and it is sure not to have rung. `beganUs`: the first attempt, by the steady
 * clock, as `nowMs` is: held against the switch's stamps, a step of the host's would have no trunk tried any more.
 */
export const isInTime = ({
  beganUs,
  endedAtUs,
  nowMs,
}: {
  beganUs: number;
  endedAtUs: number;
  nowMs: number;
}) => nowMs - endedAtUs / 1000 <= lateMs && endedAtUs - beganUs <= triesMsMax * 1000;

type Ended = HungUp & { endedBy: EndedBy };

/** The switch's own word of it, by event or record; or that it has no way to the trunk, and so never had a channel. */
const isProven = ({ endedBy, cause }: Ended): boolean =>
  endedBy === "event" || endedBy === "end_record" || (endedBy === "controller" && isWithoutChannel(cause));

/** The switch has no way to the trunk: it made no channel, and nothing tells of its end. */
export const isWithoutChannel = (cause: string): boolean =>
  cause === "GATEWAY_DOWN" || cause === "INVALID_GATEWAY";

async function isWanted({ tx, call, firstLeg, ownLegs }: CallChange, leg: LegRow): Promise<boolean> {
  if (call.endedAtUs !== null || call.hangupRequestedAtMs !== null) return false;
  // Nobody is rung for one who has gone.
  if (!ownLegs.includes(leg) && firstLeg.endedAtUs !== null) return false;
  return !(await hangUpWaits(tx, call.id, leg.id));
}

/**
 * Keeps how the leg's attempt ended, and has the next trunk try where that may be. The leg stays as it was, and gets a channel
 * of another name. True: it goes on.
 */
export async function failOver(change: CallChange, leg: LegRow, news: Ended): Promise<boolean> {
  const { tx, parts, steadyMs: nowMs } = change;
  if (leg.trunk === null || leg.endedAtUs !== null) return false;
  const { endedAtUs, sipStatus, q850, cause } = news;
  await endAttempt(tx, leg.id, {
    ...{ endedAtUs, sipStatus, q850, hangupCause: cause.toLowerCase() },
    sipCallId: leg.sipCallId ?? news.sipCallId,
  });
  const rang = leg.ringingAtUs !== null || news.ringingAtUs !== null;
  const answered = leg.answeredAtUs !== null || news.answeredAtUs !== null;
  if (rang || answered || leg.dialling === null) return false;
  if (!isProven(news) || !isTechnical(news) || !(await isWanted(change, leg))) return false;

  const tried = await attemptsOfLeg(tx, leg.id);
  if (!isInTime({ beganUs: tried[0]?.startedAtUs ?? endedAtUs, endedAtUs, nowMs })) return false;
  const dialling = JSON.parse(leg.dialling) as Dialling;
  const [branch] = dialling.branches;
  if (branch.way.kind !== "number") return false;
  const wanted = { box: leg.box, to: branch.way.to, tried: tried.map(({ trunk }) => trunk), beside: [] };
  const next = await parts.trunks.choose(tx, wanted);
  if (next === "none") return false;
  await change.emit(
    "leg.failed_over",
    {
      ...{ leg_id: leg.id, attempt: tried.length, trunk: leg.trunk },
      ...{ sip_status: sipStatus, hangup_cause: cause.toLowerCase() },
    },
    Math.floor(endedAtUs / 1000),
  );
  change.legOver(leg, { status: "failed_over", cause, postDialDelayMs: null });
  const channelUuid = channelName(parts.ids.bytes(16));
  // As if nobody had dialled it yet: what is looked for in the switch from here on is the other channel.
  change.setLeg(leg, {
    ...{ channelUuid, dialledAtMs: null, startedAtUs: null, seenAtUs: null, endedBy: null, trunk: null },
    // From here on it is in the dialog of the next attempt; this one's is kept with the attempt.
    sipCallId: null,
  });
  change.intend({
    kind: "originate",
    originate: { ...dialling, branches: [{ ...branch, channel: channelUuid }] },
  });
  return true;
}
