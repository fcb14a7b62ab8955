import { SautikitError } from "../../engine/errors.ts";
import { isId } from "../../engine/ids.ts";
import { answers } from "../route.ts";
import { pathId } from "../schemas/text.ts";
import { topUpSchema, topUpView } from "../schemas/topup.ts";

export const getTopUp = answers({
  method: "get",
  path: "/v1/topups/{id}",
  operationId: "getTopUp",
  tag: "Wallet",
  summary: "Look at a top-up",
  scope: "wallet.read",
  params: pathId("top", "top-up"),
  responses: { 200: { description: "The top-up as it is now.", schema: topUpSchema } },
  errors: ["topups.not_found"],
  async answer({ parts, caller, params: { id } }) {
    const found = isId("top", id)
      ? await parts.store.read((tx) => parts.topUps.get(tx, caller.workspace, id))
      : null;
    if (!found) throw new SautikitError("topups.not_found");
    return { status: 200, body: topUpView(found) };
  },
});
