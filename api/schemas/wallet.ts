import { z } from "zod";
import type { WorkspaceId } from "../../engine/ids.ts";
import type { JsonObject } from "../../engine/json.ts";
import type { WalletSettings } from "../../engine/store/ledger.ts";
import type { Available } from "../../engine/wallet/wallet.ts";

export const walletSchema = z
  .strictObject({
    workspace_id: z.string(),
    currency: z.literal("KES"),
    balance_minor: z.int().meta({ description: "KES cents, settled." }),
    accrued_minor: z.int().meta({ description: "What the live calls have run up by now." }),
    available_minor: z.int().meta({ description: "Balance less accrued." }),
    active_calls: z.int(),
    low_balance_threshold_minor: z.int().nullable(),
    on_zero_balance: z.enum(["continue", "hangup"]),
    mpesa_account_ref: z.string().meta({ description: "The Paybill's account number for this workspace." }),
    paybill: z.string().nullable(),
  })
  .meta({ id: "Wallet" });

export const patchWalletBody = z.strictObject({ on_zero_balance: z.enum(["continue", "hangup"]) });

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
    low_balance_threshold_minor: wallet.lowBalanceThresholdMinor,
    on_zero_balance: wallet.onZeroBalance,
    mpesa_account_ref: wallet.mpesaAccountRef,
    paybill,
  };
}

export const transactionSchema = z
  .strictObject({
    id: z.string(),
    kind: z.enum([
      "call",
      "number_rental",
      "storage",
      "top_up",
      "credit",
      "promotion",
      "suspense",
      "correction",
    ]),
    amount_minor: z.int().meta({ description: "KES cents; negative: taken from the wallet." }),
    balance_after_minor: z.int(),
    reference: z.string(),
    description: z.string(),
    created_at: z.string().meta({ format: "date-time" }),
  })
  .meta({ id: "WalletTransaction" });
