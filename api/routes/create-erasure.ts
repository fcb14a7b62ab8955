import { z } from "zod";
import { changes } from "../route.ts";
import { erasureSchema, erasureView, personsNumber } from "../schemas/privacy.ts";

export const createErasure = changes({
  method: "post",
  path: "/v1/privacy/erasures",
  operationId: "createErasure",
  tag: "Privacy",
  summary: "Erase a person, by phone number",
  description:
    "For good: recordings are deleted, and seen to be gone; events, labels and webhook bodies of their calls are emptied; where " +
    "their number stood, a pseudonym stands. Money, times and causes stay. Refused while a call with the number is under way. Done " +
    "in the background: the erasure is its receipt.",
  scope: "keys.manage",
  role: "owner",
  body: z.strictObject({ phone_e164: personsNumber }),
  responses: {
    202: {
      description: "It is being done; of a number that is being erased, that erasure.",
      schema: erasureSchema,
    },
  },
  errors: ["privacy.own_number", "privacy.call_is_live"],
  async change(tx, { parts, caller, body }) {
    const asked = { workspaceId: caller.workspace.id, e164: body.phone_e164, requestedBy: caller.by.id };
    const after = erasureView(await parts.erasures.request(tx, asked));
    return { status: 202, body: after, changed: { subject: after.id, before: null, after } };
  },
});
