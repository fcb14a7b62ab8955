import { SautikitError } from "../../engine/errors.ts";
import { isId } from "../../engine/ids.ts";
import { endSession } from "../end-session.ts";
import { changesPerson } from "../route.ts";
import { pathId } from "../schemas/text.ts";

export const revokeSession = changesPerson({
  method: "delete",
  path: "/v1/sessions/{id}",
  operationId: "revokeSession",
  tag: "People",
  summary: "End one of your sessions",
  scope: null,
  params: pathId("ses", "session"),
  responses: { 204: { description: "It is over.", schema: null } },
  errors: ["not_found"],
  async change(tx, request) {
    const { id } = request.params;
    if (!isId("ses", id) || !(await endSession(tx, request, id, "revokeSession")))
      throw new SautikitError("not_found", "You have no such session.");
    return { status: 204 };
  },
});
