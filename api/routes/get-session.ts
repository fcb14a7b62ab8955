import { answersPerson } from "../route.ts";
import { personSchema } from "../schemas/people.ts";
import { personView } from "../person-view.ts";

export const getSession = answersPerson({
  method: "get",
  path: "/v1/session",
  operationId: "getSession",
  tag: "People",
  summary: "Who is signed in, and in which workspaces",
  scope: null,
  responses: { 200: { description: "You.", schema: personSchema } },
  errors: [],
  answer: async ({ parts, person }) => ({
    status: 200,
    body: await parts.store.read((tx) => personView(tx, person)),
  }),
});
