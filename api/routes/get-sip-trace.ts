import { sipMessageView } from "../../engine/calls/call-view.ts";
import { sipMessagesOfCall } from "../../engine/store/sip-messages.ts";
import { requireCall } from "../call-pages.ts";
import { z } from "zod";
import { listSchema, page, pageQuery, placeOf } from "../cursor.ts";
import { answers } from "../route.ts";
import { sipMessageSchema } from "../schemas/call.ts";
import { pathId } from "../schemas/text.ts";

export const getSipTrace = answers({
  method: "get",
  path: "/v1/calls/{id}/sip-trace",
  operationId: "getSipTrace",
  tag: "Calls",
  summary: "The SIP messages of a call, oldest first: in the order in which they went over the wire",
  scope: "calls.read",
  params: pathId("call", "call"),
  query: z.strictObject(pageQuery),
  responses: {
    200: {
      description:
        "None where the operator keeps none (`SIP_TRACE`), or not for so long. One comes up to a second after it was sent, so " +
        "that the pages of a call that goes on may lack one which those read later have.",
      schema: listSchema(sipMessageSchema),
    },
  },
  errors: ["calls.not_found"],
  async answer({ parts, caller, params, query }) {
    return parts.store.read(async (tx) => {
      const call = await requireCall(tx, caller.workspace.id, params.id);
      const after = placeOf("sipm", query.cursor);
      const messages = await sipMessagesOfCall(tx, call.id, query.limit + 1, after);
      return { status: 200, body: page(messages, query.limit, sipMessageView) };
    });
  },
});
