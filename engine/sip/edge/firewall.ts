import type { Trunk } from "../trunks/trunk-file.ts";
import type { SipAddress } from "./admission.ts";

export interface FirewallParts {
  /** Where drachtio-server takes SIP, and applications. */
  sipPort: number;
  adminPort: number;
  trunks: readonly Trunk[];
  boxes: readonly SipAddress[];
  /** Addresses of controllers on other machines. */
  controllers: readonly string[];
}

/**
 * nftables rules for the edge's host, to be loaded as a whole. drachtio-server sends whatever has a To tag and a Route that
 * names it to where the request says, and asks nobody: so it is to hear trunks and boxes alone, and to reach them alone.
 */
export function firewallRules({ sipPort, adminPort, trunks, boxes, controllers }: FirewallParts): string {
  const overEdge = trunks.filter(({ via }) => via === "edge");
  const peers = new Set([
    ...overEdge.flatMap(({ host, addresses }) => [host, ...addresses]),
    ...boxes.map(({ host }) => host),
  ]);
  const admitted =
    controllers.length === 0
      ? ""
      : `\n    tcp dport ${adminPort} ip saddr { ${controllers.join(", ")} } accept`;
  return `# Who may reach the SIP port of Sautikit's trunk edge, and whom it may reach. Made by \`sautikit firewall\`.
table inet sautikit_edge
delete table inet sautikit_edge
table inet sautikit_edge {
  set peers {
    type ipv4_addr
    flags interval
    auto-merge
    elements = { ${[...peers].sort().join(", ")} }
  }
  chain input {
    type filter hook input priority -10; policy accept;
    udp dport ${sipPort} ip saddr @peers accept
    udp dport ${sipPort} counter drop
    tcp dport ${sipPort} counter drop
    tcp dport ${adminPort} iif lo accept${admitted}
    tcp dport ${adminPort} counter drop
  }
  chain output {
    type filter hook output priority -10; policy accept;
    udp sport ${sipPort} ip daddr @peers accept
    udp sport ${sipPort} counter drop
  }
}
`;
}
