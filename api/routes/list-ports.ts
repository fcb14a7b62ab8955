import { z } from "zod";
import { portsOf, portStatuses } from "../../engine/store/ports.ts";
import { listSchema, page, pageQuery, placeOf } from "../cursor.ts";
import { answers } from "../route.ts";
import { portSchema, portView } from "../schemas/port.ts";

export const listPorts = answers({
  method: "get",
  path: "/v1/ports",
  operationId: "listPorts",
  tag: "Numbers",
  summary: "List porting requests, newest first",
  scope: "numbers.read",
  query: z.strictObject({
    status: z.enum(portStatuses).optional().meta({ description: "Those in this one alone." }),
    ...pageQuery,
  }),
  responses: { 200: { description: "A page of requests.", schema: listSchema(portSchema) } },
  errors: [],
  async answer({ parts, caller, query }) {
    const { limit, status = null } = query;
    const before = placeOf("port", query.cursor);
    const rows = await parts.store.read((tx) =>
      portsOf(tx, caller.workspace.id, { limit: limit + 1, before, status }),
    );
    return { status: 200, body: page(rows, limit, portView) };
  },
});
