import { isIPv4 } from "node:net";

export const uriTransports = ["udp", "tcp", "tls"] as const;
export type UriTransport = (typeof uriTransports)[number];

/** Somebody at another's server: `sip:user@host`, perhaps with a port and a transport. */
export interface SipUri {
  user: string;
  /** A host name in small letters, or an IPv4 address. */
  host: string;
  /** Null: the transport's own. */
  port: number | null;
  transport: UriTransport;
}

const user = "[A-Za-z0-9._+-]{1,64}";
/** What a customer may write; which hosts there are is more than this says (`isSipHost`). */
export const sipUriPattern = `sip:${user}@[A-Za-z0-9.-]{1,253}(?::[0-9]{1,5})?(?:;transport=(?:udp|tcp|tls))?`;
const written = new RegExp(
  `^sip:(?<user>${user})@(?<host>[A-Za-z0-9.-]{1,253})(?::(?<port>[0-9]{1,5}))?(?:;transport=(?<transport>udp|tcp|tls))?$`,
);
const wholeUser = new RegExp(`^${user}$`);

export const isSipUser = (text: string): boolean => wholeUser.test(text);
export const isPort = (port: number): boolean => Number.isInteger(port) && port >= 1 && port <= 65_535;

/**
 * A name of labels of letters, digits and dashes (RFC 1123 §2.1), or an IPv4 address. A name whose last label begins with a digit
 * is none: resolvers take `127.1` and the like for an address.
 */
export function isSipHost(text: string): boolean {
  if (isIPv4(text)) return true;
  const labels = text.split(".");
  return (
    text.length <= 253 &&
    labels.every((label) => /^[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/.test(label)) &&
    /^[A-Za-z]/.test(labels.at(-1) ?? "")
  );
}

/** Null: it is none that is dialled. */
export function parseSipUri(text: string): SipUri | null {
  const { user, host = "", port, transport } = written.exec(text)?.groups ?? {};
  if (user === undefined || !isSipHost(host) || (port !== undefined && !isPort(Number(port)))) return null;
  return {
    ...{ user, host: host.toLowerCase(), port: port === undefined ? null : Number(port) },
    transport: uriTransports.find((known) => known === transport) ?? "udp",
  };
}

/** What it is called in legs and events, and to the switch. */
export const sipUriText = ({ user, host, port, transport }: SipUri): string =>
  `sip:${user}@${host}${port === null ? "" : `:${port}`}${transport === "udp" ? "" : `;transport=${transport}`}`;

/** RFC 3261 §19.1.2. */
export const portOf = ({ port, transport }: Pick<SipUri, "port" | "transport">): number =>
  port ?? (transport === "tls" ? 5061 : 5060);
