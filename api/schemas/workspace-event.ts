import { z } from "zod";
import type { WorkspaceEventKind } from "../../engine/webhooks/workspace-events.ts";
import type { EventDescription } from "./event-description.ts";
import { refusalReason, refusalSource } from "./refusal.ts";

const plain = (happened: string, fields: z.ZodRawShape): EventDescription => ({
  happened,
  data: z.strictObject(fields),
});
const time = (description: string) => z.string().meta({ format: "date-time", description });
const ofNumber = {
  number_id: z.string().meta({ description: "The number, by its id." }),
  number: z.string().meta({ description: "E.164." }),
};
const cents = (description: string) => z.int().meta({ description: `KES cents: ${description}` });

/** What is told of a workspace by webhook, by kind. */
export const workspaceEvents: Record<WorkspaceEventKind, EventDescription> = {
  "number.provisioned": plain("A number is the workspace's, and in service.", {
    ...ofNumber,
    country: z.string().meta({ description: "ISO 3166 alpha-2, lower case." }),
    provisioned_at: time("When."),
    by: z.enum(["claim", "port", "operator"]).meta({ description: "How it came." }),
  }),
  "number.suspended": plain(
    "No calls go to the number or come from it; calls under way go on. Unpaid, it is released for good at `release_at`.",
    {
      ...ofNumber,
      reason: z.enum(["unpaid", "operator"]).meta({
        description: "The month that began could not be paid, or the operator took it out of service.",
      }),
      owed_minor: cents("what the month costs; null: nothing is owed.").nullable(),
      suspended_at: time("When."),
      release_at: time("Paid before this, it stays; null: it is not released.").nullable(),
    },
  ),
  "number.resumed": plain("A suspended number is in service again.", {
    ...ofNumber,
    resumed_at: time("When."),
  }),
  "number.released": plain("The number is the workspace's no more.", {
    ...ofNumber,
    released_at: time("When."),
    reason: z
      .enum(["requested", "unpaid", "ported_out"])
      .meta({ description: "You released it; it was suspended for 7 days; it went to another carrier." }),
  }),
  "wallet.top_up": plain("Money came in: by M-Pesa, or a credit of the operator's.", {
    topup_id: z
      .string()
      .nullable()
      .meta({ description: "Of POST /v1/topups; null: paid by Paybill, or given by the operator." }),
    provider: z.enum(["mpesa", "operator"]),
    provider_reference: z.string().nullable().meta({
      description: "The M-Pesa receipt, or the reference that the operator gave the credit; null: none.",
    }),
    amount_minor: cents("what was credited."),
    balance_minor: cents("the wallet after it."),
    transaction_id: z.string().meta({ description: "In GET /v1/wallet/transactions." }),
  }),
  "wallet.low_balance": plain("The balance fell below the threshold; told once for each time that it does.", {
    balance_minor: cents("the wallet now."),
    threshold_minor: cents("the threshold."),
  }),
  "wallet.exhausted": plain(
    "The balance came to zero or below: no new call starts. Told once for each time that it does.",
    { balance_minor: cents("the wallet now.") },
  ),
  "storage.threshold_crossed": plain(
    "The workspace's recordings take more than is free; what is above is charged.",
    {
      used_bytes: z.int().meta({ description: "All recordings that are stored." }),
      free_bytes: z.int().meta({ description: "What costs nothing." }),
    },
  ),
  "port.updated": plain("A number that is to be moved here came a step further.", {
    port_id: z.string(),
    number: z.string().meta({ description: "E.164." }),
    status: z.enum(["submitted", "in_review", "scheduled", "completed", "rejected", "canceled"]),
    scheduled_for: time("When the number is to move; null: not known yet.").nullable(),
    reason: z.string().nullable().meta({ description: "Why it was rejected." }),
    number_id: z.string().nullable().meta({ description: "The number, once it is here." }),
  }),
  "calls.refused": plain(
    "A call was not placed, or a number not dialled. Told once for each reason, source and minute, however many were refused; " +
      "GET /v1/refusals has them all counted.",
    {
      refusal_id: z.string().meta({ description: "In GET /v1/refusals." }),
      reason: refusalReason,
      code: z.string().meta({ description: "A code of the error catalogue.", examples: ["calls.velocity"] }),
      message: z.string().meta({ description: "What who asked was told." }),
      source: refusalSource,
      from: z.string().nullable().meta({ description: "The number to call from." }),
      to: z.string().nullable().meta({ description: "The number that was to be called." }),
      call_id: z.string().nullable().meta({ description: "The running call; null: it was to be a new one." }),
      count: z.int().min(1).meta({
        description: "This one, and those of the minute told before it that were only counted.",
      }),
      refused_at: time("When."),
    },
  ),
  "calls.new_country": plain(
    "Somebody calls a foreign country for the first time in this workspace. For an hour one call at a time goes there.",
    {
      country: z.string().meta({ description: "ISO 3166 alpha-2." }),
      to: z.string().meta({ description: "E.164." }),
      called_at: time("When."),
    },
  ),
  "sip.credential_banned": plain(
    "Logins with a SIP credential's name failed too often: somebody else tries it, or a phone has an old password. For a while it " +
      "is let in only from where its devices were registered (docs/bans.md).",
    {
      credential_id: z.string(),
      label: z.string(),
      number_id: z.string(),
      number: z.string().nullable().meta({ description: "E.164." }),
      failures: z.int().min(1).meta({ description: "In ten minutes." }),
      addresses: z.array(z.string()).meta({ description: "Where the last of them came from, five at most." }),
      let_in_from: z
        .array(z.string())
        .meta({ description: "The addresses that it is let in from meanwhile; empty: from none." }),
      banned_at: time("When."),
      banned_until: time("Then it is let in from anywhere."),
    },
  ),
};
