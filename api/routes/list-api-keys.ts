import { z } from "zod";
import { apiKeysPage } from "../../engine/store/workspaces.ts";
import { listSchema, page, pageQuery, placeOf } from "../cursor.ts";
import { answers } from "../route.ts";
import { apiKeySchema, apiKeyView } from "../schemas/people.ts";

export const listApiKeys = answers({
  method: "get",
  path: "/v1/api-keys",
  operationId: "listApiKeys",
  tag: "Keys",
  summary: "List API keys, newest first, those that are over too",
  scope: "keys.manage",
  role: "admin",
  query: z.strictObject(pageQuery),
  responses: { 200: { description: "A page of keys.", schema: listSchema(apiKeySchema) } },
  errors: [],
  async answer({ parts, caller, query }) {
    const { limit } = query;
    const before = placeOf("key", query.cursor);
    const rows = await parts.store.read((tx) =>
      apiKeysPage(tx, caller.workspace.id, { limit: limit + 1, before }),
    );
    return { status: 200, body: page(rows, limit, apiKeyView) };
  },
});
