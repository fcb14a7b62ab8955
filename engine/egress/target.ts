import { isIP, isIPv4 } from "node:net";
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
  return { url, addresses: await checkedAddresses(hostOf(url), resolve, allowPrivate, "URL") };
}

/** The same of a host by itself; the IPv4 addresses alone. Throws EgressError `blocked`, `dns`. */
export async function resolveIPv4(host: string, resolve: Resolve, allowPrivate: boolean): Promise<string[]> {
  const addresses = await checkedAddresses(host, resolve, allowPrivate, "host");
  const those = addresses.filter((address) => isIPv4(address));
  if (those.length === 0) throw new EgressError("dns", "The host has no IPv4 address.");
  return those;
}

async function checkedAddresses(
  host: string,
  resolve: Resolve,
  allowPrivate: boolean,
  what: "URL" | "host",
): Promise<readonly string[]> {
  const addresses = isIP(host) === 0 ? await addressesOf(host, resolve, what) : [host];
  if (!allowPrivate && !addresses.every(isPublicAddress)) {
    throw new EgressError("blocked", `The ${what} does not lead to a public address.`);
  }
  return addresses;
}

async function addressesOf(name: string, resolve: Resolve, what: string): Promise<readonly string[]> {
  const named = what === "URL" ? "The URL's host name" : "The host's name";
  try {
    const addresses = await resolve(name);
    if (addresses.length > 0) return addresses;
  } catch (cause) {
    throw new EgressError("dns", `${named} could not be resolved.`, { cause });
  }
  throw new EgressError("dns", `${named} has no address.`);
}

/** The host as the resolver and the socket want it: an IPv6 literal without its brackets. */
export const hostOf = (url: URL): string => url.hostname.replace(/^\[|\]$/g, "");
