import { updateWorkspace } from "../../engine/store/workspaces.ts";
import { walletView } from "../../engine/wallet/wallet.ts";
import { changes } from "../route.ts";
import { patchWalletBody, walletBody, walletSchema } from "../schemas/wallet.ts";

export const patchWallet = changes({
  method: "patch",
  path: "/v1/wallet",
  operationId: "patchWallet",
  tag: "Wallet",
  summary: "Say what becomes of running calls when the money ends",
  description:
    "`continue` (the default): a running call goes on and may leave the balance slightly negative. `hangup`: the " +
    "switch itself ends the calls when the money ends, within two seconds. It applies to running calls at once.",
  scope: "wallet.write",
  body: patchWalletBody,
  responses: { 200: { description: "The wallet as it is now.", schema: walletSchema } },
  errors: [],
  async change(tx, { parts, caller, body }) {
    const { id } = caller.workspace;
    const { on_zero_balance: onZeroBalance } = body;
    await updateWorkspace(tx, id, { onZeroBalance });
    await parts.calls.moneyChanged(tx, id);
    const wallet = await walletView(tx, id, parts.clock.nowUs());
    const changed = {
      subject: id,
      before: { on_zero_balance: caller.workspace.onZeroBalance },
      after: { on_zero_balance: wallet.onZeroBalance },
    };
    return { status: 200, body: walletBody(id, wallet, parts.paybill), changed };
  },
});
