import { sha256 } from "../../secrets.ts";
import { gatewayXml, type Gateway } from "../../switch/gateway-file.ts";
import type { Trunk } from "./trunk-file.ts";

/** Where the edge takes requests that are to go out, `host:port`; null: there is none. */
export type EdgeAddress = string | null;

/** A trunk as the switch is to have it. Over the edge its requests name the trunk, and are sent to the edge. */
export const gatewayOf = (trunk: Trunk, edge: EdgeAddress): Gateway => ({
  ...{ name: trunk.name, host: trunk.host, port: trunk.port, transport: trunk.transport },
  ...{ login: trunk.login, registerSeconds: trunk.registerSeconds },
  ...{ pingSeconds: trunk.pingSeconds, codecs: trunk.codecs },
  over: trunk.via === "edge" ? edge : null,
});

/** What tells whether the switch has the trunk as it is now. */
export const gatewayHash = (trunk: Trunk, edge: EdgeAddress): string =>
  sha256(gatewayXml(gatewayOf(trunk, edge)));

/** Whom the switch takes calls from: its own trunks, the edge for all others, and the other boxes. */
export function allowedAddresses(
  trunks: readonly Trunk[],
  edge: EdgeAddress,
  peers: readonly string[],
): string[] {
  const own = trunks.flatMap(({ via, addresses }) => (via === "switch" ? addresses : []));
  const hosts = [...peers, ...(edge?.split(":").slice(0, 1) ?? [])];
  return [...own, ...hosts.map((host) => `${host}/32`)];
}
