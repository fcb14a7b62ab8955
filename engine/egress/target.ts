import { isIP } from "node:net";
import { isPublicAddress } from "./addresses.ts";
import { EgressError } from "./egress-error.ts";

/** Where a request goes: the name for Host and TLS, and the only addresses that may be connected to. */
export interface Target {
  url: URL;
  addresses: readonly string[];
}

/** Every address of a name; throws where there is none. */
export type Resolve = (name: string) => Promise<readonly string[]>;

const urlLengthMax = 2048;

/**
 * Reads a customer's URL. WHATWG parsing turns the odd forms of an address (decimal, octal, hex, full-width digits)
 * into plain ones, so that what is checked later is what would be connected to. Throws EgressError `blocked`.
 */
export function parseTarget(text: string, schemes: readonly [string, string] = ["http", "https"]): URL {
  if (text.length > urlLengthMax) throw new EgressError("blocked", `The URL is longer than ${urlLengthMax}.`);
  const url = URL.parse(text);
  if (!url) throw new EgressError("blocked", "This is not an absolute URL.");
  if (!schemes.some((scheme) => url.protocol === `${scheme}:`)) {
    const allowed = schemes.map((scheme) => `${scheme}://`).join(" or ");
    throw new EgressError("blocked", `The URL must begin with ${allowed}.`);
  }
  if (url.username !== "" || url.password !== "") {
    throw new EgressError("blocked", "The URL must not carry a user name or password.");
  }
  if (url.port === "0") throw new EgressError("blocked", "Port 0 cannot be connected to.");
  return url;
}

/** Resolves once and checks every address: one bad one among good ones refuses the name. */
export async function resolveTarget(url: URL, resolve: Resolve, allowPrivate: boolean): Promise<Target> {
  const host = hostOf(url);
  const addresses = isIP(host) === 0 ? await addressesOf(host, resolve) : [host];
  if (!allowPrivate && !addresses.every(isPublicAddress)) {
    throw new EgressError("blocked", "The URL does not lead to a public address.");
  }
  return { url, addresses };
}

async function addressesOf(name: string, resolve: Resolve): Promise<readonly string[]> {
  try {
    const addresses = await resolve(name);
    if (addresses.length > 0) return addresses;
  } catch (cause) {
    throw new EgressError("dns", "The URL's host name could not be resolved.", { cause });
  }
  throw new EgressError("dns", "The URL's host name has no address.");
}

/** The host as the resolver and the socket want it: an IPv6 literal without its brackets. */
export const hostOf = (url: URL): string => url.hostname.replace(/^\[|\]$/g, "");
