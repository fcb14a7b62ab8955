import type { Api } from "./api.ts";
import type { SipAgent } from "../sip/call.ts";
import type { Core } from "./core.ts";
import { statusOf, type Binding } from "./registrar.ts";

/** `sofia`: what the engine asks of profiles and gateways. */
export const sofia: Api = (core, argument) => {
  const [what, ...words] = argument.split(" ");
  const { devices } = core;
  if (what === "xmlstatus" && words[0] === "profile") {
    const agent = words[1] === "edge" ? core.sip : words[1] === "devices" ? devices?.sip : undefined;
    if (agent === undefined) return "Invalid Profile!\n";
    if (words[2] === "reg") return listing(core, undefined);
    return words[2] === "user" ? listing(core, words[3]) : profileInfo(words[1] ?? "", agent);
  }
  if (what === "xmlstatus" && words[0] === "gateway")
    return words[1] === undefined ? core.gateways.status() : gatewayInfo(core, words[1]);
  if (what === "profile") {
    const [profile, order, which] = words;
    if (profile === "edge" && order === "rescan") {
      core.gateways.reload();
      core.gateways.rescan();
      return "Reload XML [Success]\n+OK scan complete\n";
    }
    if (profile === "edge" && order === "killgw" && which !== undefined)
      return core.gateways.kill(which) ? "+OK gateway marked for deletion.\n" : "-ERR no such gateway.\n";
    if (devices === null || profile !== "devices") return `Invalid Profile [${profile ?? ""}]`;
    if (order === "flush_inbound_reg" && which !== undefined) {
      devices.registrar.flush(which);
      return "+OK flushing all registrations matching specified call_id\n";
    }
  }
  return "-USAGE: sofia xmlstatus profile <name> [reg|user <who>] | xmlstatus gateway <name> | profile <name> flush_inbound_reg <which>\n";
};

const profileInfo = (name: string, { host, port }: SipAgent): string =>
  '<?xml version="1.0" encoding="ISO-8859-1"?>\n<profile>\n  <profile-info>\n' +
  `    <name>${name}</name>\n    <rtp-ip>${host}</rtp-ip>\n    <sip-ip>${host}</sip-ip>\n` +
  `    <url>sip:mod_sofia@${host}:${port}</url>\n  </profile-info>\n</profile>\n`;

function gatewayInfo(core: Core, name: string): string {
  const gateway = core.gateways.get(name);
  if ("cause" in gateway) return "Invalid Gateway!\n";
  return (
    '<?xml version="1.0" encoding="ISO-8859-1"?>\n  <gateway>\n' +
    `    <name>${name}</name>\n    <profile>edge</profile>\n` +
    `    <proxy>sip:${gateway.host}:${gateway.port}</proxy>\n  </gateway>\n`
  );
}

function listing(core: Core, whose: string | undefined): string {
  const { bindings = [], realm = "" } = core.devices?.registrar ?? {};
  const rows = bindings.filter(({ user }) => whose === undefined || `${user}@${realm}` === whose);
  const nowS = Math.floor(core.clock.nowMs() / 1000);
  return (
    '<?xml version="1.0" encoding="ISO-8859-1"?>\n<profile>\n  <registrations>\n' +
    rows.map((row) => rowOf(row, realm, nowS)).join("") +
    "  </registrations>\n</profile>\n"
  );
}

/** The Call-ID stands there as the device wrote it. */
function rowOf(row: Binding, realm: string, nowS: number): string {
  const fields = {
    "call-id": row.callId,
    user: `${row.user}@${realm}`,
    contact: encoded(row.contact),
    agent: encoded(row.agent),
    status: `${statusOf(row)}(unknown) exp(-) expsecs(${row.expiresAtS - nowS})`,
    "ping-status": "Reachable",
    "ping-time": "0.00",
    host: "simulator",
    "network-ip": row.source.host,
    "network-port": String(row.source.port),
    "sip-auth-user": encodeURIComponent(row.login),
    "sip-auth-realm": realm,
    "mwi-account": `${row.user}@${realm}`,
  };
  const lines = Object.entries(fields).map(([name, value]) => `        <${name}>${value}</${name}>\n`);
  return `    <registration>\n${lines.join("")}    </registration>\n`;
}

const entities: Readonly<Record<string, string>> = {
  ...{ '"': "&quot;", "'": "&apos;", "&": "&amp;", "<": "&lt;", ">": "&gt;" },
};
const encoded = (text: string): string => text.replace(/["'&<>]/g, (char) => entities[char] ?? char);
