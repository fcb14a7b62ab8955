import { z } from "zod";
import { rfc3339Seconds } from "../../engine/clock.ts";
import type { JsonObject } from "../../engine/json.ts";
import { portStatuses, type PortRow } from "../../engine/store/ports.ts";
import { callbackUrl, lineOfText, ownE164 } from "./text.ts";

const time = (description: string) => z.string().meta({ format: "date-time", description });
const day = (description: string) =>
  z.string().meta({ format: "date", description, examples: ["2026-06-30"] });

export const createPortBody = z.strictObject({
  number: ownE164.meta({ description: "E.164, Kenyan: the number that is to move here." }),
  current_carrier: lineOfText(200)
    .min(1)
    .meta({ description: "Where it is now.", examples: ["Telkom Kenya"] }),
  account_reference: lineOfText(200)
    .min(1)
    .meta({ description: "Your account with that carrier, as their bill has it." }),
  document_url: callbackUrl.optional().meta({
    description: "Where your carrier's account confirmation is. We keep the link and do not fetch it.",
  }),
  voice_callback_url: callbackUrl
    .optional()
    .meta({ description: "Of the number, from the moment when it is here." }),
});

export const portSchema = z
  .strictObject({
    id: z.string().meta({ examples: ["port_01j00000000000000000000001"] }),
    number: z.string().meta({ description: "E.164." }),
    country: z.string().meta({ description: "ISO 3166 alpha-2, lower case." }),
    status: z.enum(portStatuses),
    current_carrier: z.string(),
    account_reference: z.string(),
    voice_callback_url: z.string().nullable(),
    document_url: z.string().nullable(),
    document: z
      .strictObject({
        content_type: z.string().meta({ description: "By its content." }),
        size_bytes: z.int(),
        sha256: z.string().meta({ description: "Hex." }),
        uploaded_at: time("When."),
      })
      .nullable()
      .meta({ description: "What was uploaded; null: nothing." }),
    expected_from: day("Two working days after the request, in Nairobi."),
    expected_by: day("Five working days after it. Public holidays are not left out."),
    scheduled_for: time("When the number is to move; null: not known yet.").nullable(),
    reason: z.string().nullable().meta({ description: "Why it was rejected." }),
    number_id: z.string().nullable().meta({ description: "The number, once it is here." }),
    created_at: time("When it was asked for."),
    updated_at: time("When its status last changed."),
  })
  .meta({ id: "Port" });

export const portView = (row: PortRow): JsonObject => ({
  id: row.id,
  number: row.e164,
  country: row.country,
  status: row.status,
  current_carrier: row.currentCarrier,
  account_reference: row.accountReference,
  voice_callback_url: row.voiceCallbackUrl,
  document_url: row.documentUrl,
  document: documentView(row),
  expected_from: row.expectedFrom,
  expected_by: row.expectedBy,
  scheduled_for: row.scheduledForMs === null ? null : rfc3339Seconds(row.scheduledForMs),
  reason: row.reason,
  number_id: row.numberId,
  created_at: rfc3339Seconds(row.createdAtMs),
  updated_at: rfc3339Seconds(row.updatedAtMs),
});

const documentView = ({
  documentType,
  documentBytes,
  documentSha256,
  documentAtMs,
}: PortRow): JsonObject | null =>
  documentAtMs === null
    ? null
    : {
        content_type: documentType,
        size_bytes: documentBytes,
        sha256: documentSha256,
        uploaded_at: rfc3339Seconds(documentAtMs),
      };
