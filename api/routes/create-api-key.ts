import { z } from "zod";
import { makeKey } from "../../engine/people/keys.ts";
import { scopes } from "../../engine/workspaces/scopes.ts";
import { changes } from "../route.ts";
import { apiKeyView, newApiKeySchema, timeField, workspaceName } from "../schemas/people.ts";

export const createApiKey = changes({
  method: "post",
  path: "/v1/api-keys",
  operationId: "createApiKey",
  tag: "Keys",
  summary: "Make an API key, shown this once",
  description:
    "Nobody gives a key more than they have: neither scopes, nor, of a key that expires, a longer life. Without `scopes` it has all " +
    "but `keys.manage`.",
  scope: "keys.manage",
  role: "admin",
  body: z.strictObject({
    name: workspaceName,
    scopes: z.array(z.enum(scopes)).min(1).max(scopes.length).optional(),
    expires_at: timeField.optional(),
  }),
  responses: { 201: { description: "The key.", schema: newApiKeySchema } },
  errors: [],
  async change(tx, { parts, caller, body }) {
    const asked = {
      name: body.name,
      scopes: body.scopes && [...new Set(body.scopes)],
      expiresAtMs: body.expires_at,
    };
    const { row, key } = await makeKey(tx, parts.ids, caller, asked, parts.clock.nowMs());
    const after = apiKeyView(row);
    return { status: 201, body: after, secrets: { key }, changed: { subject: row.id, before: null, after } };
  },
});
