import { steadyUs } from "../../engine/clock.ts";
import { changeWallet, walletView } from "../../engine/wallet/wallet.ts";
import { changes } from "../route.ts";
import { patchWalletBody, walletBody, walletChoicesBody, walletSchema } from "../schemas/wallet.ts";

export const patchWallet = changes({
  method: "patch",
  path: "/v1/wallet",
  operationId: "patchWallet",
  tag: "Wallet",
  summary: "Say who is told when money is short, and what becomes of running calls when it ends",
  description:
    "What is left out stays. `on_zero_balance`: `continue` (the default): a running call goes on and may leave the balance slightly negative. `hangup`: the " +
    "switch itself ends the calls when the money ends, within two seconds. It applies to running calls at once.",
  scope: "wallet.write",
  body: patchWalletBody,
  responses: { 200: { description: "The wallet as it is now.", schema: walletSchema } },
  errors: [],
  async change(tx, { parts, caller, body }) {
    const { id } = caller.workspace;
    const { before, after } = await changeWallet(tx, id, {
      lowBalanceThresholdMinor: body.low_balance_threshold_minor,
      alertEmails: body.alert_emails,
      onZeroBalance: body.on_zero_balance,
      taxPin: body.tax_pin,
    });
    await parts.calls.moneyChanged(tx, id);
    const wallet = await walletView(tx, id, steadyUs(parts.clock));
    const changed = { subject: id, before: walletChoicesBody(before), after: walletChoicesBody(after) };
    return { status: 200, body: walletBody(id, wallet, parts.paybill), changed };
  },
});
