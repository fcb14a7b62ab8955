import { isIPv4 } from "node:net";
import { parseDocument } from "yaml";
import { z } from "zod";
import type { FieldError } from "../../errors.ts";
import { fieldErrors } from "../../field-errors.ts";
import { ipv4Range } from "../addresses.ts";

/** One way to the public network: a carrier's trunk, or a fixed-address PBX that carries calls for us. */
export interface Trunk {
  /** Also the name of the switch's gateway that reaches it. */
  name: string;
  /** `edge`: over the proxy, which picks the box of what comes in. `switch`: each box speaks to it by itself. */
  via: "edge" | "switch";
  /** An IPv4 address where it is reached over the edge, which resolves no names. */
  host: string;
  port: number;
  transport: "udp" | "tcp" | "tls";
  /** How we log in at the carrier, where it asks for that. */
  login: { username: string; password: string; realm: string | null } | null;
  /** Seconds that a registration lasts; null: it does not register, calls come to us by our address. */
  registerSeconds: number | null;
  /** CIDRs that its requests come from; from anywhere else they are refused. */
  addresses: readonly string[];
  /** E.164 without `+`, of what it carries; the longest that fits a number counts. `""` fits all. */
  prefixes: readonly string[];
  numberFormat: NumberFormat;
  /** Digits that the carrier wants before each number. */
  techPrefix: string;
  /** In the order in which they are offered. */
  codecs: readonly TrunkCodec[];
  /** Calls at once; null: as many as there are. */
  channels: number | null;
  /** Lower ones first. */
  priority: number;
  /** Among those of one priority: a share of the calls. */
  weight: number;
  /** Between two OPTIONS that ask whether it is there; 0: nobody asks. */
  pingSeconds: number;
}

export const trunkCodecs = ["PCMA", "PCMU", "G722", "opus"] as const;
export type TrunkCodec = (typeof trunkCodecs)[number];

/** `e164` +254700000001, `digits` 254700000001, `international` 00254700000001, `national` 0700000001. */
export const numberFormats = ["e164", "digits", "international", "national"] as const;
export type NumberFormat = (typeof numberFormats)[number];

/** A file that a person wrote: what is wrong with it, all of it, by the field's place. */
export type TrunkFile = { ok: true; trunks: readonly Trunk[] } | { ok: false; bad: readonly FieldError[] };

const sizeMax = 256 * 1024;
const trunksMax = 100;

const hostName = /^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$/;
const cidr = z
  .string()
  .refine((text) => ipv4Range(text) !== null, "must be an IPv4 address or range, as 196.201.214.0/24")
  .transform((text) => ipv4Range(text) ?? text);
const word = z
  .string()
  .max(128)
  // Into a line of the switch's configuration, where these would begin something else.
  .regex(/^[A-Za-z0-9._~@+=!*-]+$/, "must be letters, digits and . _ ~ @ + = ! * -");

const trunkSchema = z
  .strictObject({
    name: z
      .string()
      .regex(/^[a-z0-9][a-z0-9-]{0,31}$/, "must be small letters, digits and dashes, at most 32"),
    via: z.enum(["edge", "switch"]).optional(),
    host: z.string().max(253).regex(hostName, "must be a host name or an IPv4 address"),
    port: z.int().min(1).max(65_535).optional(),
    transport: z.enum(["udp", "tcp", "tls"]).default("udp"),
    username: word.optional(),
    password: word.optional(),
    password_env: z
      .string()
      .regex(/^[A-Z][A-Z0-9_]*$/, "must be the name of an environment variable")
      .optional(),
    realm: word.optional(),
    register: z.boolean().default(false),
    register_seconds: z.int().min(60).max(86_400).default(600),
    addresses: z.array(cidr).min(1).max(100).optional(),
    prefixes: z
      .array(z.string().regex(/^\d{0,15}$/, "must be digits, without +"))
      .min(1)
      .max(1000)
      .default([""]),
    number_format: z.enum(numberFormats).default("e164"),
    tech_prefix: z
      .string()
      .regex(/^\d{0,10}$/, "must be at most 10 digits")
      .default(""),
    codecs: z.array(z.enum(trunkCodecs)).min(1).max(trunkCodecs.length).default(["PCMA", "PCMU"]),
    channels: z.int().min(1).max(100_000).optional(),
    priority: z.int().min(0).max(1000).default(10),
    weight: z.int().min(1).max(1000).default(1),
    ping_seconds: z
      .int()
      .refine((seconds) => seconds === 0 || (seconds >= 5 && seconds <= 600), "must be 5 to 600, or 0: none")
      .default(15),
  })
  .superRefine((trunk, context) => {
    const fault = (field: string, message: string) =>
      context.addIssue({ code: "custom", path: [field], message, params: { code: "value" } });
    const isAddress = isIPv4(trunk.host);
    const logsIn = trunk.username !== undefined;
    if (trunk.via === "edge") {
      if (!isAddress) fault("host", "must be an IPv4 address where the edge is to reach it");
      if (trunk.transport !== "udp") fault("transport", "must be udp over the edge; else say via: switch");
      if (logsIn) fault("username", "is for trunks that each box logs in to; say via: switch");
    }
    if (hostName.test(trunk.host) && !isAddress && trunk.addresses === undefined && !trunk.register)
      fault("addresses", "is needed beside a host name: where its calls come from");
    const passwords = [trunk.password, trunk.password_env].filter((given) => given !== undefined).length;
    if (logsIn && passwords !== 1)
      fault("password", "or password_env, one of them, is needed beside username");
    if (!logsIn && passwords > 0) fault("username", "is needed beside a password");
    if (trunk.register && !logsIn) fault("username", "is needed to register");
    if (trunk.register && trunk.via === "edge") fault("register", "is not for trunks over the edge");
    if (new Set(trunk.prefixes).size < trunk.prefixes.length) fault("prefixes", "has one twice");
  });

const fileSchema = z
  .strictObject({ trunks: z.array(trunkSchema).max(trunksMax) })
  .superRefine(({ trunks }, context) => {
    for (const [index, { name }] of trunks.entries()) {
      if (trunks.findIndex((other) => other.name === name) === index) continue;
      const path = ["trunks", index, "name"];
      context.addIssue({
        code: "custom",
        path,
        message: `${name} stands there twice`,
        params: { code: "value" },
      });
    }
  });

/**
 * Reads `trunks.yaml` (YAML 1.2). `secretOf`: an environment variable that a `password_env` names. `edge`: whether there is one,
 * for trunks that do not say `via`. `reserved`: the switch's own gateway; a trunk of that name would never be loaded.
 */
export function readTrunkFile(
  text: string,
  {
    secretOf,
    edge,
    reserved,
  }: { secretOf: (name: string) => string | undefined; edge: boolean; reserved?: string },
): TrunkFile {
  if (Buffer.byteLength(text) > sizeMax) return bad("body", "length", `must be at most ${sizeMax} bytes`);
  const document = parseDocument(text);
  const [problem] = document.errors;
  if (problem) return bad("body", "yaml", problem.message.split("\n", 1)[0] ?? "");
  let input: unknown;
  try {
    // Aliases could unfold to more than any memory holds.
    input = document.toJS({ maxAliasCount: 0 });
  } catch {
    // Not its own words, which may be those of a password.
    return bad("body", "yaml", "has an alias: what begins with * or & is to stand in quotes");
  }
  const parsed = fileSchema.safeParse(input);
  if (!parsed.success) return { ok: false, bad: fieldErrors(parsed.error.issues, input) };
  const faults: FieldError[] = [];
  const trunks = parsed.data.trunks.map((given, index) => {
    const password = given.password ?? (given.password_env && secretOf(given.password_env));
    if (given.username !== undefined && !word.safeParse(password).success)
      faults.push({
        field: `trunks[${index}].password_env`,
        code: "value",
        message: `${given.password_env} is not set, or holds what is no password`,
      });
    if (given.name === reserved)
      faults.push({
        field: `trunks[${index}].name`,
        code: "value",
        message: `${given.name} is the switch's own gateway (TRUNK_GATEWAY)`,
      });
    if (given.via === "edge" && !edge)
      faults.push({
        field: `trunks[${index}].via`,
        code: "value",
        message: "is edge, and there is none (EDGE_SIP)",
      });
    return trunkOf(given, password ?? "", edge);
  });
  return faults.length > 0 ? { ok: false, bad: faults } : { ok: true, trunks };
}

function trunkOf(given: z.infer<typeof trunkSchema>, password: string, edge: boolean): Trunk {
  const { name, host, transport, username, realm } = given;
  const isAddress = isIPv4(host);
  const canEdge = edge && isAddress && transport === "udp" && username === undefined;
  return {
    ...{ name, host, transport, techPrefix: given.tech_prefix, numberFormat: given.number_format },
    via: given.via ?? (canEdge ? "edge" : "switch"),
    port: given.port ?? (transport === "tls" ? 5061 : 5060),
    login: username === undefined ? null : { username, password, realm: realm ?? null },
    registerSeconds: given.register ? given.register_seconds : null,
    addresses: given.addresses ?? (isAddress ? [`${host}/32`] : []),
    ...{ prefixes: given.prefixes, codecs: given.codecs, channels: given.channels ?? null },
    ...{ priority: given.priority, weight: given.weight, pingSeconds: given.ping_seconds },
  };
}

const bad = (field: string, code: string, message: string): TrunkFile => ({
  ok: false,
  bad: [{ field, code, message }],
});

/**
 * The number as this trunk wants it. `national`: numbers of Kenya in its own form (0700000001), others behind `000`, its
 * international access code.
 */
export function dialledNumber({ numberFormat, techPrefix }: Trunk, e164: `+${string}`): string {
  const digits = e164.slice(1);
  const formatted = {
    // Behind a prefix of digits there is no place for a plus.
    e164: () => (techPrefix === "" ? `+${digits}` : digits),
    digits: () => digits,
    international: () => `00${digits}`,
    national: () => (digits.startsWith(kenya) ? `0${digits.slice(kenya.length)}` : `000${digits}`),
  }[numberFormat]();
  return `${techPrefix}${formatted}`;
}

const kenya = "254";
