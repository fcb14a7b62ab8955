import { sipMessageView } from "../../engine/calls/call-view.ts";
import { sipMessagesOfCall } from "../../engine/store/sip-messages.ts";
import { requireCall } from "../call-pages.ts";
import { listSchema } from "../cursor.ts";
import { answers } from "../route.ts";
import { sipMessageSchema } from "../schemas/call.ts";
import { pathId } from "../schemas/text.ts";

export const getSipTrace = answers({
  method: "get",
  path: "/v1/calls/{id}/sip-trace",
  operationId: "getSipTrace",
  tag: "Calls",
  summary: "The SIP messages of a call, in the order in which they went over the wire",
  scope: "calls.read",
  params: pathId("call", "call"),
  responses: {
    200: {
      description:
        "All of them, on one page; none where the operator keeps none (`SIP_TRACE`), or not for so long. One comes up to a " +
        "second after it was sent.",
      schema: listSchema(sipMessageSchema),
    },
  },
  errors: ["calls.not_found"],
  async answer({ parts, caller, params }) {
    return parts.store.read(async (tx) => {
      const call = await requireCall(tx, caller.workspace.id, params.id);
      const messages = await sipMessagesOfCall(tx, call.id);
      return { status: 200, body: { data: messages.map(sipMessageView), next_cursor: null } };
    });
  },
});
