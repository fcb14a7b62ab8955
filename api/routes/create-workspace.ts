import { z } from "zod";
import { SautikitError } from "../../engine/errors.ts";
import { openWorkspace } from "../../engine/people/sign-in.ts";
import { countOwned, keepUser } from "../../engine/store/members.ts";
import { workspaceById } from "../../engine/store/workspaces.ts";
import { changesPerson } from "../route.ts";
import { workspaceName } from "../schemas/people.ts";
import { workspaceSchema, workspaceView } from "../schemas/workspace.ts";

/** Of one person; the operator makes as many as they like. */
const ownedMax = 10;

export const createWorkspace = changesPerson({
  method: "post",
  path: "/v1/workspaces",
  operationId: "createWorkspace",
  tag: "People",
  summary: "Make another workspace, as its owner",
  scope: null,
  body: z.strictObject({ name: workspaceName }),
  responses: { 201: { description: "The workspace.", schema: workspaceSchema } },
  errors: ["workspaces.too_many", "sign_up.closed"],
  async change(tx, { parts, person, from, body }) {
    if (parts.signIn.signUp !== "open") throw new SautikitError("sign_up.closed");
    // So that two at once do not both find room for one.
    await keepUser(tx, person.user.id);
    if ((await countOwned(tx, person.user.id)) >= ownedMax) throw new SautikitError("workspaces.too_many");
    const made = await openWorkspace(tx, parts, person.user, body.name, from);
    const row = await workspaceById(tx, made.id);
    if (!row) throw new Error(`${made.id} was made, and is not there`);
    return { status: 201, body: workspaceView(row) };
  },
});
