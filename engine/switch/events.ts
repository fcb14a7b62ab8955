import { isIPv4 } from "node:net";
import { isId, type LegId, type RecordingId } from "../ids.ts";
import { isChannelUuid, type ChannelNames } from "./channel-names.ts";
import type { Fields } from "./codec.ts";
import { isUsername, loginVariable } from "./devices.ts";
import type {
  Arrival,
  AudioPackets,
  HangupCause,
  HungUp,
  PlaybackOutcome,
  Quality,
  RecordingStopper,
  SwitchEvent,
  TestOutcome,
} from "./switch.ts";

/** Marks the tokens of `play` on the wire, among the uuids that the switch gives its own applications. */
export const playTokenPrefix = "play:";

export type Decoded =
  | { kind: "event"; event: SwitchEvent }
  /** A call that came to the switch waits for somebody to take it in. */
  | { kind: "arrival"; arrival: Arrival }
  /** Names a channel that is none of ours. */
  | { kind: "foreign" }
  /** A name that we do not handle, or nothing in it that anybody needs. */
  | { kind: "ignored" };

const ignored: Decoded = { kind: "ignored" };

/** Turns one channel event into a fact about a leg. */
export function decodeEvent(box: string, fields: Fields, names: ChannelNames): Decoded {
  const leg = legOf(fields, names);
  if (leg === undefined) {
    const arrival = fields("Event-Name") === "CHANNEL_PARK" ? arrivalOf(box, fields) : undefined;
    return arrival === undefined ? { kind: "foreign" } : { kind: "arrival", arrival };
  }
  const at = (stamp: string) => ({
    box,
    leg,
    atUs: microseconds(fields(stamp)) ?? microseconds(fields("Event-Date-Timestamp")) ?? 0,
  });
  switch (fields("Event-Name")) {
    case "CHANNEL_CREATE":
      return event({ kind: "created", ...at("Caller-Channel-Created-Time") });
    case "CHANNEL_PROGRESS":
      return event({ kind: "ringing", ...at("Caller-Channel-Progress-Time"), ...dialogOf(fields) });
    case "CHANNEL_PROGRESS_MEDIA":
      return event({ kind: "earlyMedia", ...at("Caller-Channel-Progress-Media-Time"), ...dialogOf(fields) });
    case "CHANNEL_ANSWER":
      return event({ kind: "answered", ...at("Caller-Channel-Answered-Time"), ...dialogOf(fields) });
    case "CHANNEL_PARK":
      return event({ kind: "parked", ...at(eventTime) });
    case "CHANNEL_UNBRIDGE":
      return event({ kind: "unbridged", ...at(eventTime) });
    case "CHANNEL_BRIDGE":
      return bridged(fields, at("Caller-Channel-Bridged-Time"), names);
    case "CHANNEL_HANGUP_COMPLETE": {
      const facts = hungUp((name) => fields(`variable_${name}`));
      return facts === undefined
        ? ignored
        : event({
            ...{ kind: "hungUp", ...at(eventTime), ...facts, atUs: facts.endedAtUs },
            channel: fields("Unique-ID") ?? leg,
          });
    }
    case "CHANNEL_EXECUTE_COMPLETE":
      return playbackEnded(fields, at(eventTime));
    case "RECORD_START":
    case "RECORD_STOP":
      return recording(fields, at(eventTime));
    case "DTMF":
      return digit(fields, at(eventTime));
    case "CUSTOM":
      return room(fields, at(eventTime));
    default:
      return ignored;
  }
}

interface At {
  box: string;
  leg: LegId;
  atUs: number;
}

const event = (event: SwitchEvent): Decoded => ({ kind: "event", event });

const eventTime = "Event-Date-Timestamp";

/** The leg that a channel is: by its name, or by what we wrote on it when we took it in. */
export function legOf(fields: Fields, names: ChannelNames): LegId | undefined {
  const known = names.legOf(fields("Unique-ID"));
  if (known !== undefined) return known;
  const written = ["variable_presence_data", "Channel-Presence-Data"].map(fields);
  return written.find((id): id is LegId => isId("leg", id));
}

/** Longer than any number, and than the name of any telephone: the rest is of no use to anybody. */
const partyLengthMax = 64;

/** A caller whom nobody took in: parked unanswered in the dialplan that is for callers. */
export function arrivalOf(box: string, fields: Fields): Arrival | undefined {
  const uuid = fields("Unique-ID");
  const createdAtUs = microseconds(fields("Caller-Channel-Created-Time"));
  const waits = fields("Call-Direction") === "inbound" && fields("Answer-State") === "ringing";
  const device = callingDevice(fields);
  if (isRelayed(fields)) return undefined;
  if (!waits || device === undefined || !isChannelUuid(uuid) || createdAtUs === undefined) return undefined;
  const party = (name: string) => (fields(name) ?? "").slice(0, partyLengthMax);
  return {
    ...{ box, uuid, createdAtUs },
    from: hidesNumber(fields) ? "anonymous" : party("Caller-Caller-ID-Number"),
    to: party("Caller-Destination-Number"),
    sipCallId: sipCallId((name) => fields(`variable_${name}`)) ?? "",
    device,
    address: addressOf(fields("Caller-Network-Addr")),
    ticket: fields(`variable_sip_h_${ticketHeader}`)?.slice(0, partyLengthMax) ?? null,
    relay: fields(`variable_sip_h_${relayHeader}`)?.slice(0, partyLengthMax) ?? null,
  };
}

/**
 * The switch takes the number out of P-Asserted-Identity, which a trunk sends us even for a caller who hides it, and says of
 * the hiding only that it was asked for. It reads `id` so (RFC 3325 §9.3), and nothing of RFC 3323 §4.2.
 */
const hidesNumber = (fields: Fields): boolean =>
  fields("Caller-Privacy-Hide-Number") === "true" ||
  /\b(?:id|user|header)\b/i.test(fields("variable_sip_Privacy") ?? "");

const addressOf = (text: string | undefined) => (text !== undefined && isIPv4(text) ? text : null);

/** A call that came to one of our profiles and talks, whoever answered it. */
export const isAnsweredCaller = (fields: Fields): boolean =>
  fields("Call-Direction") === "inbound" &&
  fields("Answer-State") === "answered" &&
  !isRelayed(fields) &&
  /^sofia\/(?:edge|trunks|devices)\//.test(fields("Channel-Name") ?? "");

/**
 * Which device calls, by the variable that its credential has in the directory; null: none, it is the carrier. Undefined:
 * neither, and nobody to take in. The contexts are those of the dialplan in freeswitch-conf/, a profile's each.
 */
function callingDevice(fields: Fields): string | null | undefined {
  switch (fields("Caller-Context")) {
    case "public":
      return null;
    case "devices": {
      const login = fields(`variable_${loginVariable}`);
      return isUsername(login) ? login : undefined;
    }
    default:
      return undefined;
  }
}
const sipCallIdLengthMax = 256;
/** As engine/sip/edge/ writes it. */
const ticketHeader = "X-Sautikit-Ticket";
/** By which a box that dials another shows what for. */
export const relayHeader = "X-Sautikit-Relay";

/** The `presence_data` of a channel that another box's leg is at the other end of. Nobody but us sets it. */
export const relayMark = (leg: LegId): string => `relay:${leg}`;

/** Whose it is. */
export function relayedLeg(presenceData: string | undefined): LegId | undefined {
  const leg = presenceData?.startsWith("relay:") ? presenceData.slice("relay:".length) : undefined;
  return isId("leg", leg) ? leg : undefined;
}

export const isRelayed = (fields: Fields): boolean =>
  ["variable_presence_data", "Channel-Presence-Data"].some((name) => relayedLeg(fields(name)) !== undefined);

const sipCallId = (variable: Fields): string | null =>
  variable("sip_call_id")?.slice(0, sipCallIdLengthMax) ?? null;

function dialogOf(fields: Fields): { sipCallId?: string } {
  const id = sipCallId((name) => fields(`variable_${name}`));
  return id === null ? {} : { sipCallId: id };
}

function bridged(fields: Fields, at: At, names: ChannelNames): Decoded {
  // Carried by one leg of the pair alone, mostly by A; whichever it is, the other one is the other.
  const otherLeg = [fields("Bridge-B-Unique-ID"), fields("Bridge-A-Unique-ID"), fields("Other-Leg-Unique-ID")]
    .map((id) => names.legOf(id))
    .find((leg) => leg !== undefined && leg !== at.leg);
  return otherLeg === undefined ? ignored : event({ kind: "bridged", ...at, otherLeg });
}

/** What the application `playback` says of its end. */
export const playbackOutcome = (response: string | undefined): PlaybackOutcome => {
  switch (response) {
    case "FILE PLAYED":
      return "played";
    case "FILE NOT FOUND":
      return "notFound";
    default:
      return "failed";
  }
};

function playbackEnded(fields: Fields, at: At): Decoded {
  const token = fields("Application-UUID");
  if (fields("Application") !== "playback" || token?.startsWith(playTokenPrefix) !== true) return ignored;
  const outcome = playbackOutcome(fields("Application-Response"));
  return event({ kind: "playbackEnded", ...at, token: token.slice(playTokenPrefix.length), outcome });
}

function recording(fields: Fields, at: At): Decoded {
  const id = recordingOf(fields("Record-File-Path") ?? "");
  if (id === undefined) return ignored;
  if (fields("Event-Name") === "RECORD_START")
    return event({ kind: "recordingStarted", ...at, recording: id });
  const lengthMs = count(fields("variable_record_ms")) ?? 0;
  return event({ kind: "recordingStopped", ...at, recording: id, lengthMs, by: stopperOf(fields) });
}

/** The cause says "silence" of every leg that hung up, and "maxtime" also after an explicit stop. */
function stopperOf(fields: Fields): RecordingStopper {
  if (fields("Answer-State") === "hangup") return "hangUp";
  const cause = fields("Record-Completion-Cause");
  return cause === "success-silence" || cause === "no-input-timeout" ? "silence" : "other";
}

/** Which of our recordings a file on the box is: it is named by the id. */
export function recordingOf(path: string): RecordingId | undefined {
  const name = /([^/]+)\.wav$/.exec(path)?.[1];
  return isId("rec", name) ? name : undefined;
}

function digit(fields: Fields, at: At): Decoded {
  const digit = fields("DTMF-Digit")?.toUpperCase();
  if (digit === undefined || !/^[0-9*#A-D]$/.test(digit)) return ignored;
  // Counted in samples at 8 kHz.
  return event({
    kind: "digit",
    ...at,
    digit,
    durationMs: Math.round((count(fields("DTMF-Duration")) ?? 0) / 8),
  });
}

const roomEvents: Record<string, "roomEntered" | "roomLeft" | "memberChanged"> = {
  "add-member": "roomEntered",
  "del-member": "roomLeft",
  "mute-member": "memberChanged",
  "unmute-member": "memberChanged",
  "hold-member": "memberChanged",
  "unhold-member": "memberChanged",
};

/** Of mod_conference. Which of its commands it tells of does not matter: each says what the member is then. */
function room(fields: Fields, at: At): Decoded {
  const name = fields("Conference-Name");
  const kind = roomEvents[fields("Action") ?? ""];
  if (fields("Event-Subclass") !== "conference::maintenance" || kind === undefined || !isId("conf", name))
    return ignored;
  if (kind === "roomLeft")
    return event({ kind, ...at, room: name, hungUp: fields("Answer-State") === "hangup" });
  const state = { muted: fields("Speak") === "false", held: fields("Hold") === "true" };
  return event({ kind, ...at, room: name, ...state });
}

/** How a call ended that tried a trunk out. */
export function testOutcome(fields: Fields): TestOutcome | undefined {
  const variable = (name: string) => fields(`variable_${name}`);
  const facts = hungUp(variable);
  return (
    facts && {
      ...facts,
      codec: facts.answeredAtUs === null ? null : (variable("read_codec") ?? null),
      packetsHeard: count(variable("rtp_audio_in_media_packet_count")) ?? 0,
    }
  );
}

/**
 * How a leg ended, from the channel's variables: they stand under the same names in CHANNEL_HANGUP_COMPLETE and in
 * the end-of-leg record, so both yield the same facts. Undefined if the stamps are not there.
 */
export function hungUp(variable: Fields): HungUp | undefined {
  const createdAtUs = microseconds(variable("start_uepoch"));
  const endedAtUs = microseconds(variable("end_uepoch"));
  const cause = variable("hangup_cause");
  if (createdAtUs === undefined || endedAtUs === undefined || !isCause(cause)) return undefined;
  const answeredAtUs = microseconds(variable("answer_uepoch")) ?? null;
  const ringing = [variable("progress_uepoch"), variable("progress_media_uepoch")]
    .map(microseconds)
    .filter((us) => us !== undefined);
  return {
    createdAtUs,
    ringingAtUs: ringing.length > 0 ? Math.min(...ringing) : null,
    answeredAtUs,
    endedAtUs,
    cause,
    q850: count(variable("hangup_cause_q850")) ?? 0,
    sipStatus: sipStatus(variable, answeredAtUs !== null),
    quality: quality(variable),
    audio: audioPackets(variable),
    sipCallId: sipCallId(variable),
  };
}

export const isCause = (text: string | undefined): text is HangupCause =>
  text !== undefined && /^[A-Z][A-Z0-9_]*$/.test(text);

/**
 * Of an answered leg the switch writes 200 where the party hung up, nothing where we did, and a failed B-leg's status where
 * that was its partner; so that only the answer itself counts.
 */
function sipStatus(variable: Fields, answered: boolean): number | null {
  if (answered) return 200;
  return count(variable("sip_term_status")) ?? count(variable("sip_invite_failure_status")) ?? null;
}

/** What we heard of them; null where no packet of theirs came. */
function quality(variable: Fields): Quality | null {
  if ((count(variable("rtp_audio_in_media_packet_count")) ?? 0) === 0) return null;
  const mos = decimal(variable("rtp_audio_in_mos"));
  // A variance, in ms², of the packets' spacing; the largest that the leg had.
  const variance = decimal(variable("rtp_audio_in_jitter_max_variance"));
  // Lost for each received, so 0.5 is a third. The switch reckons it anew every 5 s only: a short call's is 0.
  const lossRate = decimal(variable("rtp_audio_in_jitter_loss_rate"));
  if (mos === undefined || variance === undefined || lossRate === undefined) return null;
  const lossPercent = (lossRate / (1 + lossRate)) * 100;
  return {
    // The switch's own sees a short call's losses at once, but begins anew at 4.5 whenever it has counted more flaws than
    // packets: with a third lost it is 1.4 in one moment and 4.5 in the next.
    mos: lossRate === 0 ? mos : Math.min(mos, mosOfLoss(lossPercent)),
    jitterMs: Math.round(Math.sqrt(variance) * 100) / 100,
    packetLossPercent: Math.round(lossPercent * 100) / 100,
  };
}

/**
 * ITU-T G.107 for G.711 without concealment of what is lost (G.113: Ie 0, Bpl 4.3), of random loss; delay is not known
 * here, and counts as none.
 */
function mosOfLoss(percent: number): number {
  const r = Math.max(0, 93.2 - (95 * percent) / (percent + 4.3));
  const mos = 1 + 0.035 * r + 0.000_007 * r * (r - 60) * (100 - r);
  return Math.max(1, Math.round(mos * 100) / 100);
}

/** Null where the leg never had media. */
function audioPackets(variable: Fields): AudioPackets | null {
  const received = count(variable("rtp_audio_in_packet_count"));
  const sent = count(variable("rtp_audio_out_packet_count"));
  if (received === undefined || sent === undefined) return null;
  const flow = variable("remote_audio_media_flow");
  return {
    received,
    sent,
    party: {
      sends: flow !== "recvonly" && flow !== "inactive",
      hears: flow !== "sendonly" && flow !== "inactive",
    },
    bridgedAtUs: microseconds(variable("bridge_uepoch")) ?? null,
  };
}

/** µs since the epoch. The switch writes 0 for what has not happened. */
export function microseconds(text: string | undefined): number | undefined {
  const us = count(text);
  return us === 0 ? undefined : us;
}

function count(text: string | undefined): number | undefined {
  return text !== undefined && /^[0-9]{1,16}$/.test(text) ? Number(text) : undefined;
}

function decimal(text: string | undefined): number | undefined {
  return text !== undefined && /^[0-9]{1,12}(\.[0-9]{1,6})?$/.test(text) ? Number(text) : undefined;
}
