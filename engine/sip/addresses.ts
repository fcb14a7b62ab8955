import ipaddr from "ipaddr.js";

/** Whether an IPv4 address lies in one of those CIDRs. Throws on what is neither. */
export function isWithin(address: string, ranges: readonly string[]): boolean {
  const parsed = ipaddr.IPv4.parse(address);
  return ranges.some((range) => parsed.match(ipaddr.IPv4.parseCIDR(range)));
}
