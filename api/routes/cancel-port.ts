import { SautikitError } from "../../engine/errors.ts";
import { isId } from "../../engine/ids.ts";
import { cancelPort } from "../../engine/numbers/ports.ts";
import { changes } from "../route.ts";
import { portSchema, portView } from "../schemas/port.ts";
import { pathId } from "../schemas/text.ts";

export const cancelPortRoute = changes({
  method: "post",
  path: "/v1/ports/{id}/cancel",
  operationId: "cancelPort",
  tag: "Numbers",
  summary: "Cancel a porting request",
  description: "While it is submitted, in review or scheduled. The number stays where it is.",
  scope: "numbers.claim",
  params: pathId("port", "request"),
  responses: { 200: { description: "The request, canceled.", schema: portSchema } },
  errors: ["ports.not_found", "ports.closed"],
  async change(tx, { parts, caller, params }) {
    if (!isId("port", params.id)) throw new SautikitError("ports.not_found");
    const { before, after } = await cancelPort(tx, parts.numbers, caller.workspace.id, params.id);
    const view = portView(after);
    return {
      status: 200,
      body: view,
      changed: { subject: params.id, before: portView(before), after: view },
    };
  },
});
