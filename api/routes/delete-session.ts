import { endSession } from "../end-session.ts";
import { changesPerson } from "../route.ts";
import { noSessionCookie } from "../session-cookie.ts";

export const deleteSession = changesPerson({
  method: "delete",
  path: "/v1/session",
  operationId: "deleteSession",
  tag: "People",
  summary: "Sign out",
  scope: null,
  responses: {
    204: { description: "You are.", schema: null, headers: { "Set-Cookie": "Takes the cookie away." } },
  },
  errors: [],
  async change(tx, request) {
    await endSession(tx, request, request.person.session.id, "deleteSession");
    return { status: 204, headers: { "Set-Cookie": noSessionCookie(request.parts.publicUrl()) } };
  },
});
