import { steadyUs } from "../../engine/clock.ts";
import { walletView } from "../../engine/wallet/wallet.ts";
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
      const { id } = caller.workspace;
      const wallet = await parts.store.read((tx) => walletView(tx, id, steadyUs(parts.clock)));
      return { status: 200, body: walletBody(id, wallet, parts.paybill) };
    },
  });

export const getWallet = at("/v1/wallet", "getWallet");
export const getWalletBalance = at("/v1/wallet/balance", "getWalletBalance");
