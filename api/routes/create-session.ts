import { z } from "zod";
import { isOpen } from "../route.ts";
import { personSchema } from "../schemas/people.ts";
import { personView } from "../person-view.ts";
import { sessionCookie } from "../session-cookie.ts";

export const createSession = isOpen({
  method: "post",
  path: "/v1/sessions",
  operationId: "createSession",
  tag: "People",
  summary: "Sign in with the token of a mailed link",
  description: "Uses the link up. The session is in the cookie that comes with the answer, and nowhere else.",
  scope: null,
  body: z.strictObject({ token: z.string().max(100) }),
  responses: {
    201: {
      description: "Who you are, and where.",
      schema: personSchema,
      headers: { "Set-Cookie": "HttpOnly, SameSite=Lax, and Secure where PUBLIC_URL is https." },
    },
  },
  errors: ["sign_in.link_invalid", "sign_up.closed"],
  noIdempotencyKey:
    "the session's cookie is in one answer, of which nothing is kept. A repeat is refused, since the link was used; ask for another.",
  async change(tx, { parts, from, body }) {
    const { token, session, user } = await parts.signIn.useLink(tx, body.token, from);
    const cookie = sessionCookie(parts.publicUrl(), token);
    return { status: 201, headers: { "Set-Cookie": cookie }, body: await personView(tx, { session, user }) };
  },
});
