import { isIPv4 } from "node:net";
import ipaddr from "ipaddr.js";

/** An IPv4 address or range as a CIDR: an address is a range of one. Null: it is neither. */
export function ipv4Range(text: string): string | null {
  const [address = "", bits = "32", ...more] = text.split("/");
  const isRange = more.length === 0 && isIPv4(address) && /^\d{1,2}$/.test(bits) && Number(bits) <= 32;
  return isRange ? `${address}/${bits}` : null;
}

/** Whether an address lies in one of those CIDRs; what is no IPv4 address lies in none. */
export function isWithin(address: string, ranges: readonly string[]): boolean {
  if (!isIPv4(address)) return false;
  const parsed = ipaddr.IPv4.parse(address);
  return ranges.some((range) => parsed.match(ipaddr.IPv4.parseCIDR(range)));
}
