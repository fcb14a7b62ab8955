import { z } from "zod";
import { SautikitError } from "../../engine/errors.ts";
import { changes } from "../route.ts";
import { exportSchema, exportView, personsNumber } from "../schemas/privacy.ts";

export const createExport = changes({
  method: "post",
  path: "/v1/privacy/exports",
  operationId: "createExport",
  tag: "Privacy",
  summary: "Put together what is held of a person, by phone number",
  description:
    "A ZIP with JSON of calls, events and recordings, and the audio; made in the background. Beside `recordings.read` a key needs " +
    "`calls.read`. The number itself is in no answer.",
  scope: "recordings.read",
  role: "admin",
  body: z.strictObject({ phone_e164: personsNumber }),
  responses: { 202: { description: "It is being made.", schema: exportSchema } },
  errors: ["privacy.own_number"],
  async change(tx, { parts, caller, body }) {
    if (!caller.scopes.includes("calls.read"))
      throw new SautikitError("auth.scope", "This needs a key with the scope calls.read, too.");
    const asked = { workspaceId: caller.workspace.id, e164: body.phone_e164, requestedBy: caller.by.id };
    const after = exportView(await parts.exports.request(tx, asked));
    return { status: 202, body: after, changed: { subject: after.id, before: null, after } };
  },
});
