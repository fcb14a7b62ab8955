import { z } from "zod";
import { changes } from "../route.ts";
import { emailField, invitationSchema, invitationView, role } from "../schemas/people.ts";

export const createInvitation = changes({
  method: "post",
  path: "/v1/invitations",
  operationId: "createInvitation",
  tag: "People",
  summary: "Invite somebody by mail",
  description:
    "The link works once, for 7 days; a second invitation of the same address revokes the first. To invite an owner takes an owner. " +
    "Once whoever invited is removed, or may not invite any more, or their key is revoked, the invitation is revoked, too. A hundred " +
    "go out in a day for a workspace, and for one person in all of theirs, and five to an address.",
  scope: "keys.manage",
  role: "admin",
  body: z.strictObject({ email: emailField, role }),
  responses: { 201: { description: "It is on its way.", schema: invitationSchema } },
  errors: ["invitations.already_member", "invitations.too_many", "invitations.address_limit"],
  async change(tx, { parts, caller, body }) {
    const made = await parts.invitations.invite(tx, caller, body);
    const after = invitationView(made, parts.clock.nowMs());
    return { status: 201, body: after, changed: { subject: made.id, before: null, after } };
  },
});
