import { z } from "zod";
import { invalidField, SautikitError } from "../../engine/errors.ts";
import { changes } from "../route.ts";
import { exportSchema, exportView, personsNumber } from "../schemas/privacy.ts";
import { timeField } from "../schemas/people.ts";

export const createExport = changes({
  method: "post",
  path: "/v1/privacy/exports",
  operationId: "createExport",
  tag: "Privacy",
  summary: "Put together what is held of a person, by phone number",
  description:
    "A ZIP with JSON of calls, events and recordings, and the audio; made in the background. Beside `recordings.read` a key needs " +
    "`calls.read`. The number itself is in no answer. One ZIP holds 10,000 calls and 4 GB at most: of more, ask for parts.",
  scope: "recordings.read",
  role: "admin",
  body: z.strictObject({
    phone_e164: personsNumber,
    from: timeField
      .optional()
      .meta({ description: "Of calls created from then on. Default: from the first." }),
    to: timeField.optional().meta({ description: "Of calls created before then. Default: to the last." }),
  }),
  responses: { 202: { description: "It is being made.", schema: exportSchema } },
  errors: ["privacy.own_number"],
  async change(tx, { parts, caller, body }) {
    if (!caller.scopes.includes("calls.read"))
      throw new SautikitError("auth.scope", "This needs a key with the scope calls.read, too.");
    const { phone_e164: e164, from: fromMs = null, to: toMs = null } = body;
    if (fromMs !== null && toMs !== null && toMs <= fromMs)
      throw invalidField("to", "range", "must be later than `from`");
    const asked = { workspaceId: caller.workspace.id, e164, fromMs, toMs, requestedBy: caller.by.id };
    const after = exportView(await parts.exports.request(tx, asked));
    return { status: 202, body: after, changed: { subject: after.id, before: null, after } };
  },
});
