import { z } from "zod";
import { dayMs } from "../../engine/clock.ts";
import { transactionsCsv } from "../../engine/wallet/export.ts";
import { csvReply } from "../csv.ts";
import { answers } from "../route.ts";
import { queryTime } from "../schemas/query.ts";
import { queryKinds } from "../schemas/wallet.ts";
import { invalidField } from "../validation.ts";

const usualDays = 31;
const daysMax = 366;

export const exportTransactions = answers({
  method: "get",
  path: "/v1/wallet/transactions/export.csv",
  operationId: "exportTransactions",
  tag: "Wallet",
  summary: "What moved the wallet, as CSV, oldest first",
  description:
    "`created_at` is UTC, `created_at_nairobi` the same moment in East Africa Time; amounts are KES with two decimals. At most " +
    `${daysMax} days at a time; without \`from\` the ${usualDays} days before \`to\`, which is now where it is left out. Text that a ` +
    "spreadsheet would take for a formula begins with an apostrophe.",
  scope: "wallet.read",
  query: z.strictObject({
    kind: queryKinds.optional(),
    from: queryTime.optional().meta({ description: "At or after this." }),
    to: queryTime.optional().meta({ description: "Before this." }),
  }),
  responses: { 200: { description: "The transactions.", schema: null, csv: true } },
  errors: [],
  async answer({ parts, caller, query }) {
    const toMs = query.to ?? parts.clock.nowMs();
    const fromMs = query.from ?? toMs - usualDays * dayMs;
    if (fromMs > toMs) throw invalidField("from", "range", "must not be after `to`");
    if (toMs - fromMs > daysMax * dayMs)
      throw invalidField("from", "range", `must be at most ${daysMax} days before \`to\``);
    const kinds = query.kind ?? [];
    return csvReply(
      "transactions.csv",
      transactionsCsv(parts.store, caller.workspace.id, { span: { fromMs, toMs }, kinds }),
    );
  },
});
