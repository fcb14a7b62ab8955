import { SautikitError } from "../../engine/errors.ts";
import { isId } from "../../engine/ids.ts";
import { changes } from "../route.ts";
import { invitationView } from "../schemas/people.ts";
import { pathId } from "../schemas/text.ts";

export const deleteInvitation = changes({
  method: "delete",
  path: "/v1/invitations/{id}",
  operationId: "deleteInvitation",
  tag: "People",
  summary: "Revoke an invitation",
  description: "Again: changes nothing.",
  scope: "keys.manage",
  role: "admin",
  params: pathId("ivt", "invitation"),
  responses: { 204: { description: "Its link does nothing any more.", schema: null } },
  errors: ["invitations.not_found", "invitations.accepted"],
  async change(tx, { parts, caller, params }) {
    if (!isId("ivt", params.id)) throw new SautikitError("invitations.not_found");
    const { before, after } = await parts.invitations.revoke(tx, caller, params.id);
    const nowMs = parts.clock.nowMs();
    const changed = { before: invitationView(before, nowMs), after: invitationView(after, nowMs) };
    return { status: 204, changed: { subject: params.id, ...changed } };
  },
});
