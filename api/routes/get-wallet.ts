import { walletView } from "../../engine/wallet/wallet.ts";
import { answers } from "../route.ts";
import { walletSchema } from "../schemas/wallet.ts";

const at = (path: string, operationId: string) =>
  answers({
    method: "get",
    path,
    operationId,
    tag: "Wallet",
    summary: "The wallet, as of this second",
    scope: "wallet.read",
    responses: { 200: { description: "The wallet.", schema: walletSchema } },
    errors: [],
    async answer({ parts, caller }) {
      const nowUs = parts.clock.nowUs();
      const wallet = await parts.store.read((tx) => walletView(tx, caller.workspace.id, nowUs));
      const body = {
        workspace_id: caller.workspace.id,
        currency: wallet.currency,
        balance_minor: wallet.balanceMinor,
        accrued_minor: wallet.accruedMinor,
        available_minor: wallet.availableMinor,
        active_calls: wallet.activeCalls,
        low_balance_threshold_minor: wallet.lowBalanceThresholdMinor,
        on_zero_balance: wallet.onZeroBalance,
        mpesa_account_ref: wallet.mpesaAccountRef,
        paybill: parts.paybill,
      };
      return { status: 200, body };
    },
  });

export const getWallet = at("/v1/wallet", "getWallet");
export const getWalletBalance = at("/v1/wallet/balance", "getWalletBalance");
