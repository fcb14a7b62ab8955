import { SautikitError } from "../../engine/errors.ts";
import { isId } from "../../engine/ids.ts";
import { releaseNumber } from "../../engine/numbers/claims.ts";
import { rentAt } from "../../engine/numbers/rent.ts";
import { changes } from "../route.ts";
import { numberView } from "../schemas/number.ts";
import { pathId } from "../schemas/text.ts";

export const releaseNumberRoute = changes({
  method: "delete",
  path: "/v1/numbers/{id}",
  operationId: "releaseNumber",
  tag: "Numbers",
  summary: "Release a number, for good",
  description:
    "Its live calls go on; calls to it and from it are refused from here on. The month that was paid is not given back. " +
    "After 30 days anybody may claim it. Its calls, recordings and events stay. Done twice, it is done once.",
  scope: "numbers.write",
  params: pathId("num", "number"),
  responses: { 204: { description: "It is released.", schema: null } },
  errors: ["numbers.not_found"],
  async change(tx, { parts, caller, params }) {
    if (!isId("num", params.id)) throw new SautikitError("numbers.not_found");
    const released = await releaseNumber(tx, parts.numbers, caller.workspace.id, params.id, "requested");
    if (!released) return { status: 204 };
    const rent = await rentAt(tx, parts.clock.nowMs());
    const { before, after } = released;
    return {
      status: 204,
      changed: { subject: params.id, before: numberView(before, rent), after: numberView(after, rent) },
    };
  },
});
