import type { Api } from "./api.ts";
import type { Core } from "./core.ts";
import { statusOf, type Binding } from "./registrar.ts";

/** `sofia`: what the engine asks of the profile `devices`. */
export const sofia: Api = (core, argument) => {
  const [what, ...words] = argument.split(" ");
  const { devices } = core;
  if (what === "xmlstatus" && words[0] === "profile") {
    if (devices === null || words[1] !== "devices") return "Invalid Profile!\n";
    return listing(core, words[2] === "user" ? words[3] : undefined);
  }
  if (what === "profile") {
    const [profile, order, which] = words;
    if (devices === null || profile !== "devices") return `Invalid Profile [${profile ?? ""}]`;
    if (order === "flush_inbound_reg" && which !== undefined) {
      devices.registrar.flush(which);
      return "+OK flushing all registrations matching specified call_id\n";
    }
  }
  return "-USAGE: sofia xmlstatus profile <name> reg|user <who> | profile <name> flush_inbound_reg <which>\n";
};

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
