import { z } from "zod";
import { SautikitError } from "../../engine/errors.ts";
import { isId } from "../../engine/ids.ts";
import { memberById } from "../../engine/store/members.ts";
import { chooseWorkspace } from "../../engine/store/sessions.ts";
import { changesPerson } from "../route.ts";
import { personSchema } from "../schemas/people.ts";
import { personView } from "../person-view.ts";

export const patchSession = changesPerson({
  method: "patch",
  path: "/v1/session",
  operationId: "patchSession",
  tag: "People",
  summary: "Go to another of your workspaces",
  scope: null,
  body: z.strictObject({ workspace_id: z.string().max(64) }),
  responses: { 200: { description: "You, and where.", schema: personSchema } },
  errors: ["auth.no_workspace"],
  async change(tx, { person, body }) {
    const { workspace_id: workspaceId } = body;
    if (!isId("ws", workspaceId) || !(await memberById(tx, workspaceId, person.user.id)))
      throw new SautikitError("auth.no_workspace");
    await chooseWorkspace(tx, person.session.id, workspaceId);
    const session = { ...person.session, workspaceId };
    return { status: 200, body: await personView(tx, { ...person, session }) };
  },
});
