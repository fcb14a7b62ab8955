import { sessionIdleMs } from "../../engine/people/sign-in.ts";
import { sessionsOf } from "../../engine/store/sessions.ts";
import { listSchema } from "../cursor.ts";
import { answersPerson } from "../route.ts";
import { sessionSchema, sessionView } from "../schemas/people.ts";

export const listSessions = answersPerson({
  method: "get",
  path: "/v1/sessions",
  operationId: "listSessions",
  tag: "People",
  summary: "Where you are signed in, newest first",
  scope: null,
  responses: {
    200: { description: "All of them, on one page: a hundred at most.", schema: listSchema(sessionSchema) },
  },
  errors: [],
  async answer({ parts, person }) {
    const nowMs = parts.clock.nowMs();
    const rows = await parts.store.read((tx) => sessionsOf(tx, person.user.id, nowMs - sessionIdleMs, nowMs));
    const data = rows.map((row) => sessionView(row, person.session.id));
    return { status: 200, body: { data, next_cursor: null } };
  },
});
