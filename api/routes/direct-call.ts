import { z } from "zod";
import { callIdOf } from "../call-pages.ts";
import { noteRefused } from "../refused-calls.ts";
import { changes } from "../route.ts";
import { voiceDocument } from "../schemas/call.ts";
import { pathId } from "../schemas/text.ts";
import { checkSockets } from "../socket-urls.ts";
import { checkCallbacks } from "../callback-urls.ts";

export const directCall = changes({
  method: "post",
  path: "/v1/calls/{id}/actions",
  operationId: "directCall",
  tag: "Calls",
  summary: "Have a running call do something else",
  description:
    "What the call is doing is dropped, a talk with somebody it dialled too, and this document runs; on a call that is not " +
    "answered yet, at its answer. Of two at once the later one stays.",
  scope: "calls.write",
  params: pathId("call", "call"),
  body: z.strictObject({ actions: voiceDocument }),
  responses: {
    202: {
      description: "It takes the document up.",
      schema: z.strictObject({ call_id: z.string() }),
    },
  },
  errors: [
    "calls.not_found",
    "calls.not_live",
    "calls.caller_id_not_owned",
    "calls.destination_not_allowed",
    "calls.destination_refused",
    "calls.rate_too_high",
    "sip.destination_not_allowed",
    "webhooks.url_not_allowed",
    "workspace.frozen",
  ],
  async prepare({ parts, body }) {
    await checkSockets(parts, body.actions);
    await checkCallbacks(parts, body.actions);
  },
  async change(tx, { parts, caller, params, body }) {
    const id = callIdOf(params.id);
    await parts.calls.direct(tx, caller.workspace.id, id, body.actions);
    return { status: 202, body: { call_id: id } };
  },
  refused: (error, { parts, caller, params }) =>
    noteRefused(parts, error, {
      ...{ workspaceId: caller.workspace.id, from: null, to: null },
      callId: callIdOf(params.id),
    }),
});
