import { z } from "zod";
import { rfc3339Seconds } from "../../engine/clock.ts";
import type { JsonObject } from "../../engine/json.ts";
import type { DestinationWords } from "../../engine/sip/destinations.ts";
import { isSipHost, isSipUser, uriTransports } from "../../engine/sip/sip-uri.ts";
import type { SipDestinationRow } from "../../engine/store/sip-destinations.ts";
import { lineOfText } from "./text.ts";

const host = z
  .string()
  .refine(isSipHost, { error: "must be a host name, or an IPv4 address", params: { code: "host" } })
  .meta({ description: "A host name or an IPv4 address: this one alone.", examples: ["pbx.example.co.ke"] });
const port = z.int().min(1).max(65_535);
const user = z.string().refine(isSipUser, {
  error: "must be 1 to 64 letters, digits and . _ + -",
  params: { code: "sip_user" },
});

export const destinationBody = z.strictObject({
  host,
  port: port.optional().meta({ description: "Default: any." }),
  transport: z.enum(uriTransports).optional().meta({ description: "Default: any." }),
  user: user
    .optional()
    .meta({ description: "The one user there, in this very case. Default: any.", examples: ["reception"] }),
  label: lineOfText(100).default("").meta({ description: "What it is for, in your words." }),
});

export const destinationSchema = z
  .strictObject({
    id: z.string().meta({ examples: ["dst_01j00000000000000000000001"] }),
    host: z.string(),
    port: port.nullable().meta({ description: "Null: any." }),
    transport: z.enum(uriTransports).nullable().meta({ description: "Null: any." }),
    user: z.string().nullable().meta({ description: "Null: any." }),
    label: z.string(),
    created_at: z.string().meta({ format: "date-time" }),
  })
  .meta({ id: "SipDestination" });

export const wordsOf = (body: z.output<typeof destinationBody>): DestinationWords => ({
  host: body.host.toLowerCase(),
  port: body.port ?? null,
  transport: body.transport ?? null,
  sipUser: body.user ?? null,
  label: body.label,
});

export const destinationView = (row: SipDestinationRow): JsonObject => ({
  id: row.id,
  host: row.host,
  port: row.port,
  transport: row.transport,
  user: row.sipUser,
  label: row.label,
  created_at: rfc3339Seconds(row.createdAtMs),
});
