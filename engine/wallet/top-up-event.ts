import type { WorkspaceId } from "../ids.ts";
import { walletBalanceMinor } from "../store/ledger.ts";
import type { Tx } from "../store/store.ts";
import { tellWorkspace, type EventParts } from "../webhooks/workspace-events.ts";

export interface ToppedUp {
  workspaceId: WorkspaceId;
  topupId: string | null;
  provider: "mpesa" | "operator";
  /** The M-Pesa receipt, or what the operator named; null: nothing. */
  providerReference: string | null;
  amountMinor: number;
  transactionId: string;
}

/** `wallet.top_up`, in the transaction of the money and after its posting. */
export async function tellTopUp(tx: Tx, parts: EventParts, topped: ToppedUp): Promise<void> {
  await tellWorkspace(tx, parts, {
    workspaceId: topped.workspaceId,
    kind: "wallet.top_up",
    data: {
      topup_id: topped.topupId,
      provider: topped.provider,
      provider_reference: topped.providerReference,
      amount_minor: topped.amountMinor,
      balance_minor: await walletBalanceMinor(tx, topped.workspaceId),
      transaction_id: topped.transactionId,
    },
  });
}
