import { eventView } from "../../engine/calls/call-view.ts";
import { eventsOfCall } from "../../engine/store/calls.ts";
import { requireCall } from "../call-pages.ts";
import { listSchema } from "../cursor.ts";
import { answers } from "../route.ts";
import { callEventSchema } from "../schemas/call.ts";
import { pathId } from "../schemas/text.ts";

export const listCallEvents = answers({
  method: "get",
  path: "/v1/calls/{id}/events",
  operationId: "listCallEvents",
  tag: "Calls",
  summary: "Every event of a call, oldest first",
  scope: "calls.read",
  params: pathId("call", "call"),
  responses: { 200: { description: "All of them, on one page.", schema: listSchema(callEventSchema) } },
  errors: ["calls.not_found"],
  async answer({ parts, caller, params }) {
    return parts.store.read(async (tx) => {
      const call = await requireCall(tx, caller.workspace.id, params.id);
      const events = await eventsOfCall(tx, call.id);
      return { status: 200, body: { data: events.map(eventView), next_cursor: null } };
    });
  },
});
