import { z } from "zod";
import { digitsToSend } from "../../engine/actions/send-digits.ts";
import { callIdOf } from "../call-pages.ts";
import { changes } from "../route.ts";
import { pathId } from "../schemas/text.ts";

export const sendDigits = changes({
  method: "post",
  path: "/v1/calls/{id}/digits",
  operationId: "sendDigits",
  tag: "Calls",
  summary: "Send DTMF to the call's party",
  description: "As RFC 4733 events, beside whatever the call is doing. Sent once: a repetition sends again.",
  scope: "calls.write",
  params: pathId("call", "call"),
  body: z.strictObject({ digits: digitsToSend }),
  responses: {
    202: { description: "They are on their way.", schema: z.strictObject({ call_id: z.string() }) },
  },
  errors: ["calls.not_found", "calls.not_live"],
  async change(tx, { parts, caller, params, body }) {
    const id = callIdOf(params.id);
    await parts.calls.sendDigits(tx, caller.workspace.id, id, body.digits);
    return { status: 202, body: { call_id: id } };
  },
});
