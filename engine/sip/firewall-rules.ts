/** Of nftables, for what customers' devices send: one of ours alone, so that it can be loaded and taken away beside others. */
export const table = "inet sautikit_devices";

export interface DevicePort {
  transport: string;
  port: number;
}

/**
 * What one address may send to the SIP ports: a PBX with a hundred phones that register every minute, and call, sends some ten
 * packets a second.
 */
const packetsPerSecond = 60;
const packetsBurst = 300;
/** New TCP connections, which TLS makes dear. */
const connectionsPerSecond = 5;
const connectionsBurst = 50;
/**
 * Of one that is banned: what ends its running calls, or answers what the switch asks in them. Else a caller whose address is banned
 * meanwhile hangs up unheard, and pays until the media's time runs out.
 */
const endingsPerSecond = 5;
const endingsBurst = 30;
/** How a UDP payload begins: `BYE `, and `SIP/2.0 ` of a response. */
const endings = ["@th,64,32 0x42594520", "@th,64,64 0x5349502f322e3020"];
/** In a set: those that are banned, and those that are told apart until a minute after their last packet. */
export const addressesMax = 65_536;

/**
 * A file for `nft -f`, to be loaded at the box's start and again after a change: rules are replaced, and the set of banned addresses
 * is left as it is. Of the traffic to other ports it says nothing.
 */
export function devicesRuleset({
  ports,
  never,
}: {
  ports: readonly DevicePort[];
  never: readonly string[];
}): string {
  const udp = ports.filter(({ transport }) => transport === "udp").map(({ port }) => port);
  const tcp = ports.filter(({ transport }) => transport !== "udp").map(({ port }) => port);
  const all = [...new Set([...udp, ...tcp])];
  const exempt = never.length === 0 ? [] : [`ip saddr { ${never.join(", ")} } accept`];
  return `# Printed by: npx sautikit bans firewall. Load it with: nft -f
table ${table}
flush table ${table}
table ${table} {
  # Written by the spool role, FIREWALL=nft.
  set banned { type ipv4_addr; flags timeout; size ${addressesMax}; }
  set packets { type ipv4_addr; flags dynamic,timeout; timeout 1m; size ${addressesMax}; }
  set endings { type ipv4_addr; flags dynamic,timeout; timeout 1m; size ${addressesMax}; }
  set connections { type ipv4_addr; flags dynamic,timeout; timeout 1m; size ${addressesMax}; }
  chain input {
    type filter hook input priority -10; policy accept;
    meta l4proto { tcp, udp } th dport { ${all.join(", ")} } jump sip
  }
  chain banned {
${endings
  .map(
    (begins) =>
      `    meta l4proto udp ${begins} update @endings { ip saddr limit rate ${endingsPerSecond}/second burst ${endingsBurst} packets } return\n`,
  )
  .join("")}    drop
  }
  chain sip {
${[
  ...exempt,
  "ip saddr @banned jump banned",
  `update @packets { ip saddr limit rate over ${packetsPerSecond}/second burst ${packetsBurst} packets } drop`,
  `tcp flags syn / syn,ack,fin,rst update @connections { ip saddr limit rate over ${connectionsPerSecond}/second burst ${connectionsBurst} packets } drop`,
]
  .map((rule) => `    ${rule}\n`)
  .join("")}  }
}
`;
}

/**
 * What scanners call themselves, as it stands on the wire. A name that is changed gets past it: this keeps the noise of the many who
 * do not bother out of the switch, and the rest is for bans and rates.
 */
const scanners = [
  ...["friendly-scanner", "friendly-request", "sipvicious", "sipcli", "sip-scan", "sipsak", "sundayddr"],
  ...["iWar", "SIVuS", "Gulp", "sipv", "smap", "VaxIPUserAgent", "VaxSIPUserAgent", "siparmyknife", "pplsip"],
];

/** nftables compares no text, so that these are iptables': a script for `sh`, which may be run again. */
export function scannerRules(ports: readonly DevicePort[]): string {
  const dropped = (port: DevicePort) => (port.transport === "udp" ? "udp" : "tcp");
  // What TLS carries cannot be read.
  const readable = ports.filter(({ transport }) => transport === "udp" || transport === "tcp");
  const chain = "SAUTIKIT_SCANNERS";
  return [
    "#!/bin/sh",
    "# Printed by: npx sautikit bans firewall --scanners. Run it with: sh",
    "set -e",
    `iptables -N ${chain} 2>/dev/null || iptables -F ${chain}`,
    ...scanners.map(
      (name) =>
        `iptables -A ${chain} -m string --algo bm --icase --to 1500 --string 'User-Agent: ${name}' -j DROP`,
    ),
    ...readable.map((port) => {
      const rule = `INPUT -p ${dropped(port)} --dport ${port.port} -j ${chain}`;
      return `iptables -C ${rule} 2>/dev/null || iptables -I ${rule}`;
    }),
    "",
  ].join("\n");
}
