import { z } from "zod";
import { eventView } from "../../engine/calls/call-view.ts";
import { eventsPage } from "../../engine/store/calls.ts";
import { eventsShownMax, requireCall } from "../call-pages.ts";
import { listSchema, page, pageQuery, placeOf } from "../cursor.ts";
import { answers } from "../route.ts";
import { callEventSchema } from "../schemas/call.ts";
import { pathId } from "../schemas/text.ts";

export const listCallEvents = answers({
  method: "get",
  path: "/v1/calls/{id}/events",
  operationId: "listCallEvents",
  tag: "Calls",
  summary: "Every event of a call, oldest first",
  description: "Up to 500 at once, which are all of most calls.",
  scope: "calls.read",
  params: pathId("call", "call"),
  query: z.strictObject({ cursor: pageQuery.cursor }),
  responses: { 200: { description: "A page of them.", schema: listSchema(callEventSchema) } },
  errors: ["calls.not_found"],
  async answer({ parts, caller, params, query }) {
    return parts.store.read(async (tx) => {
      const call = await requireCall(tx, caller.workspace.id, params.id);
      const after = placeOf("evt", query.cursor);
      const events = await eventsPage(tx, call.id, eventsShownMax + 1, after);
      return { status: 200, body: page(events, eventsShownMax, eventView) };
    });
  },
});
