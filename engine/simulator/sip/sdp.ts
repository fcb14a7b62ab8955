import { isIPv4 } from "node:net";
import { parse, write, type MediaDescription as Line } from "sdp-transform";
import type { Address } from "./message.ts";

/** G.711 by its names in SDP: µ-law and A-law (RFC 3551 §4.5.14). */
export type Law = "PCMU" | "PCMA";
export const payloadTypes: Readonly<Record<Law, number>> = { PCMU: 0, PCMA: 8 };

export type Direction = "sendrecv" | "sendonly" | "recvonly" | "inactive";
const directions: readonly string[] = ["sendrecv", "sendonly", "recvonly", "inactive"];

/** What the far end's description says of its one audio stream. */
export interface RemoteAudio {
  address: Address;
  /** In its order of preference; never empty. */
  laws: readonly Law[];
  telephoneEventType: number | null;
  direction: Direction;
  /** All its media lines, which an answer has to mirror (RFC 3264 §6). */
  lines: readonly { type: string; protocol: string; payloads: string; isThisAudio: boolean }[];
}

/** Null where there is no G.711 over plain RTP in it that we may use. */
export function readSdp(content: string | undefined, ours: readonly Law[]): RemoteAudio | null {
  try {
    const session = parse(content ?? "");
    const audio = session.media.find((line) => usable(line));
    const host = audio?.connection?.ip ?? session.connection?.ip;
    if (!audio || host === undefined || !isIPv4(host)) return null;
    // A lone payload type comes as a number, whatever the declaration says.
    const offered = `${(audio.payloads as string | number | undefined) ?? ""}`.split(" ");
    const laws = offered.flatMap((payload) => ours.filter((law) => payload === String(payloadTypes[law])));
    if (laws.length === 0) return null;
    return {
      address: { host, port: audio.port },
      laws,
      telephoneEventType: audio.rtp.find(isTelephoneEvent)?.payload ?? null,
      direction: directionOf(audio.direction ?? session.direction, host),
      lines: session.media.map((line) => ({
        type: line.type,
        protocol: line.protocol,
        payloads: line.payloads ?? "0",
        isThisAudio: line === audio,
      })),
    };
  } catch {
    return null;
  }
}

const usable = (line: Line): boolean =>
  line.type === "audio" && line.protocol === "RTP/AVP" && line.port > 0 && line.port < 65536;

const isTelephoneEvent = (map: { codec: string; rate?: number }): boolean =>
  map.codec.toLowerCase() === "telephone-event" && (map.rate ?? 8000) === 8000;

function directionOf(attribute: string | undefined, host: string): Direction {
  // RFC 3264 §8.4 tells of the older way to hold: the address 0.0.0.0.
  if (host === "0.0.0.0") return "inactive";
  return directions.includes(attribute ?? "") ? (attribute as Direction) : "sendrecv";
}

/** RFC 3264 §6.1: what may be answered to an offer when we would have `wish`. */
export function answerDirection(offered: Direction, wish: Direction): Direction {
  const weSend = (offered === "sendrecv" || offered === "recvonly") && sends(wish);
  const weReceive = sends(offered) && (wish === "sendrecv" || wish === "recvonly");
  if (weSend) return weReceive ? "sendrecv" : "sendonly";
  return weReceive ? "recvonly" : "inactive";
}

const sends = (direction: Direction): boolean => direction === "sendrecv" || direction === "sendonly";

export interface LocalAudio {
  address: Address;
  laws: readonly Law[];
  /** Null: no RFC 4733. */
  telephoneEventType: number | null;
  direction: Direction;
  sessionId: string;
  /** Goes up by one with each change (RFC 3264 §5). */
  version: number;
}

/** An offer, or, with the offer's lines, its answer. */
export function writeSdp(local: LocalAudio, answerTo?: RemoteAudio["lines"]): string {
  const audio = audioLine(local);
  const refused = (line: RemoteAudio["lines"][number]): Line => ({
    type: line.type,
    port: 0,
    protocol: line.protocol,
    payloads: line.payloads,
    rtp: [],
    fmtp: [],
  });
  return write({
    version: 0,
    origin: {
      username: "-",
      sessionId: local.sessionId,
      sessionVersion: local.version,
      netType: "IN",
      ipVer: 4,
      address: local.address.host,
    },
    name: "-",
    connection: { version: 4, ip: local.address.host },
    timing: { start: 0, stop: 0 },
    media: answerTo ? answerTo.map((line) => (line.isThisAudio ? audio : refused(line))) : [audio],
  });
}

function audioLine({ address, laws, telephoneEventType, direction }: LocalAudio): Line {
  const codecs = laws.map((law) => ({ payload: payloadTypes[law], codec: law, rate: 8000 }));
  const events =
    telephoneEventType === null
      ? []
      : [{ payload: telephoneEventType, codec: "telephone-event", rate: 8000 }];
  const rtp = [...codecs, ...events];
  return {
    type: "audio",
    port: address.port,
    protocol: "RTP/AVP",
    payloads: rtp.map(({ payload }) => payload).join(" "),
    rtp,
    fmtp: events.map(({ payload }) => ({ payload, config: "0-15" })),
    ptime: 20,
    direction,
  };
}
