import { z } from "zod";
import { rfc3339Seconds } from "../../engine/clock.ts";
import type { JsonObject } from "../../engine/json.ts";
import type { SipCredential, SipRegistrationRow } from "../../engine/store/sip-credentials.ts";
import type { SipAccess } from "../parts.ts";
import { lineOfText } from "./text.ts";

const time = (description: string) => z.string().meta({ format: "date-time", description });

export const sipTransports = ["udp", "tcp", "tls", "wss"] as const;

const label = lineOfText(100)
  .refine((text) => text.trim() !== "", { error: "must not be empty", params: { code: "required" } })
  .meta({ description: "What it is for, in your words.", examples: ["Reception desk phone"] });
const limits = {
  max_concurrent_calls: z.int().min(1).max(1_000).meta({
    description:
      "Calls that its devices may have placed at once; the workspace's own limit counts beside it.",
  }),
  max_calls_per_second: z
    .int()
    .min(1)
    .max(100)
    .meta({ description: "Calls that they may place within a second." }),
};

export const credentialBody = z.strictObject({
  label,
  max_concurrent_calls: limits.max_concurrent_calls.default(10),
  max_calls_per_second: limits.max_calls_per_second.default(5),
});

export const credentialPatch = z.strictObject({
  label: label.optional(),
  max_concurrent_calls: limits.max_concurrent_calls.optional(),
  max_calls_per_second: limits.max_calls_per_second.optional(),
});

export const rotateBody = z.strictObject({
  overlap_seconds: z.int().min(0).max(2_592_000).default(0).meta({
    description:
      "So long the old username and password are let in beside the new; 0: no more. 30 days at most.",
  }),
});

const credential = {
  id: z.string().meta({ examples: ["sip_01j00000000000000000000001"] }),
  label: z.string(),
  ...limits,
  username: z.string().meta({ description: "Also the authentication user.", examples: ["k7w2mq9xh4td"] }),
  realm: z.string().meta({ description: "Of digest authentication; phones find it by themselves." }),
  domain: z.string().meta({ description: "The server: what phones call domain, registrar or SIP server." }),
  sip_uri: z.string().meta({ examples: ["sip:k7w2mq9xh4td@sip.example.co.ke"] }),
  transports: z.array(z.enum(sipTransports)).meta({ description: "TLS where the device can." }),
  ports: z
    .partialRecord(z.enum(sipTransports), z.int())
    .meta({ description: "The port of each transport.", examples: [{ udp: 5060, tcp: 5060, tls: 5061 }] }),
  ws_url: z.string().nullable().meta({ description: "For SIP in a browser; null: not here." }),
  created_at: time("When it was made."),
  rotated_at: time("When its login was last changed; null: never.").nullable(),
  previous_username: z
    .string()
    .nullable()
    .meta({ description: "Let in beside it while a rotation overlaps; null: none is." }),
  previous_until: time("Until then; null: none is.").nullable(),
  banned_until: time(
    "Logins with its name failed too often: until then it is let in only from where its devices were registered (docs/bans.md). Null: it is not banned.",
  ).nullable(),
};

export const credentialSchema = z.strictObject(credential).meta({ id: "SipCredential" });

export const newCredentialSchema = z
  .strictObject({
    ...credential,
    password: z
      .string()
      .optional()
      .meta({
        description: "Shown this once, and kept nowhere; a replay leaves it out.",
        examples: ["h7Rk2vXq9TzM4bWn8cYp3FdS"],
      }),
    secret_omitted: z.literal(true).optional().meta({ description: "This is a replay." }),
  })
  .meta({ id: "NewSipCredential" });

export const registrationSchema = z
  .strictObject({
    contact: z.string().meta({ description: "What the device calls itself." }),
    reachable: z.boolean().meta({
      description: "False: its contact has characters that no call is sent to; it can call, not be called.",
    }),
    transport: z.string().meta({ examples: ["udp"] }),
    address: z.string().meta({ description: "Where it registered from." }),
    port: z.int(),
    user_agent: z.string(),
    username: z.string(),
    expires_at: time("It is reached until then, unless it registers again."),
  })
  .meta({ id: "SipRegistration" });

export const credentialView = (row: SipCredential, access: SipAccess): JsonObject => ({
  id: row.id,
  label: row.label,
  max_concurrent_calls: row.maxConcurrentCalls,
  max_calls_per_second: row.maxCallsPerSecond,
  username: row.username,
  realm: access.realm,
  domain: access.domain,
  sip_uri: `sip:${row.username}@${access.domain}`,
  transports: sipTransports.filter((transport) => access.ports[transport] !== undefined),
  ports: { ...access.ports },
  ws_url: access.ports.wss === undefined ? null : `wss://${access.domain}:${access.ports.wss}`,
  created_at: rfc3339Seconds(row.createdAtMs),
  rotated_at: row.rotatedAtMs === null ? null : rfc3339Seconds(row.rotatedAtMs),
  previous_username: row.previousUsername,
  previous_until: row.previousEndsAtMs === null ? null : rfc3339Seconds(row.previousEndsAtMs),
  banned_until: row.bannedUntilMs === null ? null : rfc3339Seconds(row.bannedUntilMs),
});

export const registrationView = (row: SipRegistrationRow): JsonObject => ({
  contact: row.contactUri,
  reachable: row.contact !== null,
  transport: row.transport,
  address: row.address,
  port: row.port,
  user_agent: row.userAgent,
  username: row.username,
  expires_at: rfc3339Seconds(row.expiresAtMs),
});
