import { z } from "zod";
import { invitationsOf } from "../../engine/store/invitations.ts";
import { listSchema, page, pageQuery, placeOf } from "../cursor.ts";
import { answers } from "../route.ts";
import { invitationSchema, invitationView } from "../schemas/people.ts";

export const listInvitations = answers({
  method: "get",
  path: "/v1/invitations",
  operationId: "listInvitations",
  tag: "People",
  summary: "List invitations, newest first, those that are over too",
  scope: "keys.manage",
  role: "admin",
  query: z.strictObject(pageQuery),
  responses: { 200: { description: "A page of invitations.", schema: listSchema(invitationSchema) } },
  errors: [],
  async answer({ parts, caller, query }) {
    const { limit } = query;
    const before = placeOf("ivt", query.cursor);
    const rows = await parts.store.read((tx) =>
      invitationsOf(tx, caller.workspace.id, { limit: limit + 1, before }),
    );
    const nowMs = parts.clock.nowMs();
    return { status: 200, body: page(rows, limit, (row) => invitationView(row, nowMs)) };
  },
});
