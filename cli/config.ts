import { isIP, isIPv4 } from "node:net";
import { isAbsolute, join, resolve } from "node:path";
import { z } from "zod";
import { ipv4Range } from "../engine/sip/addresses.ts";
import type { SpeechCommand } from "../engine/media/speech/command-engine.ts";
import { forbiddenIn } from "../engine/wallet/mpesa/callback-urls.ts";

/**
 * Every setting there is, in one table: read from the environment once, checked, and handed on as a plain object.
 * `npx sautikit config` prints it.
 */
const settings = {
  HOST: setting(z.string(), "127.0.0.1", "Address that the API listens on."),
  PORT: setting(port(), "8080", "Port that the API listens on; 0: a free one, another at each start."),
  METRICS_PORT: setting(
    z.string().refine((text) => text === "" || isPort(text), "must be a port from 1 to 65535"),
    "",
    "Port of its own, on HOST, for /metrics, /healthz and /readyz: a process without the role api has no other (docs/metrics.md). Empty: none.",
  ),
  PUBLIC_URL: setting(httpUrl(), "", "Where customers reach the API. Empty: http://HOST:PORT."),
  SIGN_UP: setting(
    z.enum(["open", "invited"]),
    "open",
    "Who may open an account by a link in a mail: anybody, or only who was invited (docs/people.md).",
  ),
  TRUSTED_PROXIES: setting(
    z.string().regex(/^\d$/, "must be a number from 0 to 9"),
    "0",
    "How many proxies stand before the API; the client's address is taken from X-Forwarded-For so far back.",
  ),
  DATA_DIR: setting(
    z.string().min(1),
    "./data",
    "Folder for the database, the spool, embedded recordings and demo.json.",
  ),
  DATABASE_URL: setting(
    z
      .string()
      .regex(
        /^(sqlite:.+|postgres(ql)?:\/\/.+)?$/,
        "must be sqlite:<file> or postgres://<user>:<password>@<host>:<port>/<database>",
      )
      .refine(isUrlOrNone, "cannot be read as a URL: is a # / ? @ or % in the password written %23 %2F …?"),
    "",
    "sqlite:<file>, or postgres://<user>:<password>@<host>:<port>/<database>. Empty: sqlite:DATA_DIR/sautikit.db.",
    "secret",
  ),
  SECRETS_KEY: setting(
    z.string().regex(/^([0-9a-f]{64})?$/, "must be 64 hex digits"),
    "",
    "32 bytes in hex that seal secrets; the same for all processes on one database. Empty: made once, in DATA_DIR/secrets.key.",
    "secret",
  ),
  FREESWITCH_URLS: setting(
    z
      .string()
      .regex(
        /^(freeswitch:\/\/[^@\s,]+@[^\s,]+(,freeswitch:\/\/[^@\s,]+@[^\s,]+)*)?$/,
        "must be freeswitch://:<esl password>@<host>:<port>, with commas between several",
      ),
    "",
    "The boxes: freeswitch://:<ESL password>@<host>:<port>, with commas between, and ?sip=<host>:<port> where a box's profile `edge` " +
      "is elsewhere than on that host's 5060. A spool serves those it is told of. Empty: the simulated switch is started.",
    "secret",
  ),
  DRACHTIO_URL: setting(
    z.string().regex(/^(drachtio:\/\/[^@\s]*@[^@\s]+)?$/, "must be drachtio://:<secret>@<host>:<port>"),
    "",
    "The trunk edge: drachtio://:<secret>@<host>:9022 of a drachtio-server (docs/edge.md). Empty: trunks reach the box itself.",
    "secret",
  ),
  EDGE_SIP: setting(
    z
      .string()
      .refine(
        (text) => text === "" || (isIPv4(addressOf(text).host) && isPort(text.split(":")[1] ?? "")),
        "must be an IPv4 address and a port",
      ),
    "",
    "Where that drachtio-server takes SIP, as the boxes reach it: <IPv4 address>:<port>. Empty: there is no edge.",
  ),
  SPOOL_DIR: setting(
    z.string(),
    "",
    "Folder on the box where the switch writes recordings/ and cdr/, and reads media/. Empty: DATA_DIR/spool.",
  ),
  SPOOL_BOXES: setting(
    z.string(),
    "",
    "Of several boxes in FREESWITCH_URLS those whose SPOOL_DIR this is, <host>:<port> as there, with commas between: the spool role " +
      "needs it. Empty: the one box.",
  ),
  TRUNK_GATEWAY: setting(
    z.string().regex(/^[a-z0-9-]+$/, "must be letters, digits and dashes"),
    "carrier",
    "Gateway of the switch's configuration that reaches the trunk.",
  ),
  TRUNKS_FILE: setting(
    z.string(),
    "",
    "File of the trunks (docs/trunks.md), the same for every process. Empty: DATA_DIR/trunks.yaml where there is one; without a " +
      "file TRUNK_GATEWAY is the one trunk.",
  ),
  SIP_DOMAIN: setting(
    z.string().regex(/^([a-z0-9.-]+)?$/, "must be a host name in small letters, or an address"),
    "",
    "Where customers' phones and PBXs register, and the realm of their passwords: another one makes every password invalid. " +
      "Empty: beside a real switch there are no SIP credentials; beside the simulated one 127.0.0.1 (docs/sip.md).",
  ),
  SIP_PORTS: setting(
    z
      .string()
      .regex(
        /^((udp|tcp|tls|wss):\d{1,5}(,(udp|tcp|tls|wss):\d{1,5})*)?$/,
        "must be as udp:5080,tls:5061,wss:7443",
      ),
    "udp:5080,tcp:5080",
    "The ports of its devices' profile, as customers reach them: transport:port, with commas between.",
  ),
  SIP_DEVICES_PORT: setting(
    port(),
    "0",
    "Port of the simulated switch for devices; 0: a free one, kept in DATA_DIR/sip.port, since phones are set to it.",
  ),
  BAN_NEVER: setting(
    z.string(),
    "127.0.0.0/8",
    "IPv4 addresses and ranges (CIDR) that are never banned, with commas between; none: any may be. The box's, the edge's and the trunks' are not, either (docs/bans.md).",
  ),
  FIREWALL: setting(
    z.enum(["nft", "none"]),
    "none",
    "nft: the spool role writes banned addresses into the box's nftables. none: their calls are refused, and their packets reach the switch.",
  ),
  SIP_TRACE: setting(
    z.enum(["off", "on"]),
    "off",
    "Whether the SIP of calls is kept for the call page, secrets masked (docs/sip-trace.md). FreeSWITCH needs SIP_TRACE_TO.",
  ),
  HEP_HOST: setting(
    z.ipv4("must be an IPv4 address of this machine"),
    "127.0.0.1",
    "IPv4 address on which the controller takes what media servers capture of SIP, as HEP3 over UDP: loopback, or a private network.",
  ),
  HEP_PORT: setting(port(), "9060", "Its port; 0: a free one, which only the simulated switch can be told."),
  SIP_TRACE_DAYS: setting(
    z.string().regex(/^([1-9]|[1-8]\d|90)$/, "must be a number from 1 to 90"),
    "14",
    "For how many days the SIP of a call is kept.",
  ),
  STREAM_PORTS: setting(
    z.string().regex(/^\d{1,5}-\d{1,5}$/, "must be two ports, <first>-<last>"),
    "12000-15999",
    "UDP ports of the box for the audio of `stream`, one a stream (docs/freeswitch.md).",
  ),
  S3_ENDPOINT: setting(
    httpUrl(),
    "",
    "S3-compatible server. Empty: the embedded one, with files in DATA_DIR/objects.",
  ),
  S3_PUBLIC_URL: setting(
    httpUrl(),
    "",
    "Where customers reach that server; presigned links name it. Empty: S3_ENDPOINT.",
  ),
  S3_PORT: setting(
    port(),
    "0",
    "Port of the embedded S3 server; 0: a free one, kept in DATA_DIR/s3.port, since links to recordings name it.",
  ),
  S3_REGION: setting(z.string().min(1), "af-nairobi-1", "Region that requests are signed for."),
  S3_BUCKET: setting(
    z.string().min(3),
    "sautikit-recordings",
    "Bucket for recordings; made if it is missing.",
  ),
  S3_ACCESS_KEY_ID: setting(z.string(), "", "Access key. Empty with the embedded server: one is made."),
  S3_SECRET_ACCESS_KEY: setting(z.string(), "", "Its secret.", "secret"),
  S3_REGION_NOTE: setting(
    z
      .string()
      .max(100)
      .regex(/^\P{Cc}*$/u, "must be one line"),
    "",
    'Where the bucket stands, as GET /v1/storage tells customers: "Nairobi, Kenya". `doctor` warns of another country.',
  ),
  ALLOW_PRIVATE_URLS: setting(
    z.enum(["", "yes", "no"]),
    "",
    "Whether webhook and media URLs, and SIP URIs that are dialled, may lead to private addresses. Empty: yes on the embedded switch, else no.",
  ),
  SPEECH_COMMAND: setting(
    z
      .string()
      .regex(
        /^(\/\S+( +\S+)*)?$/,
        "must be a program's absolute path and its arguments, with spaces between",
      ),
    "",
    "Program that speaks for `say`, and its arguments (docs/speech.md). Empty: the built-in engine, English and Swahili.",
  ),
  SMTP_URL: setting(
    z
      .string()
      .regex(/^(smtps?:\/\/\S+)?$/, "must be smtp://… or smtps://…")
      .refine(isUrlOrNone, "cannot be read as a URL: is a # / ? @ or % in the password written %23 %2F …?"),
    "",
    "Mail server: smtp://<user>:<password>@<host>:587, or smtps://…:465. Empty: mails are files in DATA_DIR/mail.",
    "secret",
  ),
  MAIL_FROM: setting(
    z
      .string()
      .regex(
        /^([^<>\r\n]+<[^\s<>@]+@[^\s<>@]+>|[^\s<>@]+@[^\s<>@]+)$/,
        "must be an address, or a name and <an address>",
      ),
    "Sautikit <sautikit@localhost>",
    "Whom mails come from.",
  ),
  SELLER_NAME: setting(z.string().max(200), "", "Who sells: the name on invoices."),
  SELLER_PIN: setting(
    z.string().regex(/^([AP][0-9]{9}[A-Z])?$/, "must be a KRA PIN: A or P, nine digits, a letter"),
    "",
    "Its KRA PIN. Empty: no month is closed and no invoice given out until it is set (docs/wallet.md).",
  ),
  DARAJA_URL: setting(
    z.string().regex(/^(https?:\/\/[^\s/]+)?\/?$/, "must be https://<host>, without a path"),
    "",
    "Safaricom's Daraja: https://sandbox.safaricom.co.ke or https://api.safaricom.co.ke (docs/mpesa.md). Empty: beside the " +
      "simulated switch the stand-in is started; beside a real one there are no top-ups.",
  ),
  DARAJA_CONSUMER_KEY: setting(z.string(), "", "Consumer key of the Daraja app.", "secret"),
  DARAJA_CONSUMER_SECRET: setting(z.string(), "", "Its secret.", "secret"),
  DARAJA_SHORTCODE: setting(
    z.string().regex(/^(\d{5,7})?$/, "must be 5 to 7 digits"),
    "",
    "Paybill number that receives the money.",
  ),
  DARAJA_PASSKEY: setting(z.string(), "", "Passkey of that Paybill for STK push.", "secret"),
  DARAJA_CALLBACK_TOKEN: setting(
    z.string().regex(/^([A-Za-z0-9_-]{24,})?$/, "must be 24 or more letters, digits, - and _"),
    "",
    "Secret in the path that Safaricom calls back. Empty: made once and kept in the database, for all processes on it.",
    "secret",
  ),
  DARAJA_ADDRESSES: setting(
    z.string(),
    "",
    "Addresses that callbacks may come from, with commas between, as TRUSTED_PROXIES has them arrive. Empty: any.",
  ),
  DARAJA_NOMINATED_NUMBER: setting(
    z.string().regex(/^(254[71]\d{8})?$/, "must be 2547… or 2541…, twelve digits"),
    "",
    "Safaricom line of the Paybill's owner; with it `mpesa register-urls` registers the list of payments as well.",
  ),
  DARAJA_INITIATOR: setting(
    z.string(),
    "",
    "API operator of the Paybill, as whom single payments are asked about: old receipts, and large ones without DARAJA_PULL.",
  ),
  DARAJA_SECURITY_CREDENTIAL: setting(
    z.string(),
    "",
    "Its password, encrypted with Safaricom's certificate, as the portal gives it.",
    "secret",
  ),
  DARAJA_PULL: setting(
    z.enum(["yes", "no"]),
    "yes",
    "Whether Safaricom's list of payments is asked for: what finds money that no callback told of.",
  ),
  DARAJA_VERIFY_ABOVE_KES: setting(
    z.string().regex(/^\d{1,7}$/, "must be whole shillings"),
    "20000",
    "A payment above this waits until Safaricom, asked by us, says the same as its callback, which anybody could have sent.",
  ),
  TOPUP_KES_MAX: setting(
    z.string().regex(/^\d{3,7}$/, "must be whole shillings, 100 or more"),
    "150000",
    "The most that one top-up may be, KES.",
  ),
  TOPUPS_PER_HOUR: setting(
    z.string().regex(/^[1-9]\d{0,3}$/, "must be a number from 1 to 9999"),
    "30",
    "How many prompts a workspace may have sent to phones within an hour.",
  ),
  MPESA_PAYBILL: setting(
    z.string(),
    "",
    "Paybill number that GET /v1/wallet shows. Empty: DARAJA_SHORTCODE.",
  ),
  LOG_LEVEL: setting(
    z.enum(["debug", "info", "warn", "error", "silent"]),
    "info",
    "How much is logged, to standard error.",
  ),
} as const;

export type SettingName = keyof typeof settings;

export interface Config {
  host: string;
  port: number;
  /** Null: what is watched is the API's port alone. */
  metricsPort: number | null;
  /** Without a slash at the end; null: where it listens. */
  publicUrl: string | null;
  signUp: "open" | "invited";
  trustedProxies: number;
  dataDir: string;
  database: { kind: "sqlite"; file: string } | { kind: "postgres"; url: string };
  secretsKey: string;
  /** Empty: the simulated one. */
  boxes: readonly BoxConfig[];
  /** Null: there is no trunk edge. */
  drachtio: { host: string; port: number; secret: string } | null;
  /** Where it takes SIP; null: there is none. */
  edgeSip: { host: string; port: number } | null;
  spoolDir: string;
  /** Boxes whose switches write there; null: not said, of several. */
  spoolBoxes: readonly string[] | null;
  gateway: string;
  trunks: { file: string; optional: boolean };
  streamPorts: { first: number; last: number };
  sip: {
    /** Null: devices are not let in. */
    domain: string | null;
    ports: Partial<Record<SipTransport, number>>;
    /** Of the simulated switch. */
    embeddedPort: number;
  };
  /** CIDRs. */
  banNever: readonly string[];
  firewall: "nft" | "none";
  /** Null: SIP is not kept. */
  sipTrace: { host: string; port: number; days: number } | null;
  s3: {
    endpoint: string | null;
    publicUrl: string | null;
    port: number;
    region: string;
    bucket: string;
    /** Null: nobody said. */
    regionNote: string | null;
    accessKeyId: string;
    secretAccessKey: string;
  };
  allowPrivateUrls: boolean;
  /** Null: the built-in engine. */
  speechCommand: SpeechCommand | null;
  /** Null: no invoices. */
  seller: { name: string; pin: string } | null;
  /** `url` null: mails are files in DATA_DIR/mail. */
  mail: { url: string | null; from: string };
  /** Null: there are no top-ups. */
  daraja: DarajaConfig | null;
  /** Null: there is none to show. */
  paybill: string | null;
  logLevel: "debug" | "info" | "warn" | "error" | "silent";
  /** What no log line may have in it: each secret above as it was set, and the passwords within URLs. */
  secrets: readonly string[];
}

/** A FreeSWITCH. */
export interface BoxConfig {
  /** Its name, `<host>:<port>` of its event socket. */
  box: string;
  host: string;
  port: number;
  password: string;
  /** Where its profile `edge` takes SIP. */
  sip: { host: string; port: number };
}

export type SipTransport = "udp" | "tcp" | "tls" | "wss";

export interface DarajaConfig {
  /** Without a slash at the end; null: the stand-in, which is started. */
  url: string | null;
  consumerKey: string;
  consumerSecret: string;
  shortcode: string;
  passkey: string;
  /** Empty: one that is kept in the database. */
  callbackToken: string;
  addresses: string[];
  nominatedNumber: string | null;
  /** Null: single payments are not asked about. */
  initiator: { name: string; securityCredential: string } | null;
  pulls: boolean;
  verifyAboveMinor: number;
  /** KES cents, of one top-up. */
  amounts: { minMinor: number; maxMinor: number };
  topUpsPerHour: number;
}

/** Throws an Error that names each bad variable. */
export function readConfig(env: Readonly<Record<string, string | undefined>>): Config {
  const bad: string[] = [];
  const value = (name: SettingName): string => {
    const text = env[name] ?? settings[name].fallback;
    const checked = settings[name].schema.safeParse(text);
    if (!checked.success)
      bad.push(`${name}: ${checked.error.issues.map((issue) => issue.message).join("; ")}`);
    return text;
  };
  const dataDir = resolve(value("DATA_DIR"));
  const boxes = boxesOf(value("FREESWITCH_URLS"), bad);
  const spoolDir = value("SPOOL_DIR") || join(dataDir, "spool");
  if (!isAbsolute(spoolDir)) bad.push("SPOOL_DIR: must be an absolute path, the same on the box and here");
  else if (!/^(\/[A-Za-z0-9_.-]+)+$/.test(spoolDir))
    bad.push(
      "SPOOL_DIR: must be of letters, digits and `_.-` (empty, it is below DATA_DIR): it stands in commands",
    );
  const spoolBoxes = spoolBoxesOf(value("SPOOL_BOXES"), boxes, bad);
  const allowPrivate = value("ALLOW_PRIVATE_URLS");
  const daraja = darajaOf(value, boxes.length > 0, bad);
  const config: Config = {
    host: value("HOST"),
    port: Number(value("PORT")),
    metricsPort: Number(value("METRICS_PORT")) || null,
    publicUrl: value("PUBLIC_URL").replace(/\/+$/, "") || null,
    signUp: value("SIGN_UP") as Config["signUp"],
    trustedProxies: Number(value("TRUSTED_PROXIES")),
    dataDir,
    database: databaseOf(value("DATABASE_URL"), dataDir),
    secretsKey: value("SECRETS_KEY"),
    boxes,
    drachtio: drachtioOf(value("DRACHTIO_URL"), bad),
    edgeSip: value("EDGE_SIP") === "" ? null : addressOf(value("EDGE_SIP")),
    ...{ spoolDir, spoolBoxes },
    gateway: value("TRUNK_GATEWAY"),
    trunks: {
      file: resolve(value("TRUNKS_FILE") || join(dataDir, "trunks.yaml")),
      optional: value("TRUNKS_FILE") === "",
    },
    streamPorts: streamPortsOf(value("STREAM_PORTS"), bad),
    sip: {
      domain: value("SIP_DOMAIN") || (boxes.length === 0 ? embeddedSipDomain : null),
      ports: sipPortsOf(value("SIP_PORTS"), bad),
      embeddedPort: Number(value("SIP_DEVICES_PORT")),
    },
    banNever: rangesOf("BAN_NEVER", value("BAN_NEVER"), bad),
    firewall: value("FIREWALL") as Config["firewall"],
    sipTrace: sipTraceOf(value),
    s3: {
      endpoint: value("S3_ENDPOINT") || null,
      publicUrl: value("S3_PUBLIC_URL") || null,
      port: Number(value("S3_PORT")),
      region: value("S3_REGION"),
      bucket: value("S3_BUCKET"),
      regionNote: value("S3_REGION_NOTE").trim() || null,
      accessKeyId: value("S3_ACCESS_KEY_ID"),
      secretAccessKey: value("S3_SECRET_ACCESS_KEY"),
    },
    allowPrivateUrls: allowPrivate === "yes" || (allowPrivate === "" && boxes.length === 0),
    speechCommand: speechCommandOf(value("SPEECH_COMMAND"), env),
    seller: value("SELLER_PIN") === "" ? null : { name: value("SELLER_NAME"), pin: value("SELLER_PIN") },
    mail: { url: value("SMTP_URL") || null, from: value("MAIL_FROM") },
    daraja,
    paybill: value("MPESA_PAYBILL") || (daraja?.shortcode ?? null),
    logLevel: value("LOG_LEVEL") as Config["logLevel"],
    secrets: configuredSecrets(env),
  };
  if (config.s3.endpoint && (config.s3.accessKeyId === "" || config.s3.secretAccessKey === "")) {
    bad.push("S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY: needed with S3_ENDPOINT");
  }
  if (config.drachtio !== null) {
    if (config.edgeSip === null) bad.push("EDGE_SIP: needed with DRACHTIO_URL");
    if (boxes.length === 0) bad.push("DRACHTIO_URL: is for a real box: FREESWITCH_URLS is needed with it");
    else if (boxes.some(({ sip }) => isIP(sip.host) !== 4))
      bad.push("FREESWITCH_URLS: the edge reaches boxes by IPv4 address; add ?sip=<address>:<port>");
  }
  if (config.seller?.name === "") bad.push("SELLER_NAME: needed with SELLER_PIN");
  if (bad.length > 0) throw new Error(`The configuration is wrong:\n  ${bad.join("\n  ")}`);
  return config;
}

/** Each variable with what it is for, its default, and its value now (secrets masked). */
export function describeConfig(env: Readonly<Record<string, string | undefined>>): string {
  return Object.entries(settings)
    .map(([name, { fallback, purpose, secret }]) => {
      const set = env[name];
      const shown = set === undefined ? `${fallback || "(empty)"}  (default)` : secret ? "***" : set;
      return `${name}=${shown}\n    ${purpose}`;
    })
    .join("\n");
}

/** The texts of all secrets that are set, whether or not the rest is in order. */
export function configuredSecrets(env: Readonly<Record<string, string | undefined>>): string[] {
  return Object.entries(settings).flatMap(([name, { secret }]) => {
    const text = env[name] ?? "";
    if (!secret || text === "") return [];
    // A setting may have several URLs.
    const passwords = [...text.matchAll(/:\/\/[^@\s,/]*:([^@\s,]+)@/g)].map(([, password = ""]) => password);
    return [text, ...passwords, ...passwords.map(decoded)];
  });
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function databaseOf(url: string, dataDir: string): Config["database"] {
  if (/^postgres(ql)?:/.test(url)) return { kind: "postgres", url };
  return { kind: "sqlite", file: url.replace(/^sqlite:/, "") || join(dataDir, "sautikit.db") };
}

function boxesOf(text: string, bad: string[]): BoxConfig[] {
  const urls = text === "" ? [] : text.split(",");
  const boxes = urls.flatMap((url) => boxOf(url, bad) ?? []);
  for (const { box } of boxes)
    if (boxes.filter((other) => other.box === box).length > 1)
      bad.push(`FREESWITCH_URLS: ${box} stands there twice`);
  return boxes;
}

function spoolBoxesOf(text: string, boxes: readonly BoxConfig[], bad: string[]): string[] | null {
  const names = text.split(",").flatMap((name) => name.trim() || []);
  for (const name of names)
    if (!boxes.some(({ box }) => box === name))
      bad.push(`SPOOL_BOXES: there is no box ${name} in FREESWITCH_URLS`);
  if (names.length > 0) return names;
  return boxes.length > 1 ? null : boxes.map(({ box }) => box);
}

function boxOf(url: string, bad: string[]): BoxConfig | null {
  const parsed = URL.parse(url);
  const password = parsed && passwordIn(parsed);
  if (!parsed || password === null) {
    bad.push(
      "FREESWITCH_URLS: must be freeswitch://:<esl password>@<host>:<port>, a % in the password as %25",
    );
    return null;
  }
  if (password === "" || password === "ClueCon") {
    bad.push(
      "FREESWITCH_URLS: needs a password of its own, neither empty nor the one that FreeSWITCH ships with",
    );
    return null;
  }
  const boxPort = Number(parsed.port || "8021");
  const sip = parsed.searchParams.get("sip") ?? `${parsed.hostname}:5060`;
  if (!/^[a-z0-9.-]+:\d+$/i.test(sip) || !isPort(sip.slice(sip.indexOf(":") + 1)))
    bad.push("FREESWITCH_URLS: sip must be <host>:<port>");
  return {
    box: `${parsed.hostname}:${boxPort}`,
    // A socket wants an IPv6 address without its brackets.
    ...{ host: parsed.hostname.replace(/^\[|\]$/g, ""), port: boxPort, password, sip: addressOf(sip) },
  };
}

function drachtioOf(url: string, bad: string[]): Config["drachtio"] {
  if (url === "") return null;
  const parsed = URL.parse(url);
  const secret = parsed && passwordIn(parsed);
  if (!parsed || secret === null) {
    bad.push("DRACHTIO_URL: must be drachtio://:<secret>@<host>:<port>, a % in the secret as %25");
    return null;
  }
  // In a line of drachtio's protocol `|` would begin something else.
  if (!/^[\x21-\x7b\x7d\x7e]+$/.test(secret) || secret === "cymru") {
    bad.push(
      "DRACHTIO_URL: needs a secret of its own, neither empty nor the one that drachtio-server ships with",
    );
    return null;
  }
  return { host: parsed.hostname, port: Number(parsed.port || "9022"), secret };
}

/** Null: it cannot be decoded. */
function passwordIn({ password }: URL): string | null {
  try {
    return decodeURIComponent(password);
  } catch {
    return null;
  }
}

function addressOf(text: string): { host: string; port: number } {
  const [host = "", sipPort = ""] = text.split(":");
  return { host, port: Number(sipPort) };
}

/** Sandbox's own Paybill, where nothing is said of it. */
const standInShortcode = "174379";
/** What the stand-in takes where nothing is set; it moves no money. */
const standInSecret = "simulated";
/** The product page's. */
const topUpMinMinor = 10_000;

function darajaOf(
  value: (name: SettingName) => string,
  besideRealSwitch: boolean,
  bad: string[],
): DarajaConfig | null {
  const url = value("DARAJA_URL").replace(/\/$/, "") || null;
  const named = [
    "DARAJA_CONSUMER_KEY",
    "DARAJA_CONSUMER_SECRET",
    "DARAJA_SHORTCODE",
    "DARAJA_PASSKEY",
  ] as const;
  const [consumerKey = "", consumerSecret = "", shortcode = "", passkey = ""] = named.map(value);
  if (url !== null) {
    const lacking = named.filter((name) => value(name) === "");
    if (lacking.length > 0) bad.push(`${lacking.join(", ")}: needed with DARAJA_URL`);
    const { protocol, hostname } = URL.parse(url) ?? { protocol: "", hostname: "" };
    const loopback = /^(127\.[\d.]+|localhost|\[::1\])$/.test(hostname);
    if (protocol !== "https:" && !loopback) bad.push("DARAJA_URL: must be https, but for this machine");
  }
  const addresses = value("DARAJA_ADDRESSES")
    .split(",")
    .map((address) => address.trim())
    .filter((address) => address !== "");
  for (const address of addresses)
    if (isIP(address) === 0) bad.push(`DARAJA_ADDRESSES: ${address} is no IP address`);
  const callbackToken = value("DARAJA_CALLBACK_TOKEN");
  const forbidden = forbiddenIn(callbackToken);
  if (forbidden !== undefined)
    bad.push(`DARAJA_CALLBACK_TOKEN: Daraja refuses addresses with "${forbidden}" in them`);
  const initiator = value("DARAJA_INITIATOR");
  const securityCredential = value("DARAJA_SECURITY_CREDENTIAL");
  if ((initiator === "") !== (securityCredential === ""))
    bad.push("DARAJA_INITIATOR and DARAJA_SECURITY_CREDENTIAL: one is nothing without the other");
  const maxMinor = Number(value("TOPUP_KES_MAX")) * 100;
  const config = {
    url,
    consumerKey: consumerKey || standInSecret,
    consumerSecret: consumerSecret || standInSecret,
    shortcode: shortcode || standInShortcode,
    passkey: passkey || standInSecret,
    callbackToken,
    addresses,
    nominatedNumber: value("DARAJA_NOMINATED_NUMBER") || null,
    initiator: initiator === "" ? null : { name: initiator, securityCredential },
    pulls: value("DARAJA_PULL") === "yes",
    verifyAboveMinor: Number(value("DARAJA_VERIFY_ABOVE_KES")) * 100,
    amounts: { minMinor: topUpMinMinor, maxMinor },
    topUpsPerHour: Number(value("TOPUPS_PER_HOUR")),
  };
  return url === null && besideRealSwitch ? null : config;
}

/** Where devices of the simulated switch register. */
const embeddedSipDomain = "127.0.0.1";

function rangesOf(name: SettingName, text: string, bad: string[]): string[] {
  if (text === "none") return [];
  const ranges = text.split(",").map((one) => one.trim());
  return ranges.flatMap((one) => {
    const range = ipv4Range(one);
    if (range !== null) return [range];
    bad.push(`${name}: "${one}" is no IPv4 address or range, like 203.0.113.0/24`);
    return [];
  });
}

function sipPortsOf(text: string, bad: string[]): Config["sip"]["ports"] {
  const ports: Config["sip"]["ports"] = {};
  for (const part of text.split(",").filter((one) => one !== "")) {
    const [transport, at] = part.split(":") as [SipTransport, string];
    if (ports[transport] !== undefined) bad.push(`SIP_PORTS: ${transport} stands there twice`);
    if (Number(at) < 1 || Number(at) > 65_535) bad.push(`SIP_PORTS: ${at} is no port`);
    ports[transport] = Number(at);
  }
  return ports;
}

function sipTraceOf(value: (name: SettingName) => string): Config["sipTrace"] {
  const trace = { host: value("HEP_HOST"), port: Number(value("HEP_PORT")) };
  const days = Number(value("SIP_TRACE_DAYS"));
  return value("SIP_TRACE") === "on" ? { ...trace, days } : null;
}

function streamPortsOf(text: string, bad: string[]): Config["streamPorts"] {
  const [first = 0, last = 0] = text.split("-").map(Number);
  if (first < 1024 || last > 65_535 || last < first + 1)
    bad.push("STREAM_PORTS: must be from 1024 to 65535, and more than one");
  return { first, last };
}

/** It is given the environment without what is ours in it: no password of a database is an engine's business. */
function speechCommandOf(
  text: string,
  env: Readonly<Record<string, string | undefined>>,
): Config["speechCommand"] {
  const [program, ...args] = text.split(/ +/);
  if (!program) return null;
  const others = Object.entries(env).filter(([name, set]) => set !== undefined && !(name in settings));
  return { program, args, env: Object.fromEntries(others) as Record<string, string> };
}

interface Setting {
  schema: z.ZodType<string>;
  fallback: string;
  purpose: string;
  secret: boolean;
}

function setting(schema: z.ZodType<string>, fallback: string, purpose: string, secret?: "secret"): Setting {
  return { schema, fallback, purpose, secret: secret === "secret" };
}

function port() {
  return z
    .string()
    .refine((text) => /^\d{1,5}$/.test(text) && Number(text) < 65_536, "must be a port, 0 to 65535");
}

function isPort(text: string): boolean {
  return /^\d{1,5}$/.test(text) && Number(text) > 0 && Number(text) < 65_536;
}

/** PostgreSQL's may have no host: its socket is meant. */
function isUrlOrNone(text: string): boolean {
  return text === "" || URL.canParse(text) || URL.canParse(text.replace("@/", "@localhost/"));
}

function httpUrl() {
  return z
    .string()
    .refine(
      (text) => text === "" || /^https?:$/.test(URL.parse(text)?.protocol ?? ""),
      "must begin with http:// or https://",
    );
}
