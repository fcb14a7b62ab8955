import { z } from "zod";
import { rfc3339Seconds } from "../../engine/clock.ts";
import { transactions } from "../../engine/wallet/wallet.ts";
import { cursorOf, listSchema, pageQuery, placeOf } from "../cursor.ts";
import { answers } from "../route.ts";
import { queryTime } from "../schemas/query.ts";
import { queryKinds, transactionSchema } from "../schemas/wallet.ts";

export const listTransactions = answers({
  method: "get",
  path: "/v1/wallet/transactions",
  operationId: "listTransactions",
  tag: "Wallet",
  summary: "What moved the wallet, newest first",
  scope: "wallet.read",
  query: z.strictObject({
    ...pageQuery,
    kind: queryKinds.optional(),
    from: queryTime.optional().meta({ description: "At or after this." }),
    to: queryTime.optional().meta({ description: "Before this." }),
  }),
  responses: { 200: { description: "A page of transactions.", schema: listSchema(transactionSchema) } },
  errors: [],
  async answer({ parts, caller, query }) {
    const page = { limit: query.limit, after: placeOf("txn", query.cursor) };
    const filter = { kinds: query.kind, fromMs: query.from, toMs: query.to };
    const found = await parts.store.read((tx) => transactions(tx, caller.workspace.id, page, filter));
    const data = found.transactions.map((transaction) => ({
      id: transaction.id,
      kind: transaction.kind,
      amount_minor: transaction.amountMinor,
      balance_after_minor: transaction.balanceAfterMinor,
      reference: transaction.reference,
      description: transaction.description,
      created_at: rfc3339Seconds(transaction.createdAtMs),
    }));
    return { status: 200, body: { data, next_cursor: cursorOf(found.nextAfter) } };
  },
});
