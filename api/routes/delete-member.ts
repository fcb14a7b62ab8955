import { SautikitError } from "../../engine/errors.ts";
import { isId } from "../../engine/ids.ts";
import { removeMember } from "../../engine/people/members.ts";
import { changes } from "../route.ts";
import { memberView } from "../schemas/people.ts";
import { pathId } from "../schemas/text.ts";

export const deleteMember = changes({
  method: "delete",
  path: "/v1/members/{id}",
  operationId: "deleteMember",
  tag: "People",
  summary: "Remove a member, or leave",
  description:
    "Anybody may leave but the last owner; to remove an owner takes an owner. Their sessions reach the workspace no more, from " +
    "that moment on; keys that they made stay, since those are the workspace's.",
  scope: "keys.manage",
  role: "member",
  params: pathId("usr", "member"),
  responses: { 204: { description: "They are out.", schema: null } },
  errors: ["members.not_found", "members.last_owner"],
  async change(tx, { parts, caller, params }) {
    if (!isId("usr", params.id)) throw new SautikitError("members.not_found");
    const before = memberView(await removeMember(tx, caller, params.id, parts.clock.nowMs()));
    return { status: 204, changed: { subject: params.id, before, after: null } };
  },
});
