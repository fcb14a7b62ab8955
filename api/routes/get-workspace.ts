import { answers } from "../route.ts";
import { workspaceSchema, workspaceView } from "../schemas/workspace.ts";

export const getWorkspace = answers({
  method: "get",
  path: "/v1/workspace",
  operationId: "getWorkspace",
  tag: "Workspace",
  summary: "The key's workspace, with its limits",
  scope: "calls.read",
  responses: { 200: { description: "The workspace.", schema: workspaceSchema } },
  errors: [],
  answer: ({ caller }) => Promise.resolve({ status: 200, body: workspaceView(caller.workspace) }),
});
