import { z } from "zod";
import { rfc3339Seconds } from "../../engine/clock.ts";
import { parseE164 } from "../../engine/e164.ts";
import type { Erasure } from "../../engine/privacy/erasures.ts";
import type { PrivacyExport } from "../../engine/privacy/exports.ts";

/** Of the person who asks: the other end of calls. */
export const personsNumber = z
  .string()
  .refine((text) => parseE164(text).ok, {
    error: "must be a telephone number in E.164: + and digits",
    params: { code: "e164" },
  })
  .meta({
    description: "E.164, of the person; not one of the workspace's own.",
    examples: ["+254712345678"],
  });

const time = z.string().meta({ format: "date-time" });
const timeOrNull = time.nullable();
const pseudonym = z.string().meta({
  description:
    "A keyed hash of the number: the same for the same number in this workspace, and no way back to it.",
});
const requestedBy = z.string().nullable().meta({ description: "A key or a user; null: the operator." });

export const exportSchema = z
  .strictObject({
    id: z.string(),
    pseudonym,
    status: z
      .enum(["pending", "ready", "expired", "failed"])
      .meta({ description: "A pending one that could not be made yet is tried again, for two days." }),
    requested_by: requestedBy,
    created_at: time,
    from: timeOrNull.meta({ description: "Of calls created from then on; null: from the first." }),
    to: timeOrNull.meta({ description: "And before then; null: to the last." }),
    ready_at: timeOrNull,
    expires_at: timeOrNull.meta({ description: "The ZIP is removed then." }),
    removed_at: timeOrNull.meta({ description: "When the storage was seen to hold it no more." }),
    ended_by: z
      .enum(["time", "erasure", "too_large", "not_made"])
      .nullable()
      .meta({
        description:
          "Why it has expired, or failed. `time`: seven days are over. `erasure`: somebody who may be in it was erased, so ask " +
          "for it again. `too_large`: it would hold more than 10,000 calls or 4 GB, so ask for it in parts, with `from` and `to`. " +
          "`not_made`: tried for two days in vain.",
      }),
    size_bytes: z.int().nullable(),
    calls: z.int().nullable(),
    events: z.int().nullable(),
    recordings: z.int().nullable(),
  })
  .meta({ id: "PrivacyExport" });

export const exportView = (row: PrivacyExport) => ({
  id: row.id,
  pseudonym: row.pseudonym,
  status: row.status,
  requested_by: row.requestedBy,
  created_at: rfc3339Seconds(row.createdAtMs),
  from: timeView(row.fromMs),
  to: timeView(row.toMs),
  ready_at: timeView(row.readyAtMs),
  expires_at: timeView(row.expiresAtMs),
  removed_at: timeView(row.removedAtMs),
  ended_by: row.endedBy,
  size_bytes: row.sizeBytes,
  calls: row.contents?.calls ?? null,
  events: row.contents?.events ?? null,
  recordings: row.contents?.recordings ?? null,
});

export const linkedExportSchema = exportSchema
  .extend({
    download_url: z
      .string()
      .nullable()
      .meta({ description: "Asks for no key, for an hour. Null unless it is ready." }),
    link_expires_at: timeOrNull,
  })
  .meta({ id: "LinkedPrivacyExport" });

const count = (description: string) => z.int().meta({ description });

export const erasureSchema = z
  .strictObject({
    id: z.string(),
    pseudonym,
    status: z.enum(["running", "complete"]),
    requested_by: requestedBy,
    created_at: time,
    completed_at: timeOrNull,
    erased: z.strictObject({
      calls: z.int(),
      legs: z.int(),
      cdrs: z.int(),
      events: z.int(),
      recordings: count("Deleted, and the storage was seen to hold them no more."),
      deliveries: count("Webhook deliveries whose body and answers were emptied."),
      ledger_descriptions: count("The money stays."),
      sip_messages: count("Of the calls' traces; deleted."),
      mentions: count("Other rows whose text named the number."),
    }),
  })
  .meta({ id: "PrivacyErasure" });

export const erasureView = (row: Erasure) => ({
  id: row.id,
  pseudonym: row.pseudonym,
  status: row.status,
  requested_by: row.requestedBy,
  created_at: rfc3339Seconds(row.createdAtMs),
  completed_at: timeView(row.completedAtMs),
  erased: {
    calls: row.counts.calls,
    legs: row.counts.legs,
    cdrs: row.counts.cdrs,
    events: row.counts.events,
    recordings: row.counts.recordings,
    deliveries: row.counts.deliveries,
    ledger_descriptions: row.counts.ledgerDescriptions,
    sip_messages: row.counts.sipMessages,
    mentions: row.counts.mentions,
  },
});

const timeView = (ms: number | null) => (ms === null ? null : rfc3339Seconds(ms));
