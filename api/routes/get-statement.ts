import { z } from "zod";
import { SautikitError } from "../../engine/errors.ts";
import { documentsOf } from "../../engine/store/invoices.ts";
import { firstPostedAtMs } from "../../engine/store/wallet-spans.ts";
import { monthOf } from "../../engine/east-africa-time.ts";
import { statementOf } from "../../engine/wallet/statement.ts";
import { csvReply } from "../csv.ts";
import { answers } from "../route.ts";
import { invalidField } from "../validation.ts";
import { statementBody, statementCsv, statementSchema } from "../schemas/statement.ts";

export const getStatement = answers({
  method: "get",
  path: "/v1/wallet/statements/{month}",
  operationId: "getStatement",
  tag: "Wallet",
  summary: "A month's statement, VAT apart",
  description:
    "`2026-07`: a month of East Africa Time. CSV by `Accept: text/csv`, or by `2026-07.csv`. The running month is `provisional`.",
  scope: "wallet.read",
  params: z.strictObject({ month: z.string().meta({ description: "`2026-07`, or `2026-07.csv`." }) }),
  responses: { 200: { description: "The statement.", schema: statementSchema, csv: true } },
  errors: ["wallet.statement_not_found"],
  async answer({ parts, caller, params, wantsCsv }) {
    const { id } = caller.workspace;
    const [, month = "", asCsv] = /^([0-9]{4}-(?:0[1-9]|1[0-2]))(\.csv)?$/.exec(params.month) ?? [];
    if (month === "") throw invalidField("month", "month", "must be a month, like 2026-07 or 2026-07.csv");
    const running = monthOf(parts.clock.nowMs());
    const firstMs = await parts.store.read((tx) => firstPostedAtMs(tx, id));
    if (month > running || firstMs === undefined || month < monthOf(firstMs))
      throw new SautikitError("wallet.statement_not_found", undefined, {
        fields: [{ field: "month", code: "month", message: "is not one with a statement" }],
      });
    const statement = await statementOf(parts.store, id, month);
    if (wantsCsv || asCsv !== undefined) return csvReply(`statement-${month}.csv`, statementCsv(statement));
    const documents = await parts.store.read((tx) => documentsOf(tx, id, month));
    const status = month === running ? "provisional" : "final";
    return { status: 200, body: statementBody(id, statement, status, documents) };
  },
});
