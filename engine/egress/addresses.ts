import { isIP } from "node:net";
import ipaddr from "ipaddr.js";

/** Public by range, yet a cloud's metadata service: Azure's answers on this one. */
const metadataAddresses = new Set(["168.63.129.16"]);

/** IPv6 global unicast; outside of it lie loopback, unique-local, NAT64, IPv4-mapped and -compatible, multicast. */
const globalUnicast = ipaddr.IPv6.parseCIDR("2000::/3");

/**
 * Whether a literal address is somebody's on the public internet. Everything special is not: an IPv6 form that carries
 * an IPv4 address is refused even where the inner one is public, since nobody needs it and it is how filters are passed.
 */
export function isPublicAddress(address: string): boolean {
  if (isIP(address) === 0 || metadataAddresses.has(address)) return false;
  const parsed = ipaddr.parse(address);
  if (parsed.range() !== "unicast") return false;
  return parsed.kind() === "ipv4" || parsed.match(globalUnicast);
}
