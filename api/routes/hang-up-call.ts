import { z } from "zod";
import { callIdOf } from "../call-pages.ts";
import { changes } from "../route.ts";
import { pathId } from "../schemas/text.ts";

export const hangUpCall = changes({
  method: "post",
  path: "/v1/calls/{id}/hangup",
  operationId: "hangUpCall",
  tag: "Calls",
  summary: "End a call, whatever it is doing",
  description: "Again, or on a call that has ended: changes nothing and answers the same.",
  scope: "calls.write",
  params: pathId("call", "call"),
  responses: {
    200: {
      description: "The call has ended, or is about to.",
      schema: z.strictObject({ call_id: z.string(), status: z.literal("hung_up") }),
    },
  },
  errors: ["calls.not_found"],
  async change(tx, { parts, caller, params }) {
    const id = callIdOf(params.id);
    await parts.calls.hangUp(tx, caller.workspace.id, id);
    return { status: 200, body: { call_id: id, status: "hung_up" } };
  },
});
