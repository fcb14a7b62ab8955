import { SautikitError } from "../../engine/errors.ts";
import { isId } from "../../engine/ids.ts";
import { apiKeyById } from "../../engine/store/workspaces.ts";
import { answers } from "../route.ts";
import { apiKeySchema, apiKeyView } from "../schemas/people.ts";
import { pathId } from "../schemas/text.ts";

export const getApiKey = answers({
  method: "get",
  path: "/v1/api-keys/{id}",
  operationId: "getApiKey",
  tag: "Keys",
  summary: "Look at an API key",
  scope: "keys.manage",
  role: "admin",
  params: pathId("key", "key"),
  responses: { 200: { description: "All but the key itself.", schema: apiKeySchema } },
  errors: ["api_keys.not_found"],
  async answer({ parts, caller, params }) {
    const { id } = params;
    const row = isId("key", id)
      ? await parts.store.read((tx) => apiKeyById(tx, caller.workspace.id, id))
      : undefined;
    if (!row) throw new SautikitError("api_keys.not_found");
    return { status: 200, body: apiKeyView(row) };
  },
});
