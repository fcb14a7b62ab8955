import { SautikitError } from "../../engine/errors.ts";
import { keepWorkspace, updateWorkspace, workspaceById } from "../../engine/store/workspaces.ts";
import { changes } from "../route.ts";
import { patchWorkspaceBody, workspaceSchema, workspaceView } from "../schemas/workspace.ts";

export const patchWorkspace = changes({
  method: "patch",
  path: "/v1/workspace",
  operationId: "patchWorkspace",
  tag: "Workspace",
  summary: "Change its name, where calls may go, or how long recordings are kept",
  description:
    "`allowed_countries` is an owner's to change, or a key's with the scope `keys.manage`, which counts as one.",
  scope: "recordings.delete",
  body: patchWorkspaceBody,
  responses: { 200: { description: "The workspace as it is now.", schema: workspaceSchema } },
  errors: [],
  async change(tx, { caller, body }) {
    // A leaked key that places calls must not be able to open more countries to itself.
    if (body.allowed_countries && !caller.scopes.includes("keys.manage")) {
      throw caller.by.kind === "user"
        ? new SautikitError("auth.role", "To change allowed_countries takes an owner.")
        : new SautikitError(
            "auth.scope",
            "To change allowed_countries takes a key with the scope keys.manage.",
          );
    }
    const { id } = caller.workspace;
    const countries = body.allowed_countries && JSON.stringify([...new Set(body.allowed_countries)]);
    // As it is now: others may have changed it since this one was let in.
    const before = workspaceView((await keepWorkspace(tx, id)) ?? caller.workspace);
    await updateWorkspace(tx, id, {
      name: body.name,
      allowedCountries: countries,
      recordingRetentionDays: body.recording_retention_days,
    });
    const after = workspaceView((await workspaceById(tx, id)) ?? caller.workspace);
    return { status: 200, body: after, changed: { subject: id, before, after } };
  },
});
