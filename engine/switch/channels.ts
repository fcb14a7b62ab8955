import { isId, type LegId } from "../ids.ts";
import { isChannelUuid, type ChannelNames } from "./channel-names.ts";
import { objectFields, type Fields } from "./codec.ts";
import { isRelayed, legOf, microseconds, playbackOutcome, relayedLeg } from "./events.ts";
import type { ChannelFacts, ChannelListing, Playback, Relayed } from "./switch.ts";

/** What a listing has: our legs, and channels of the switch's own naming that may be callers whom nobody took in. */
export interface Listed {
  legs: ChannelListing[];
  unknown: string[];
  relayed: Relayed[];
}

/** The reply to `show channels as json`; undefined if it is no listing. */
export function channelListings(reply: string, names: ChannelNames): Listed | undefined {
  let listing: unknown;
  try {
    listing = JSON.parse(reply);
  } catch {
    return undefined;
  }
  // Without channels there are no rows, only the count.
  const rows = typeof listing === "object" && listing !== null && "rows" in listing ? listing.rows : [];
  const listed: Listed = { legs: [], unknown: [], relayed: [] };
  const channels = new Map<LegId, string>();
  for (const row of Array.isArray(rows) ? (rows as unknown[]) : []) {
    const column = objectFields(row);
    const uuid = column?.("uuid");
    if (column === undefined) continue;
    // Only we write presence_data.
    const leg = [names.legOf(uuid), column("presence_data")].find((id) => isId("leg", id));
    if (leg !== undefined) {
      listed.legs.push(channelListing(leg, column));
      if (isChannelUuid(uuid)) channels.set(leg, uuid);
      continue;
    }
    if (column("direction") !== "inbound" || !isChannelUuid(uuid)) continue;
    const relayed = relayedLeg(column("presence_data"));
    if (relayed === undefined) listed.unknown.push(uuid);
    else listed.relayed.push({ uuid, leg: relayed });
  }
  names.list(channels);
  return listed;
}

const states: Record<string, ChannelListing["state"]> = {
  DIALING: "ringing",
  RINGING: "ringing",
  RING_WAIT: "ringing",
  EARLY: "early",
  ACTIVE: "active",
  UNHELD: "active",
  HELD: "held",
  HANGUP: "hangup",
  DOWN: "down",
};

const channelListing = (leg: LegId, column: Fields): ChannelListing => ({
  leg,
  createdAtS: Number(column("created_epoch") ?? 0),
  state: states[column("callstate") ?? ""] ?? "down",
});

/** What `uuid_dump … json` says of a channel. */
export function channelFacts(leg: LegId, fields: Fields, names: ChannelNames): ChannelFacts {
  const ringing = [fields("Caller-Channel-Progress-Time"), fields("Caller-Channel-Progress-Media-Time")]
    .map(microseconds)
    .filter((us) => us !== undefined);
  // Of all the names for the peer, the one that is taken away again when the bridge ends.
  const other = names.legOf(fields("variable_bridge_to"));
  return {
    leg: legOf(fields, names) ?? leg,
    createdAtUs: microseconds(fields("Caller-Channel-Created-Time")) ?? 0,
    ringingAtUs: ringing.length > 0 ? Math.min(...ringing) : null,
    answeredAtUs: microseconds(fields("Caller-Channel-Answered-Time")) ?? null,
    bridgedTo: other ?? null,
    hungUp: fields("Answer-State") === "hangup",
    relayed: isRelayed(fields),
    playback: playbackOf(fields),
  };
}

/**
 * The application that the channel runs, or ran last, and what it was given are variables; what it came to is one that
 * is there from its end on.
 */
function playbackOf(fields: Fields): Playback | null {
  if (fields("variable_current_application") !== "playback") return null;
  const [, token] = playedWithToken.exec(fields("variable_current_application_data") ?? "") ?? [];
  if (token === undefined) return null;
  const response = fields("variable_current_application_response");
  return { token, outcome: response === undefined ? null : playbackOutcome(response) };
}

/** Parameters before a file are the switch's own syntax; it hands them on, and none is called `token` there. */
export const withToken = (sound: string, token: string): string => `{token=${token}}${sound}`;
const playedWithToken = /^\{token=([\w:.-]+)\}/;
