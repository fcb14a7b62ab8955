import { z } from "zod";
import { sipDestinationsPage } from "../../engine/store/sip-destinations.ts";
import { listSchema, page, pageQuery, placeOf } from "../cursor.ts";
import { answers } from "../route.ts";
import { destinationSchema, destinationView } from "../schemas/sip-destination.ts";

export const listSipDestinations = answers({
  method: "get",
  path: "/v1/sip-destinations",
  operationId: "listSipDestinations",
  tag: "SIP",
  summary: "List the SIP URIs that documents may dial, newest first",
  scope: "sip.manage",
  query: z.strictObject(pageQuery),
  responses: { 200: { description: "A page of them.", schema: listSchema(destinationSchema) } },
  errors: [],
  async answer({ parts, caller, query }) {
    const { limit } = query;
    const before = placeOf("dst", query.cursor);
    const rows = await parts.store.read((tx) =>
      sipDestinationsPage(tx, caller.workspace.id, { limit: limit + 1, before }),
    );
    return { status: 200, body: page(rows, limit, destinationView) };
  },
});
