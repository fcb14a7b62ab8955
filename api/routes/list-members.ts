import { z } from "zod";
import { membersOf } from "../../engine/store/members.ts";
import { listSchema, page, pageQuery, placeOf } from "../cursor.ts";
import { answers } from "../route.ts";
import { memberSchema, memberView } from "../schemas/people.ts";

export const listMembers = answers({
  method: "get",
  path: "/v1/members",
  operationId: "listMembers",
  tag: "People",
  summary: "Who is in the workspace, the newest accounts first",
  description:
    "By the age of the account, not of the membership: so a cursor stays right when somebody joins, leaves or comes back.",
  scope: "keys.manage",
  role: "member",
  query: z.strictObject(pageQuery),
  responses: { 200: { description: "A page of members.", schema: listSchema(memberSchema) } },
  errors: [],
  async answer({ parts, caller, query }) {
    const { limit } = query;
    const before = placeOf("usr", query.cursor);
    const rows = await parts.store.read((tx) =>
      membersOf(tx, caller.workspace.id, { limit: limit + 1, before }),
    );
    const found = rows.map((row) => ({ ...row, id: row.userId }));
    return { status: 200, body: page(found, limit, memberView) };
  },
});
