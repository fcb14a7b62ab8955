import { SautikitError } from "../../engine/errors.ts";
import { isId } from "../../engine/ids.ts";
import { requirePort } from "../../engine/numbers/ports.ts";
import { answers } from "../route.ts";
import { portSchema, portView } from "../schemas/port.ts";
import { pathId } from "../schemas/text.ts";

export const getPort = answers({
  method: "get",
  path: "/v1/ports/{id}",
  operationId: "getPort",
  tag: "Numbers",
  summary: "Look at a porting request",
  scope: "numbers.read",
  params: pathId("port", "request"),
  responses: { 200: { description: "The request.", schema: portSchema } },
  errors: ["ports.not_found"],
  async answer({ parts, caller, params }) {
    const { id } = params;
    if (!isId("port", id)) throw new SautikitError("ports.not_found");
    const port = await parts.store.read((tx) => requirePort(tx, caller.workspace.id, id));
    return { status: 200, body: portView(port) };
  },
});
