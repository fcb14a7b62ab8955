import { answers } from "../route.ts";
import { walletBody, walletSchema } from "../schemas/wallet.ts";

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
      const body = await parts.store.read((tx) => walletBody(tx, parts, caller.workspace.id));
      return { status: 200, body };
    },
  });

export const getWallet = at("/v1/wallet", "getWallet");
export const getWalletBalance = at("/v1/wallet/balance", "getWalletBalance");
