import { isWithin } from "../addresses.ts";
import type { Trunk } from "../trunks/trunk-file.ts";

export interface SipAddress {
  /** IPv4: the edge resolves no names. */
  host: string;
  port: number;
}

/** A request outside of dialogs, as far as its admission goes. */
export interface Asked {
  method: string;
  uri: string;
  source: SipAddress;
  /** Of its headers, as they were written. */
  headerNames: readonly string[];
}

/** Why a request goes no further. */
export type EdgeRefusal =
  "stranger" | "forged_header" | "no_number" | "not_a_trunk" | "method" | "no_box" | "no_store";

export type Verdict =
  /** `dialled`: user part of the request URI, unescaped. */
  | { kind: "to_box"; trunk: Trunk; dialled: string }
  | { kind: "to_trunk"; trunk: Trunk }
  /** A trunk asks whether we are there. */
  | { kind: "alive" }
  | { kind: "refused"; why: EdgeRefusal; status: number };

/** Headers that we alone write, and those that take over a call which is there. */
const forged = /^(x-sautikit-.*|replaces|join)$/i;
/** What may stand in a request URI as it is; it goes into one. */
const dialledForm = /^\+?[0-9A-Za-z._*-]{1,63}$/;

/** Whom the edge lets through, and where: trunks in to the boxes, boxes out to the trunks, nobody else. */
export function judge(
  asked: Asked,
  { trunks, boxes }: { trunks: readonly Trunk[]; boxes: readonly SipAddress[] },
): Verdict {
  const { method, source, uri, headerNames } = asked;
  const overEdge = trunks.filter(({ via }) => via === "edge");
  if (boxes.some((box) => isSame(box, source))) {
    if (method !== "INVITE" && method !== "OPTIONS") return refused("method", 405);
    const target = addressIn(uri);
    const trunk = overEdge.find((one) => target !== null && isSame(one, target));
    return trunk ? { kind: "to_trunk", trunk } : refused("not_a_trunk", 403);
  }
  const trunk = overEdge.find(({ addresses }) => isWithin(source.host, addresses));
  if (!trunk) return refused("stranger", 403);
  if (method === "OPTIONS") return { kind: "alive" };
  if (method !== "INVITE") return refused("method", 405);
  if (headerNames.some((name) => forged.test(name.trim()))) return refused("forged_header", 403);
  const dialled = userIn(uri);
  return dialled !== null && dialledForm.test(dialled)
    ? { kind: "to_box", trunk, dialled }
    : refused("no_number", 404);
}

/** A call that came to the box from there is a trunk's that speaks to the box itself, and was never at the edge. */
export const comesByItself = (trunks: readonly Trunk[], host: string): boolean =>
  trunks.some(({ via, addresses }) => via === "switch" && isWithin(host, addresses));

const refused = (why: EdgeRefusal, status: number): Verdict => ({ kind: "refused", why, status });

const isSame = (one: SipAddress, other: SipAddress) => one.host === other.host && one.port === other.port;

/** Null also for a name: what is to be reached is an address. */
function addressIn(uri: string): SipAddress | null {
  const [, host, port = "5060"] =
    /^sip:(?:[^@]*@)?(\d+\.\d+\.\d+\.\d+)(?::(\d{1,5}))?(?:[;?].*)?$/i.exec(uri) ?? [];
  return host === undefined ? null : { host, port: Number(port) };
}

/** Without its parameters and its password. */
function userIn(uri: string): string | null {
  const [, user] = /^sip:([^@;:]+)(?:[;:][^@]*)?@/i.exec(uri) ?? [];
  try {
    return user === undefined ? null : decodeURIComponent(user);
  } catch {
    return null;
  }
}
