import { SautikitError } from "../../engine/errors.ts";
import { isId } from "../../engine/ids.ts";
import { rentAt } from "../../engine/numbers/rent.ts";
import { numberById } from "../../engine/store/numbers.ts";
import { answers } from "../route.ts";
import { numberSchema, numberView } from "../schemas/number.ts";
import { pathId } from "../schemas/text.ts";

export const getNumber = answers({
  method: "get",
  path: "/v1/numbers/{id}",
  operationId: "getNumber",
  tag: "Numbers",
  summary: "Look at a number, also one that was released",
  scope: "numbers.read",
  params: pathId("num", "number"),
  responses: { 200: { description: "The number.", schema: numberSchema } },
  errors: ["numbers.not_found"],
  async answer({ parts, caller, params }) {
    const { id } = params;
    if (!isId("num", id)) throw new SautikitError("numbers.not_found");
    const { row, rent } = await parts.store.read(async (tx) => ({
      row: await numberById(tx, id),
      rent: await rentAt(tx, parts.clock.nowMs()),
    }));
    if (row?.workspaceId !== caller.workspace.id) throw new SautikitError("numbers.not_found");
    return { status: 200, body: numberView(row, rent) };
  },
});
