import { z } from "zod";
import { sipCredentialsPage } from "../../engine/store/sip-credentials.ts";
import { listSchema, page, pageQuery, placeOf } from "../cursor.ts";
import { answers } from "../route.ts";
import { credentialSchema, credentialView } from "../schemas/sip.ts";
import { pathId } from "../schemas/text.ts";
import { accessOf, numberNamed } from "../sip-number.ts";

export const listSipCredentials = answers({
  method: "get",
  path: "/v1/numbers/{id}/sip-credentials",
  operationId: "listSipCredentials",
  tag: "SIP",
  summary: "List a number's SIP credentials, newest first",
  scope: "sip.manage",
  params: pathId("num", "number"),
  query: z.strictObject(pageQuery),
  responses: {
    200: { description: "A page of them, without passwords.", schema: listSchema(credentialSchema) },
  },
  errors: ["numbers.not_found", "sip.unavailable"],
  async answer({ parts, caller, params, query }) {
    const access = accessOf(parts);
    const { limit } = query;
    const before = placeOf("sip", query.cursor);
    const rows = await parts.store.read(async (tx) => {
      const number = await numberNamed(tx, caller.workspace.id, params.id);
      return sipCredentialsPage(tx, number.id, { nowMs: parts.clock.nowMs(), limit: limit + 1, before });
    });
    return { status: 200, body: page(rows, limit, (row) => credentialView(row, access)) };
  },
});
