import { z } from "zod";
import { SautikitError } from "../../engine/errors.ts";
import { isId } from "../../engine/ids.ts";
import { changeRole } from "../../engine/people/members.ts";
import { changes } from "../route.ts";
import { memberSchema, memberView, role } from "../schemas/people.ts";
import { pathId } from "../schemas/text.ts";

export const patchMember = changes({
  method: "patch",
  path: "/v1/members/{id}",
  operationId: "patchMember",
  tag: "People",
  summary: "Give a member another role",
  description: "To make an owner, or an owner something else, takes an owner. The last owner stays one.",
  scope: "keys.manage",
  role: "admin",
  params: pathId("usr", "member"),
  body: z.strictObject({ role }),
  responses: { 200: { description: "The member as it is now.", schema: memberSchema } },
  errors: ["members.not_found", "members.last_owner"],
  async change(tx, { parts, caller, params, body }) {
    if (!isId("usr", params.id)) throw new SautikitError("members.not_found");
    const { before, after } = await changeRole(tx, caller, params.id, body.role, parts.clock.nowMs());
    const changed = { subject: params.id, before: memberView(before), after: memberView(after) };
    return { status: 200, body: changed.after, changed };
  },
});
