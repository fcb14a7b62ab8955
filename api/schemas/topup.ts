import { z } from "zod";
import { rfc3339Seconds } from "../../engine/clock.ts";
import type { JsonObject } from "../../engine/json.ts";
import type { TopUp } from "../../engine/wallet/mpesa/top-ups.ts";
import { lineOfText } from "./text.ts";

export const createTopUpBody = z.strictObject({
  provider: z.literal("mpesa"),
  // Whatever its size: how much may be topped up is the top-up's to say.
  amount_minor: z
    .number()
    .refine(Number.isInteger, { error: "must be an int", params: { code: "type" } })
    .meta({
      override: { type: "integer" },
      description: "KES cents, whole shillings.",
      examples: [500_000],
    }),
  currency: z.literal("KES"),
  phone_e164: lineOfText(30).meta({
    description: "Whose M-Pesa pays: any Kenyan mobile number, also written 07… or 01….",
    examples: ["+254722000001"],
  }),
});

const time = z.string().meta({ format: "date-time" });
const asked = {
  id: z.string().meta({ examples: ["top_01j00000000000000000000001"] }),
  topup_id: z.string().meta({ description: "The same as `id`." }),
  provider: z.literal("mpesa"),
  amount_minor: z.int(),
  currency: z.literal("KES"),
  phone_e164: z.string(),
  mpesa_account_ref: z.string().meta({ description: "The workspace's Paybill account number." }),
  created_at: time,
};

export const askedTopUpSchema = z
  .strictObject({ ...asked, status: z.literal("pending") })
  .meta({ id: "AskedTopUp" });

export const topUpSchema = z
  .strictObject({
    ...asked,
    status: z.enum(["pending", "confirmed", "failed", "expired"]).meta({
      description:
        "`pending`: nobody knows yet. `confirmed`: the money is in the wallet. `failed` and `expired`: `failure_reason` " +
        "says why; should the money come all the same, it is credited and this becomes `confirmed`.",
    }),
    provider_reference: z.string().nullable().meta({ description: "The M-Pesa receipt, once confirmed." }),
    failure_reason: z.string().nullable().meta({ description: "In words, for whoever holds the phone." }),
    updated_at: time,
  })
  .meta({ id: "TopUp" });

/** As POST answers it. */
export const askedTopUpView = (topUp: TopUp): JsonObject => ({
  id: topUp.id,
  topup_id: topUp.id,
  status: topUp.status,
  provider: "mpesa",
  amount_minor: topUp.amountMinor,
  currency: "KES",
  phone_e164: topUp.phoneE164,
  mpesa_account_ref: topUp.mpesaAccountRef,
  created_at: rfc3339Seconds(topUp.createdAtMs),
});

export const topUpView = (topUp: TopUp): JsonObject => ({
  ...askedTopUpView(topUp),
  provider_reference: topUp.receipt,
  failure_reason: topUp.failureReason,
  updated_at: rfc3339Seconds(topUp.updatedAtMs),
});
