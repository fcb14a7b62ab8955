import { isIPv4 } from "node:net";
import type { Fields } from "./codec.ts";
import type { DeviceContact, DeviceEvent, DeviceTransport, LoginFailed, Registration } from "./switch.ts";

/** The profile in freeswitch-conf/ that customers' devices register with. */
export const devicesProfile = "devices";

/** The variable that a credential puts on its device's calls: who calls, in the switch's own word. */
export const loginVariable = "sautikit_login";

/** Of a credential: our own making, so that it is safe in a command, a file and a URI. */
const username = /^[a-z0-9]{1,64}$/;
export const isUsername = (text: string | undefined): text is string =>
  text !== undefined && username.test(text);

/** Events of mod_sofia that say that a device's bindings have changed. */
export const registrationEvents = {
  "sofia::register": "registered",
  "sofia::unregister": "unregistered",
  "sofia::expire": "unregistered",
} as const;

/** `sip-expires-late-margin` of freeswitch-conf/devices.xml: a binding stays so much longer than its device was told. */
const lateMarginMs = 5_000;

/**
 * `max-registrations-per-extension` there: one more of a login is refused as a wrong password is, before the password is looked
 * at.
 */
export const bindingsOfLoginMax = 10;

/** Told of each login that was tried with a challenge of the switch's own, by REGISTER and by INVITE, whatever came of it. */
export const loginEvent = "sofia::register_attempt";

/** Undefined: it is of something else, or of a login that went well. */
export function deviceEvent(
  box: string,
  fields: Fields,
  nowMs: number,
): DeviceEvent | LoginFailed | undefined {
  if (fields("profile-name") !== devicesProfile) return undefined;
  const subclass = fields("Event-Subclass") ?? "";
  if (subclass === loginEvent) return loginFailed(box, fields);
  if (!Object.hasOwn(registrationEvents, subclass)) return undefined;
  const kind = registrationEvents[subclass as keyof typeof registrationEvents];
  // `username` is what the device wrote, in whatever case; this is what the binding is kept under.
  const who = [fields("from-user"), fields("user")].find((name) => name !== undefined);
  const callId = fields("call-id");
  if (!isUsername(who) || callId === undefined) return undefined;
  if (kind === "unregistered") {
    // Of a socket it is not said which of the bindings that came with one Call-ID, by one socket after another, is meant.
    const vague = fields("reason") === "socket-disconnection";
    return { kind, box, username: who, callId: vague ? null : callIdOf(callId) };
  }
  const expires = fields("expires") ?? "";
  if (!/^[0-9]{1,9}$/.test(expires)) return undefined;
  const registration = registrationOf({
    ...{ who, callId, contact: fields("contact") ?? "", status: fields("status") ?? "" },
    ...{ agent: fields("user-agent") ?? "", host: fields("network-ip") ?? "" },
    ...{ port: Number(fields("network-port")), expiresAtMs: nowMs + Number(expires) * 1000 + lateMarginMs },
  });
  return registration && { kind, box, registration };
}

function loginFailed(box: string, fields: Fields): LoginFailed | undefined {
  const address = fields("network-ip");
  if (fields("auth-result") !== "FORBIDDEN" || address === undefined || !isIPv4(address)) return undefined;
  // As the device wrote it, and the directory knows it in whatever case; `unknown` where it is not the name in To.
  const username = fields("username")?.toLowerCase();
  return { kind: "loginFailed", box, address, username: isUsername(username) ? username : null };
}

/**
 * How to dial a binding: the device's Contact as the URI that is called, and the address that its REGISTER came from as
 * the place that the call goes to, in place of any that a Contact or a Path could name. A device writes its Contact, and
 * FreeSWITCH splits a dial string on commas, blanks and brackets, so one with anything but what is plainly safe in both is
 * refused (null).
 */
export function deviceContact(
  contact: string,
  source: { host: string; port: number },
  transport: DeviceTransport,
): DeviceContact | null {
  // What the switch has added to it, or the device to look as if it had.
  const [uri = ""] = contact.split(/;(?:fs_|received)/i, 1);
  const { host, port } = source;
  if (uri.length > uriLengthMax || !dialable.test(uri) || !isIPv4(host) || !isPort(port)) return null;
  const path = `sip:${host}:${port}${transport === "udp" ? "" : `;transport=${transport}`}`;
  return `sofia/${devicesProfile}/${uri};fs_nat=yes;fs_path=${encodeURIComponent(path)}` as DeviceContact;
}

/**
 * What a device of that User-Agent is to be offered over TLS. Beside each other, encrypted and plain sound are two lines of SDP:
 * Linphone answers that with 488 (linphone-sdk issue 334), and takes encrypted sound alone whatever it is set to.
 */
export const encryptedFor = (userAgent: string): "only" | undefined =>
  /^linphone/i.test(userAgent) ? "only" : undefined;

/** Whether a text is what `deviceContact` makes. */
export const isDeviceContact = (text: string): text is DeviceContact => made.test(text);

const uriLengthMax = 400;
const escaped = "%[0-9A-Fa-f]{2}";
const uriPattern =
  `sips?:(?:[A-Za-z0-9_.+-]|${escaped}){1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252})(?::[0-9]{1,5})?` +
  // No `maddr`, which would be where the call goes, and no `method` or headers.
  `(?:;(?!(?:maddr|method|fs_|received)\\b)[A-Za-z0-9_.-]{1,32}(?:=(?:[A-Za-z0-9_.+-]|${escaped}){1,200})?)*`;
const dialable = new RegExp(`^${uriPattern}$`, "i");
const made = new RegExp(
  `^sofia/${devicesProfile}/${uriPattern};fs_nat=yes;` +
    "fs_path=sip%3A[0-9.]{7,15}%3A[0-9]{1,5}(?:%3Btransport%3D(?:tcp|tls|ws|wss))?$",
  "i",
);
const isPort = (port: number): boolean => Number.isInteger(port) && port >= 1 && port <= 65_535;

/**
 * The reply to `sofia xmlstatus profile devices reg`, or `user`; undefined if it is none. A device's Call-ID stands in it as it is,
 * tags and all, so that it is read by whole lines in their order, which no header can hold.
 */
export function registrationsIn(reply: string, nowMs: number): Registration[] | undefined {
  // A box without devices.
  if (reply.startsWith("Invalid Profile")) return [];
  if (!/<profile>\n/.test(reply)) return undefined;
  return [...reply.matchAll(registration)].flatMap(({ groups }) => {
    const found = readRegistration(groups as Record<RowField, string>, nowMs);
    return found === undefined ? [] : [found];
  });
}

const rowFields = [
  ...["call-id", "user", "contact", "agent", "status", "ping-status", "ping-time", "host"],
  ...["network-ip", "network-port"],
] as const;
type RowField = "callId" | "user" | "contact" | "agent" | "status" | "networkIp" | "networkPort";
const groupNames: Record<string, RowField> = {
  ...{ "call-id": "callId", user: "user", contact: "contact", agent: "agent", status: "status" },
  ...{ "network-ip": "networkIp", "network-port": "networkPort" },
};
const registration = new RegExp(
  `^ {4}<registration>\\n${rowFields
    .map((name) => {
      const group = groupNames[name];
      return ` {8}<${name}>${group === undefined ? ".*" : `(?<${group}>.*)`}</${name}>\\n`;
    })
    .join("")}`,
  "gm",
);

function readRegistration(row: Record<RowField, string>, nowMs: number): Registration | undefined {
  const [who = ""] = row.user.split("@", 1);
  const [, expires] = /expsecs\((-?[0-9]{1,9})\)$/.exec(row.status) ?? [];
  if (expires === undefined) return undefined;
  return registrationOf({
    ...{ who, callId: row.callId, contact: decoded(row.contact), status: row.status },
    ...{ agent: decoded(row.agent), host: row.networkIp, port: Number(row.networkPort) },
    expiresAtMs: nowMs + Number(expires) * 1000,
  });
}

/** Undefined: it is nobody's, or came from nowhere. */
function registrationOf(told: {
  who: string;
  /** With a display name, perhaps, in brackets. */
  contact: string;
  status: string;
  agent: string;
  host: string;
  port: number;
  callId: string;
  expiresAtMs: number;
}): Registration | undefined {
  const { who, host, port } = told;
  if (!isUsername(who) || !isPort(port)) return undefined;
  const [, contact = ""] = /<([^<>]*)>$/.exec(told.contact) ?? [];
  const [contactUri = ""] = contact.split(";fs_nat=", 1);
  const transport = transportOf(contactUri, told.status);
  const source = { host, port };
  return {
    username: who,
    contact: deviceContact(contact, source, transport),
    contactUri: contactUri.slice(0, 256),
    ...{ transport, source, expiresAtMs: told.expiresAtMs },
    userAgent: told.agent.slice(0, 128),
    callId: callIdOf(told.callId),
  };
}

const callIdOf = (text: string): string => text.slice(0, 256);

/** As its Contact says, and, where the way leads through a WebSocket, as the switch saw it. */
function transportOf(contact: string, status: string): DeviceTransport {
  const [, socket] = /^Registered\((WSS?)-NAT\)/.exec(status) ?? [];
  if (socket !== undefined) return socket === "WSS" ? "wss" : "ws";
  const [, named] = /;transport=(tcp|tls|wss?)(?![a-z])/i.exec(contact) ?? [];
  if (named !== undefined) return named.toLowerCase() as DeviceTransport;
  return contact.startsWith("sips:") ? "tls" : "udp";
}

const entities: Record<string, string> = { quot: '"', apos: "'", amp: "&", lt: "<", gt: ">" };
const decoded = (text: string): string =>
  text.replace(/&(quot|apos|amp|lt|gt);/g, (_, name: string) => entities[name] ?? "");
