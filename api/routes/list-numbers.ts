import { z } from "zod";
import { rentAt } from "../../engine/numbers/rent.ts";
import { numbersOf } from "../../engine/store/numbers.ts";
import { listSchema, page, pageQuery, placeOf } from "../cursor.ts";
import { answers } from "../route.ts";
import { numberSchema, numberView } from "../schemas/number.ts";

export const listNumbers = answers({
  method: "get",
  path: "/v1/numbers",
  operationId: "listNumbers",
  tag: "Numbers",
  summary: "List the workspace's numbers, newest first",
  scope: "numbers.read",
  query: z.strictObject({
    status: z
      .enum(["held", "active", "suspended", "released"])
      .default("held")
      .meta({ description: "`held`: `active` and `suspended` ones. `released`: those that it had." }),
    ...pageQuery,
  }),
  responses: { 200: { description: "A page of numbers.", schema: listSchema(numberSchema) } },
  errors: [],
  async answer({ parts, caller, query }) {
    const { limit, cursor, status } = query;
    const statuses = status === "held" ? (["active", "suspended"] as const) : [status];
    const before = placeOf("num", cursor);
    const { rows, rent } = await parts.store.read(async (tx) => ({
      rows: await numbersOf(tx, caller.workspace.id, { statuses, limit: limit + 1, before }),
      rent: await rentAt(tx, parts.clock.nowMs()),
    }));
    return { status: 200, body: page(rows, limit, (row) => numberView(row, rent)) };
  },
});
