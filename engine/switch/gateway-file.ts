/** Below the box's spool; the switch reads them when it starts, and when it is told to (`loadGateways`). */
export const trunkFileNames = {
  /** Of the profile `edge`. */
  udp: "trunks/gateways.xml",
  /** Of the profile `trunks`. */
  secure: "trunks/gateways-tcp.xml",
  addresses: "trunks/addresses.xml",
} as const;

/** The switch leaves a file without it out: it was not written to its end. */
const lastLine = "<!--end-->\n";

/** The profiles in freeswitch-conf/ that face carriers: UDP, and what is off unless it is set, TCP and TLS. */
export const trunkProfiles = ["edge", "trunks"] as const;
export type TrunkProfile = (typeof trunkProfiles)[number];
export const profileOf = ({ transport }: Pick<Gateway, "transport">): TrunkProfile =>
  transport === "udp" ? "edge" : "trunks";

/** How the switch reaches a trunk. */
export interface Gateway {
  name: string;
  host: string;
  port: number;
  transport: "udp" | "tcp" | "tls";
  /** `host:port` that its requests are sent to, whatever they name; null: to the trunk itself. */
  over: string | null;
  login: { username: string; password: string; realm: string | null } | null;
  /** Null: it does not register. */
  registerSeconds: number | null;
  /** Between two OPTIONS; 0: none, it is taken to be there. */
  pingSeconds: number;
  codecs: readonly string[];
}

export const isGatewayName = (name: string): boolean => /^[a-z0-9][a-z0-9-]{0,31}$/.test(name);

/** One gateway's element. Throws RangeError on what is not plainly one. */
export function gatewayXml(gateway: Gateway): string {
  const { name, host, port, transport, over, login, registerSeconds, pingSeconds, codecs } = gateway;
  if (!isGatewayName(name)) throw new RangeError("not a gateway's name");
  const suffix = transport === "udp" ? "" : `;transport=${transport}`;
  const params: (readonly [string, string])[] = [
    ["proxy", `${host}:${port}${suffix}`],
    ["register", String(registerSeconds !== null)],
    ["register-transport", transport],
    ["caller-id-in-from", "true"],
    // FreeSWITCH wants both, and uses them only where the carrier asks for a login.
    ["username", login?.username ?? "not-used"],
    ["password", login?.password ?? "not-used"],
    // A call to the Contact that we registered is to the number in its To.
    ["extension", "auto_to_user"],
  ];
  if (login?.realm) params.push(["realm", login.realm]);
  if (registerSeconds !== null)
    params.push(["expire-seconds", String(registerSeconds)], ["retry-seconds", "10"]);
  // OPTIONS go to `register-proxy`, calls to `outbound-proxy`.
  if (over !== null) params.push(["outbound-proxy", over], ["register-proxy", over]);
  // Two in a row that nobody answers: one may be lost.
  if (pingSeconds > 0) params.push(["ping", String(pingSeconds)], ["ping-max", "2"], ["ping-min", "1"]);
  const lines = params.map(([param, value]) => `<param name="${param}" value="${checked(value)}"/>`);
  const codecList = checked(codecs.join(","));
  return (
    `<gateway name="${name}">${lines.join("")}<variables>` +
    `<variable name="absolute_codec_string" value="${codecList}" direction="outbound"/></variables></gateway>\n`
  );
}

/** All gateways of one profile: a whole file, to be put in place of the one before by a rename. */
export const gatewaysFile = (gateways: readonly Gateway[]): string =>
  gateways.map(gatewayXml).join("") + lastLine;

/** The addresses that INVITEs may come from, likewise. */
export function addressesFile(cidrs: readonly string[]): string {
  const nodes = [...new Set(cidrs)].sort().map((cidr) => {
    if (!/^\d{1,3}(\.\d{1,3}){3}\/\d{1,2}$/.test(cidr)) throw new RangeError(`not a range: ${cidr}`);
    return `<node type="allow" cidr="${cidr}"/>\n`;
  });
  return nodes.join("") + lastLine;
}

/** Into XML that FreeSWITCH has gone through for `$${…}` before. */
function checked(value: string): string {
  if (!/^[A-Za-z0-9._~@+=!*:;,-]{1,300}$/.test(value)) throw new RangeError("not fit for a gateway");
  return value;
}

export interface GatewayState {
  name: string;
  profile: string;
  /** The switch dials over it: it answers OPTIONS, and is registered where it is to be. */
  up: boolean;
  /** An OPTIONS of its is on its way. */
  pinging: boolean;
  /** The switch's own words, for people. */
  state: string;
}

/** The reply to `sofia xmlstatus gateway`; undefined if it is none. */
export function gatewayStates(reply: string): GatewayState[] | undefined {
  if (!/<gateways>/.test(reply)) return undefined;
  return [...reply.matchAll(/^ {2}<gateway>\n([\s\S]*?)^ {2}<\/gateway>$/gm)].flatMap(([, body = ""]) => {
    const field = (name: string) => new RegExp(`^ {4}<${name}>(.*)</${name}>$`, "m").exec(body)?.[1];
    const [name, profile, state, status, pinging] = ["name", "profile", "state", "status", "pinging"].map(
      field,
    );
    if (name === undefined || profile === undefined) return [];
    return [{ name, profile, up: status === "UP", pinging: pinging === "1", state: state ?? "" }];
  });
}
