import { SautikitError } from "../../engine/errors.ts";
import { isId } from "../../engine/ids.ts";
import { revokeKey } from "../../engine/people/keys.ts";
import { changes } from "../route.ts";
import { apiKeyView } from "../schemas/people.ts";
import { pathId } from "../schemas/text.ts";

export const deleteApiKey = changes({
  method: "delete",
  path: "/v1/api-keys/{id}",
  operationId: "deleteApiKey",
  tag: "Keys",
  summary: "Revoke an API key",
  description: "It is refused from that moment on, and stays in the list. Again: changes nothing.",
  scope: "keys.manage",
  role: "admin",
  params: pathId("key", "key"),
  responses: { 204: { description: "It is revoked.", schema: null } },
  errors: ["api_keys.not_found"],
  async change(tx, { parts, caller, params }) {
    if (!isId("key", params.id)) throw new SautikitError("api_keys.not_found");
    const { before, after } = await revokeKey(tx, caller, params.id, parts.clock.nowMs());
    const changed = { subject: params.id, before: apiKeyView(before), after: apiKeyView(after) };
    return { status: 204, changed };
  },
});
