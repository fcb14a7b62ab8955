import { SautikitError } from "../../engine/errors.ts";
import { isId } from "../../engine/ids.ts";
import { answers } from "../route.ts";
import { erasureSchema, erasureView } from "../schemas/privacy.ts";
import { pathId } from "../schemas/text.ts";

export const getErasure = answers({
  method: "get",
  path: "/v1/privacy/erasures/{id}",
  operationId: "getErasure",
  tag: "Privacy",
  summary: "The receipt of an erasure",
  scope: "keys.manage",
  role: "admin",
  params: pathId("ers", "erasure"),
  responses: { 200: { description: "What was erased, and when.", schema: erasureSchema } },
  errors: ["privacy.erasure_not_found"],
  async answer({ parts, caller, params }) {
    const { id } = params;
    if (!isId("ers", id)) throw new SautikitError("privacy.erasure_not_found");
    const row = await parts.store.read((tx) => parts.erasures.get(tx, caller.workspace.id, id));
    return { status: 200, body: erasureView(row) };
  },
});
