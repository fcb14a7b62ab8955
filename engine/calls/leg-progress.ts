import type { ConferenceId, LegId, RecordingId } from "../ids.ts";
import { channelOf, parseObject, withdrawUnsentIntents, type CallRow, type LegRow } from "../store/calls.ts";
import * as recordings from "../store/recordings.ts";
import type { ChannelFacts, HangupCause, SwitchEvent } from "../switch/switch.ts";
import type { CallChange } from "./call-change.ts";
import type { CallOptions } from "./call-request.ts";
import type { Command } from "./command.ts";
import { leftWithLeg, missedRoom, takeRoomNews } from "./conference.ts";
import { newRecording } from "./dialing.ts";
import { endDocument, type DocumentRun } from "./document-run.ts";
import { failOver } from "./failover.ts";
import { decideFate, endCallIfOver, endLeg, type EndedBy } from "./leg-end.ts";
import { failureCodeOf, isLost, transition, type FailureCode } from "./leg-state.ts";
import { fateOf, giveCall, winnerOf } from "./race.ts";

/** What the switch, its records or the reconciliation say of one leg. */
export type LegNews =
  | Exclude<SwitchEvent, { kind: "hungUp" }>
  | (Extract<SwitchEvent, { kind: "hungUp" }> & {
      endedBy: EndedBy;
      failureCode?: FailureCode;
      /** It was closed without a word from the switch. */
      closed?: Closed;
    })
  | Found
  | Stray
  | RecordingGone
  | RoomMissed
  | DigitsFailed
  | NotTakenIn;

/** A channel as it is, where events of it may have been missed. */
export interface Found extends At {
  kind: "found";
  facts: ChannelFacts;
  /** The leg's other side as it was stored before the channel was looked at. */
  bridgedBefore: string | null;
  /** It lived before this connection to its switch. */
  adopted: "controller_started" | "reconnected" | null;
}

/** A channel of a leg that had ended: it is being hung up. */
interface Stray extends At {
  kind: "stray";
}

/** It does not run, and the switch's word of its end was lost; or it never began. */
interface RecordingGone extends At {
  kind: "recordingGone";
  recording: RecordingId;
}

/** It is not in the room that it was sent to, if it ever was sent; `token`: of the membership. */
interface RoomMissed extends At {
  kind: "roomMissed";
  room: ConferenceId;
  token: string;
}

/** Digits that were to be sent to it. */
interface DigitsFailed extends At {
  kind: "digitsFailed";
  digits: string;
  reason: "not_sent" | "unknown_outcome";
}

/** The switch would not take it in, and its call cannot be without that. `isGone`: there is nobody any more. */
interface NotTakenIn extends At {
  kind: "notTakenIn";
  isGone: boolean;
}

interface At {
  box: string;
  leg: LegId;
  atUs: number;
}

/** Why the reconciliation closed a leg. */
export type Closed =
  /** Another core answers than the one that had the leg. */
  | "switch_restarted"
  /** The switch lives, has no such channel, and no end-of-leg record came. */
  | "not_on_switch"
  /** Whether it was ever dialled died with a controller, or with a reply; the switch does not have it. */
  | "never_on_switch"
  /** Its switch is away, and so is the last moment at which it would have ended the leg by itself. */
  | "switch_away"
  | "switch_not_configured";

/** Takes in one piece of news of one leg: its state, the call's, what the running step makes of it, and what is told. */
export async function takeLegNews(change: CallChange, news: LegNews, document: DocumentRun): Promise<void> {
  const leg = change.leg(news.leg);
  if (!leg) return;
  if (news.kind === "found") return found(change, leg, news, document);
  const isOwn = change.ownLegs.includes(leg);
  const atMs = Math.floor(news.atUs / 1000);
  switch (news.kind) {
    case "created":
      await started(change, leg, isOwn, news.atUs);
      return;
    case "ringing":
    case "earlyMedia":
      await started(change, leg, isOwn, news.atUs);
      inDialog(change, leg, news.sipCallId);
      if (!advance(change, leg, news.kind)) return;
      change.setLeg(leg, { ringingAtUs: leg.ringingAtUs ?? news.atUs });
      if (isOwn && change.call.status === "initiated") change.setCall({ status: leg.status });
      await change.emit("leg.ringing", { leg_id: leg.id, early_media: news.kind === "earlyMedia" }, atMs);
      return;
    case "answered":
      await started(change, leg, isOwn, news.atUs);
      inDialog(change, leg, news.sipCallId);
      if (!(await answered(change, leg, news.atUs))) return;
      await recordIfAsked(change, leg, news.atUs);
      if (isOwn) await beginIfWon(change, winnerOf(change), document);
      else await document.feed(change, { kind: "legAnswered", leg: leg.id });
      return;
    case "hungUp":
      // Of a channel that the leg had before it was dialled anew: told twice, or late.
      if (news.channel !== undefined && news.channel !== channelOf(leg)) return;
      if (await failOver(change, leg, news)) return;
      if (news.closed !== undefined && leg.endedAtUs === null)
        await reconciled(change, leg, "closed", news.closed);
      if (news.endedBy !== "controller") await started(change, leg, isOwn, news.createdAtUs);
      if (!isLost(news.cause)) await answeredBeforeEnd(change, leg, isOwn, news.answeredAtUs);
      if (!(await endLeg(change, leg, news, news.endedBy))) return;
      await leftWithLeg(change, leg, news.endedAtUs);
      if (isOwn) await ownLegEnded(change, leg, news, document);
      await document.feed(change, {
        kind: "legEnded",
        leg: leg.id,
        status: leg.status,
        billedSeconds: leg.billedSeconds ?? 0,
        failureCode: leg.answeredAtUs === null ? failureOf(change, leg, news) : null,
      });
      await endCallIfOver(change);
      return;
    case "bridged":
      if (await bridged(change, leg, news.otherLeg, atMs)) {
        await document.feed(change, { kind: "legsBridged", legs: [leg.id, news.otherLeg] });
      }
      return;
    case "unbridged":
      if (leg.bridgedTo === null || leg.endedAtUs !== null) return;
      change.setLeg(leg, { bridgedTo: null });
      await change.emit("leg.unbridged", { leg_id: leg.id }, atMs);
      return;
    case "recordingStarted":
      if (await recordings.markStarted(change.tx, news.recording, news.atUs)) {
        await change.emit("recording.started", { recording_id: news.recording, leg_id: leg.id }, atMs);
      }
      return;
    case "recordingStopped":
      if (
        await recordings.markStatus(
          change.tx,
          news.recording,
          recordings.liveStatuses,
          "uploading",
          news.atUs,
        )
      ) {
        await change.emit("recording.stopped", { recording_id: news.recording, leg_id: leg.id }, atMs);
      }
      await document.feed(change, {
        kind: "recordingEnded",
        recording: news.recording,
        by: news.by,
        lengthMs: news.lengthMs,
      });
      return;
    case "recordingGone": {
      const { recording } = news;
      const began = await recordings.hasStarted(change.tx, recording);
      // Without a time: how long there was something to record is not known.
      if (!(await recordings.markStatus(change.tx, recording, recordings.liveStatuses, "uploading"))) return;
      await change.emit("recording.stopped", { recording_id: recording, leg_id: leg.id });
      const by = began ? "unknown" : "nobody";
      await document.feed(change, { kind: "recordingEnded", recording, by, lengthMs: null });
      return;
    }
    case "playbackEnded":
      await document.feed(change, { kind: "playbackEnded", token: news.token, outcome: news.outcome });
      return;
    case "digitsFailed":
      await change.emit("digits.failed", { digits: news.digits, reason: news.reason });
      return;
    case "notTakenIn":
      await notTakenIn(change, leg, news, document);
      return;
    case "stray":
      await reconciled(change, leg, "closed", "had_ended");
      return;
    case "roomEntered":
    case "memberChanged":
    case "roomLeft":
    case "roomMissed": {
      const fact =
        news.kind === "roomMissed"
          ? await missedRoom(change, leg, news)
          : await takeRoomNews(change, leg, news);
      if (fact) await document.feed(change, fact);
      return;
    }
    case "digit":
      await document.feed(change, { kind: "digit", leg: leg.id, digit: news.digit });
      return;
    case "parked":
      // Only the one that the switch kept comes so far.
      if (isOwn && leg.answeredAtUs !== null) await beginIfWon(change, leg, document);
      return;
  }
}

/**
 * Of a caller's leg that its number's routing has recorded: one that we dial brings its recording along. It is asked for by the answer itself,
 * whenever that was heard of: what it lacks since then is told.
 */
async function recordingFromAnswer(
  change: CallChange,
  leg: LegRow,
  answeredAtUs: number,
): Promise<RecordingId | null> {
  const { record } = parseObject(change.call.options) as unknown as CallOptions;
  if (record === null || leg.direction !== "inbound" || leg !== change.firstLeg) return null;
  return newRecording(change, leg, { askedInCall: false, createdAtMs: Math.floor(answeredAtUs / 1000) });
}

async function recordIfAsked(change: CallChange, leg: LegRow, answeredAtUs: number): Promise<void> {
  const recording = await recordingFromAnswer(change, leg, answeredAtUs);
  if (recording !== null) change.intend({ kind: "startRecording", leg: leg.id, recording });
}

/** The document speaks to whom the switch kept, once that is known. */
async function beginIfWon(
  change: CallChange,
  winner: LegRow | undefined,
  document: DocumentRun,
): Promise<void> {
  if (winner?.answeredAtUs == null || change.call.answeredAtUs !== null) return;
  await giveCall(change, winner);
  const { answeredAtUs } = winner;
  await document.begin(change, { answered_at: iso(answeredAtUs) }, Math.floor(answeredAtUs / 1000));
}

/** Perhaps the answer was never told to us, but it is a fact of the call; and who answered and hung up had it. */
async function answeredBeforeEnd(
  change: CallChange,
  leg: LegRow,
  isOwn: boolean,
  answeredAtUs: number | null,
): Promise<void> {
  if (leg.endedAtUs !== null) return;
  if (answeredAtUs !== null && (await answered(change, leg, answeredAtUs)))
    // Nobody was there to begin it: that it is missing is told, as of any other.
    await recordingFromAnswer(change, leg, answeredAtUs);
  if (!isOwn || leg.answeredAtUs === null || change.call.answeredAtUs !== null) return;
  await giveCall(change, leg);
  const answeredAt = { answered_at: iso(leg.answeredAtUs) };
  await change.emit("call.answered", answeredAt, Math.floor(leg.answeredAtUs / 1000));
}

/** The call is over with the leg that has it, or with the last of those that could have had it. */
async function ownLegEnded(
  change: CallChange,
  leg: LegRow,
  news: Extract<LegNews, { kind: "hungUp" }>,
  document: DocumentRun,
): Promise<void> {
  if (change.call.answeredAtUs === null) {
    if (change.ownLegs.some((own) => own.endedAtUs === null))
      return beginIfWon(change, winnerOf(change), document);
    const fate = fateOf(change, leg, failureOf(change, leg, news));
    decideFate(change, fate.leg, fate.failureCode);
  } else if (leg === change.firstLeg) decideFate(change, leg, failureOf(change, leg, news));
  else return;
  await windDown(change, document);
}

const failureOf = (
  { call }: CallChange,
  leg: LegRow,
  { failureCode, cause }: Extract<LegNews, { kind: "hungUp" }>,
): FailureCode => failureCode ?? failureCodeOf(cause, endsAs(call, leg));

/** As what a leg's end is told: a device's own came to us, and yet it is its call that ended, or was given up. */
const endsAs = (call: CallRow, leg: LegRow): LegRow["direction"] =>
  call.direction === "outbound" ? "outbound" : leg.direction;

/** What a channel knows and its leg's row does not, as the events that would have told it, in their order. */
export function untold(leg: LegRow, { box, atUs, facts, bridgedBefore }: Omit<Found, "adopted">): LegNews[] {
  const at = { box, leg: leg.id };
  const { createdAtUs, ringingAtUs, answeredAtUs, bridgedTo } = facts;
  const news: LegNews[] = [];
  if (leg.startedAtUs === null) news.push({ kind: "created", ...at, atUs: createdAtUs });
  if (ringingAtUs !== null && leg.ringingAtUs === null && answeredAtUs === null)
    news.push({ kind: "ringing", ...at, atUs: ringingAtUs });
  if (answeredAtUs !== null && leg.answeredAtUs === null)
    news.push({ kind: "answered", ...at, atUs: answeredAtUs });
  // Joined or parted since the channel was looked at: then its facts are the older ones.
  if (leg.bridgedTo === bridgedBefore && leg.bridgedTo !== bridgedTo) {
    if (leg.bridgedTo !== null) news.push({ kind: "unbridged", ...at, atUs });
    else if (bridgedTo !== null) news.push({ kind: "bridged", ...at, atUs, otherLeg: bridgedTo });
  }
  return news;
}

/** Takes in what had not been told, and tells what was made of it. */
async function found(change: CallChange, leg: LegRow, news: Found, document: DocumentRun): Promise<void> {
  if (leg.endedAtUs !== null) return;
  const missed: string[] = [];
  for (const event of untold(leg, news)) {
    if (event.kind === "bridged" && change.leg(event.otherLeg)?.endedAtUs !== null) continue;
    await takeLegNews(change, event, document);
    missed.push(event.kind);
  }
  const { adopted } = news;
  if (adopted !== null && leg === change.firstLeg) {
    const { playback } = news.facts;
    const ended = playback?.outcome != null && { ...playback, outcome: playback.outcome };
    // As if it were told now, so that what follows begins at once.
    if (ended && (await document.feed(change, { kind: "playbackEnded", ...ended })))
      missed.push("playbackEnded");
    await document.adopted(change);
  }
  if (adopted !== null) await reconciled(change, leg, "adopted", adopted, missed);
  else if (missed.length > 0) await reconciled(change, leg, "corrected", "events_missed", missed);
}

/** On the call's events: what reconciliation did to a leg, why, and what of it had not been told. */
const reconciled = (
  change: CallChange,
  leg: LegRow,
  action: "adopted" | "corrected" | "closed",
  reason: Closed | NonNullable<Found["adopted"]> | "events_missed" | "had_ended",
  missed: string[] = [],
) => change.emit("leg.reconciled", { leg_id: leg.id, action, reason, missed });

/**
 * Ends every leg of the call that is still up: what was not dialled yet never will be, the rest is hung up. Nobody is
 * rung for a caller who has gone. `cause`: what they are told; default: by what they are.
 */
export async function windDown(
  change: CallChange,
  document: DocumentRun,
  cause?: HangupCause,
): Promise<void> {
  const withdrawn = await withdrawUnsentIntents(change.tx, change.call.id);
  const neverDialled = new Set(
    withdrawn.flatMap((intent) => legsDialledBy(JSON.parse(intent.commands) as Command[])),
  );
  for (const leg of change.legs.filter((row) => row.endedAtUs === null)) {
    if (neverDialled.has(leg.id)) await takeLegNews(change, notDialled(change, leg), document);
    else {
      change.intend({ kind: "hangUp", leg: leg.id, cause: cause ?? endingCause(change.call, leg) });
    }
  }
}

/**
 * Nobody is rung for it. One that talks was taken in before, and only done again after a crash. How one that is gone went is told by
 * its event, or its record.
 */
async function notTakenIn(
  change: CallChange,
  leg: LegRow,
  { isGone }: NotTakenIn,
  document: DocumentRun,
): Promise<void> {
  const { call, nowMs } = change;
  if (leg.endedAtUs !== null || leg.answeredAtUs !== null || call.hangupRequestedAtMs !== null) return;
  if (!isGone) await change.emit("arrival.failed", { leg_id: leg.id });
  change.setCall({ hangupRequestedAtMs: nowMs, ...(isGone ? {} : { failureCode: "not_taken_in" }) });
  endDocument(change);
  // 503 at the device.
  await windDown(change, document, isGone ? undefined : "NORMAL_TEMPORARY_FAILURE");
}

function endingCause(call: CallRow, leg: LegRow): HangupCause {
  if (leg.answeredAtUs !== null) return "NORMAL_CLEARING";
  return endsAs(call, leg) === "inbound" ? "CALL_REJECTED" : "ORIGINATOR_CANCEL";
}

/** The last moment in which the leg is proven to have lived: by its box's life too, as far as that may have had it. */
export const lastProvenUs = (
  { seenAtUs, endedBy }: LegRow,
  boxAliveAtUs: number | null | undefined,
): number => Math.max(seenAtUs ?? 0, endedBy === null ? (boxAliveAtUs ?? 0) : 0);

/**
 * The end of a leg that nobody will ever tell of: at the last moment in which it was proven to live, and not before its
 * answer, so that it is never billed over.
 */
export function lostLeg(
  leg: LegRow,
  provenUs: number,
  nowUs: number,
  closed: Closed,
): Extract<LegNews, { kind: "hungUp" }> {
  const endedAtUs = leg.answeredAtUs === null ? nowUs : Math.max(leg.answeredAtUs, provenUs);
  const known = leg.startedAtUs !== null;
  return {
    kind: "hungUp",
    box: leg.box,
    leg: leg.id,
    channel: channelOf(leg),
    atUs: endedAtUs,
    createdAtUs: leg.startedAtUs ?? leg.createdAtMs * 1000,
    ringingAtUs: leg.ringingAtUs,
    answeredAtUs: leg.answeredAtUs,
    endedAtUs,
    cause: "NORMAL_TEMPORARY_FAILURE",
    q850: 41,
    sipStatus: null,
    quality: null,
    audio: null,
    sipCallId: leg.sipCallId,
    endedBy: known ? "last_proven" : "controller",
    failureCode: known ? "switch_failed" : "controller_restarted",
    closed: known ? closed : "never_on_switch",
  };
}

const legsDialledBy = (commands: readonly Command[]): string[] =>
  commands.flatMap((command) =>
    command.kind === "originate" ? command.originate.branches.map((branch) => branch.leg) : [],
  );

const notDialled = (change: CallChange, leg: LegRow) =>
  unansweredEnd(leg, leg.createdAtMs * 1000, change.parts.clock.nowUs(), "ORIGINATOR_CANCEL");

/** An end that the controller knows by itself, without an answer before it. */
export const unansweredEnd = (
  leg: LegRow,
  createdAtUs: number,
  endedAtUs: number,
  cause: HangupCause,
): Extract<LegNews, { kind: "hungUp" }> => ({
  ...{ kind: "hungUp", box: leg.box, leg: leg.id, channel: channelOf(leg), atUs: endedAtUs },
  ...{ createdAtUs, endedAtUs, cause, endedBy: "controller" },
  ...{ ringingAtUs: null, answeredAtUs: null, q850: 0, sipStatus: null, quality: null, audio: null },
  sipCallId: leg.sipCallId,
});

/** The switch took the originate: the first sign of life of a leg, whichever event brings it. */
async function started(change: CallChange, leg: LegRow, isOwn: boolean, atUs: number): Promise<void> {
  if (leg.startedAtUs !== null || leg.endedAtUs !== null) return;
  change.setLeg(leg, { startedAtUs: atUs });
  // A hang-up that came before the channel was there found nothing to end.
  if (change.call.hangupRequestedAtMs !== null) {
    change.intend({ kind: "hangUp", leg: leg.id, cause: "ORIGINATOR_CANCEL" });
  }
  if (!isOwn || change.call.startedAtUs !== null) return;
  change.setCall({ startedAtUs: atUs });
  await change.emit("call.started", {}, Math.floor(atUs / 1000));
}

function inDialog(change: CallChange, leg: LegRow, sipCallId: string | undefined): void {
  if (sipCallId !== undefined && leg.sipCallId === null && leg.endedAtUs === null)
    change.setLeg(leg, { sipCallId });
}

function advance(change: CallChange, leg: LegRow, fact: "ringing" | "earlyMedia" | "answered"): boolean {
  const status = transition(leg.status, fact);
  if (status === "same") return false;
  change.setLeg(leg, { status });
  return true;
}

/** False: known already. Whoever calls it tells of the call's own answer. */
async function answered(change: CallChange, leg: LegRow, atUs: number): Promise<boolean> {
  if (!advance(change, leg, "answered")) return false;
  await change.changeMeter();
  change.setLeg(leg, { answeredAtUs: atUs, seenAtUs: atUs });
  const atMs = Math.floor(atUs / 1000);
  await change.emit("leg.answered", { leg_id: leg.id }, atMs);
  return true;
}

/** False: known already, or over. */
async function bridged(change: CallChange, leg: LegRow, otherId: string, atMs: number): Promise<boolean> {
  const other = change.legs.find((row) => row.id === otherId);
  if (!other || leg.bridgedTo === other.id || leg.endedAtUs !== null || other.endedAtUs !== null)
    return false;
  change.setLeg(leg, { bridgedTo: other.id });
  change.setLeg(other, { bridgedTo: leg.id });
  await change.emit("leg.bridged", { leg_id: leg.id, other_leg_id: other.id }, atMs);
  return true;
}

const iso = (us: number) => new Date(Math.floor(us / 1000)).toISOString();
