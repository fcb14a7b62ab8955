import { z } from "zod";
import { requireCall, viewOfCall } from "../call-pages.ts";
import { answers } from "../route.ts";
import { callSchema } from "../schemas/call.ts";
import { pathId } from "../schemas/text.ts";

export const getCall = answers({
  method: "get",
  path: "/v1/calls/{id}",
  operationId: "getCall",
  tag: "Calls",
  summary: "Look at a call, with its legs and events",
  scope: "calls.read",
  params: pathId("call", "call"),
  responses: { 200: { description: "The call.", schema: z.strictObject({ call: callSchema }) } },
  errors: ["calls.not_found"],
  async answer({ parts, caller, params }) {
    const nowUs = parts.clock.nowUs();
    return parts.store.read(async (tx) => {
      const call = await requireCall(tx, caller.workspace.id, params.id);
      return { status: 200, body: { call: await viewOfCall(tx, call, nowUs) } };
    });
  },
});
