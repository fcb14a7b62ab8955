import { SautikitError } from "../../engine/errors.ts";
import { isId } from "../../engine/ids.ts";
import { requirePort } from "../../engine/numbers/ports.ts";
import { answers } from "../route.ts";
import { pathId } from "../schemas/text.ts";

export const getPortDocument = answers({
  method: "get",
  path: "/v1/ports/{id}/document",
  operationId: "getPortDocument",
  tag: "Numbers",
  summary: "Fetch what was uploaded",
  description: "A redirect to a link that lives for an hour and asks for no key.",
  scope: "numbers.read",
  params: pathId("port", "request"),
  responses: {
    302: {
      description: "The file is at `Location`.",
      schema: null,
      headers: { Location: "The presigned link." },
    },
  },
  errors: ["ports.not_found"],
  async answer({ parts, caller, params }) {
    const { id } = params;
    if (!isId("port", id)) throw new SautikitError("ports.not_found");
    const port = await parts.store.read((tx) => requirePort(tx, caller.workspace.id, id));
    const link = await parts.portDocuments.link(port);
    if (link === null) throw new SautikitError("ports.not_found", "There is no document with this request.");
    return { status: 302, headers: { Location: link } };
  },
});
