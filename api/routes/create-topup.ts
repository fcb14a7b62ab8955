import { changes } from "../route.ts";
import { askedTopUpSchema, askedTopUpView, createTopUpBody } from "../schemas/topup.ts";

export const createTopUp = changes({
  method: "post",
  path: "/v1/topups",
  operationId: "createTopUp",
  tag: "Wallet",
  summary: "Ask a phone for money by M-Pesa",
  description:
    "An STK push prompt arrives on the phone within seconds; its holder pays by entering their M-Pesa PIN. Look at the " +
    "top-up, or hear of `wallet.top_up`, to know when the money is there. One prompt is open on a phone at a time.",
  scope: "wallet.write",
  body: createTopUpBody,
  responses: { 202: { description: "Asked for, not paid.", schema: askedTopUpSchema } },
  errors: [
    "workspace.frozen",
    "topups.amount_out_of_range",
    "topups.phone_busy",
    "topups.rate_limit",
    "topups.unavailable",
  ],
  async change(tx, { parts, caller, body }) {
    const asked = { amountMinor: body.amount_minor, phone: body.phone_e164 };
    const created = await parts.topUps.create(tx, caller.workspace.id, asked);
    const topUp = askedTopUpView(created);
    return {
      status: 202,
      body: topUp,
      changed: { subject: created.id, before: null, after: topUp },
    };
  },
});
