import { firstPostedAtMs } from "../../engine/store/wallet-spans.ts";
import { monthAfter, monthOf } from "../../engine/east-africa-time.ts";
import { listSchema } from "../cursor.ts";
import { answers } from "../route.ts";
import { statementSummarySchema } from "../schemas/statement.ts";

export const listStatements = answers({
  method: "get",
  path: "/v1/wallet/statements",
  operationId: "listStatements",
  tag: "Wallet",
  summary: "The months that have a statement, newest first",
  description: "From the month in which the wallet was first moved to the running one; all of them at once.",
  scope: "wallet.read",
  responses: { 200: { description: "The months.", schema: listSchema(statementSummarySchema) } },
  errors: [],
  async answer({ parts, caller }) {
    const running = monthOf(parts.clock.nowMs());
    const firstMs = await parts.store.read((tx) => firstPostedAtMs(tx, caller.workspace.id));
    const data: { month: string; status: string }[] = [];
    if (firstMs !== undefined)
      for (let month = monthOf(firstMs); month <= running; month = monthAfter(month))
        data.unshift({ month, status: month === running ? "provisional" : "final" });
    return { status: 200, body: { data, next_cursor: null } };
  },
});
