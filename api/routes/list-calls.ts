import { z } from "zod";
import { callsOfWorkspace } from "../../engine/store/call-lists.ts";
import { viewsOfCalls } from "../call-pages.ts";
import { listSchema, page, pageQuery, placeOf } from "../cursor.ts";
import { answers } from "../route.ts";
import { callSchema, callStatuses, direction } from "../schemas/call.ts";
import { queryE164, queryTime } from "../schemas/query.ts";

const statuses = z
  .string()
  .transform((text) => text.split(","))
  .pipe(z.array(z.enum(callStatuses)).max(callStatuses.length))
  .meta({
    override: { type: "string" },
    description: "One or more statuses, with commas between.",
    examples: ["busy,no_answer"],
  });

export const listCalls = answers({
  method: "get",
  path: "/v1/calls",
  operationId: "listCalls",
  tag: "Calls",
  summary: "List calls, newest first",
  scope: "calls.read",
  query: z.strictObject({
    ...pageQuery,
    status: statuses.optional(),
    direction: direction.optional(),
    number: queryE164.optional().meta({ description: "Calls from or to this number." }),
    q: z
      .string()
      .min(1)
      .max(200)
      .optional()
      .meta({ description: "Part of an id, a number or a client_request_id." }),
    client_request_id: z.string().max(5000).optional(),
    from: queryTime.optional().meta({ description: "Created at or after this." }),
    to: queryTime.optional().meta({ description: "Created before this." }),
  }),
  responses: { 200: { description: "A page of calls.", schema: listSchema(callSchema) } },
  errors: [],
  async answer({ parts, caller, query }) {
    const nowUs = parts.clock.nowUs();
    const before = placeOf("call", query.cursor);
    const filter = {
      statuses: query.status,
      direction: query.direction,
      number: query.number,
      text: query.q,
      clientRequestId: query.client_request_id,
      fromMs: query.from,
      toMs: query.to,
    };
    return parts.store.read(async (tx) => {
      const calls = await callsOfWorkspace(tx, caller.workspace.id, filter, {
        limit: query.limit + 1,
        before,
      });
      return { status: 200, body: page(calls, query.limit, await viewsOfCalls(tx, calls, nowUs)) };
    });
  },
});
