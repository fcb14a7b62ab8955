import { isId, type LegId } from "../ids.ts";
import { objectFields, type Fields } from "./codec.ts";
import { legOf, microseconds } from "./events.ts";
import type { ChannelFacts, ChannelListing } from "./switch.ts";

/** The legs of ours in the reply to `show channels as json`; undefined if it is no listing. */
export function channelListings(reply: string): ChannelListing[] | undefined {
  let listing: unknown;
  try {
    listing = JSON.parse(reply);
  } catch {
    return undefined;
  }
  // Without channels there are no rows, only the count.
  const rows = typeof listing === "object" && listing !== null && "rows" in listing ? listing.rows : [];
  return Array.isArray(rows) ? rows.flatMap((row: unknown) => channelListing(row)) : [];
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

/** A row of `show channels`, if it is a leg of ours. */
function channelListing(row: unknown): ChannelListing[] {
  const column = objectFields(row);
  const leg = [column?.("uuid"), column?.("presence_data")].find((id) => isId("leg", id));
  if (column === undefined || leg === undefined) return [];
  return [
    {
      leg,
      createdAtS: Number(column("created_epoch") ?? 0),
      state: states[column("callstate") ?? ""] ?? "down",
    },
  ];
}

/** What `uuid_dump … json` says of a channel. */
export function channelFacts(leg: LegId, fields: Fields): ChannelFacts {
  const ringing = [fields("Caller-Channel-Progress-Time"), fields("Caller-Channel-Progress-Media-Time")]
    .map(microseconds)
    .filter((us) => us !== undefined);
  // Of all the names for the peer, the one that is taken away again when the bridge ends.
  const other = fields("variable_bridge_to");
  return {
    leg: legOf(fields) ?? leg,
    createdAtUs: microseconds(fields("Caller-Channel-Created-Time")) ?? 0,
    ringingAtUs: ringing.length > 0 ? Math.min(...ringing) : null,
    answeredAtUs: microseconds(fields("Caller-Channel-Answered-Time")) ?? null,
    bridgedTo: isId("leg", other) ? other : null,
  };
}
