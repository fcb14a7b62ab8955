import { z } from "zod";
import { normalEmail } from "../../engine/people/email.ts";
import type { WorkspaceId } from "../../engine/ids.ts";
import type { JsonObject } from "../../engine/json.ts";
import type { WalletChoices, WalletSettings } from "../../engine/store/ledger.ts";
import type { Available } from "../../engine/wallet/wallet.ts";

export const walletSchema = z
  .strictObject({
    workspace_id: z.string(),
    currency: z.literal("KES"),
    balance_minor: z.int().meta({ description: "KES cents, settled." }),
    accrued_minor: z.int().meta({ description: "What the live calls have run up by now." }),
    available_minor: z.int().meta({ description: "Balance less accrued." }),
    active_calls: z.int(),
    low_balance_threshold_minor: z.int().nullable().meta({ description: "Null: no alert but at zero." }),
    alert_emails: z
      .array(z.string())
      .meta({ description: "Who is told of a low balance. Empty: the owners." }),
    on_zero_balance: z.enum(["continue", "hangup"]),
    tax_pin: z.string().nullable().meta({ description: "The KRA PIN that your invoices name." }),
    mpesa_account_ref: z.string().meta({ description: "The Paybill's account number for this workspace." }),
    paybill: z.string().nullable(),
  })
  .meta({ id: "Wallet" });

const email = z
  .string()
  .max(320)
  .transform((text, context) => {
    const address = normalEmail(text);
    if (address !== undefined) return address;
    context.addIssue({ code: "custom", message: "must be a mail address", params: { code: "email" } });
    return z.NEVER;
  })
  .meta({ override: { type: "string", format: "email" } });

/** KES 100 million: more than any wallet holds, and far from where integers lose a cent. */
const thresholdMinorMax = 10_000_000_000;

export const patchWalletBody = z.strictObject({
  low_balance_threshold_minor: z
    .int()
    .min(0)
    .max(thresholdMinorMax)
    .nullable()
    .optional()
    .meta({ description: "KES cents. Told once each time the balance falls below it; null: no such alert." }),
  alert_emails: z.array(email).max(10).optional().meta({
    description: "Who is told by mail when the balance is low, and when it is gone. Empty: the owners.",
  }),
  on_zero_balance: z.enum(["continue", "hangup"]).optional(),
  tax_pin: z
    .string()
    .regex(/^[AP][0-9]{9}[A-Z]$/, "must be a KRA PIN: A or P, nine digits, a letter")
    .nullable()
    .optional()
    .meta({ description: "The KRA PIN that your invoices name; null: none." }),
});

/** What PATCH can change, as the audit log shows it. */
export const walletChoicesBody = (choices: WalletChoices): JsonObject => ({
  low_balance_threshold_minor: choices.lowBalanceThresholdMinor,
  alert_emails: [...choices.alertEmails],
  on_zero_balance: choices.onZeroBalance,
  tax_pin: choices.taxPin,
});

export function walletBody(
  workspaceId: WorkspaceId,
  wallet: WalletSettings & Available,
  paybill: string | null,
): JsonObject {
  return {
    workspace_id: workspaceId,
    currency: wallet.currency,
    balance_minor: wallet.balanceMinor,
    accrued_minor: wallet.accruedMinor,
    available_minor: wallet.availableMinor,
    active_calls: wallet.activeCalls,
    ...walletChoicesBody(wallet),
    mpesa_account_ref: wallet.mpesaAccountRef,
    paybill,
  };
}

const transactionKinds = [
  "call",
  "number_rental",
  "storage",
  "top_up",
  "credit",
  "promotion",
  "suspense",
  "correction",
] as const;

export const queryKinds = z
  .string()
  .transform((text) => text.split(","))
  .pipe(z.array(z.enum(transactionKinds)).max(transactionKinds.length))
  .meta({
    override: { type: "string" },
    description: "One or more kinds, with commas between.",
    examples: ["call,number_rental"],
  });

export const transactionSchema = z
  .strictObject({
    id: z.string(),
    kind: z.enum(transactionKinds),
    amount_minor: z.int().meta({ description: "KES cents; negative: taken from the wallet." }),
    balance_after_minor: z.int(),
    reference: z.string(),
    description: z.string(),
    created_at: z.string().meta({ format: "date-time" }),
  })
  .meta({ id: "WalletTransaction" });
