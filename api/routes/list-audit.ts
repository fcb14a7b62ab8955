import { z } from "zod";
import { rfc3339Seconds } from "../../engine/clock.ts";
import { parseObject } from "../../engine/store/calls.ts";
import { auditEntriesOf, type AuditRow } from "../../engine/store/audit.ts";
import { listSchema, page, pageQuery, placeOf } from "../cursor.ts";
import { answers } from "../route.ts";
import { queryTime } from "../schemas/query.ts";
import { invalidField } from "../validation.ts";

const state = z.record(z.string(), z.unknown()).nullable();
const auditEntrySchema = z
  .strictObject({
    id: z.string(),
    actor: z.strictObject({
      kind: z.enum(["key", "user", "operator", "system"]).meta({
        description: "operator: a command on the machine; system: something fell due.",
      }),
      id: z.string().nullable(),
    }),
    action: z.string().meta({ description: "The operationId, or the words of the operator's command." }),
    subject: z.string().nullable().meta({ description: "The id of what was changed." }),
    before: state.meta({ description: "Null: there was nothing. Never with a secret." }),
    after: state.meta({ description: "Null: there is nothing any more." }),
    address: z.string().nullable().meta({ description: "Where the request came from." }),
    request_id: z.string().nullable(),
    created_at: z.string().meta({ format: "date-time" }),
  })
  .meta({ id: "AuditEntry" });

export const listAudit = answers({
  method: "get",
  path: "/v1/audit",
  operationId: "listAudit",
  tag: "Workspace",
  summary: "Who changed what, when and from where; newest first",
  scope: "audit.read",
  query: z.strictObject({
    ...pageQuery,
    action: z.string().max(100).optional(),
    subject: z.string().max(200).optional().meta({ description: "The id of what was changed." }),
    actor: z
      .string()
      .max(100)
      .optional()
      .meta({ description: "A key's or a user's id, or a kind: key, user, operator, system." }),
    from: queryTime.optional(),
    to: queryTime.optional(),
  }),
  responses: { 200: { description: "A page of entries.", schema: listSchema(auditEntrySchema) } },
  errors: [],
  async answer({ parts, caller, query }) {
    const { limit, cursor, action, subject, actor, from: fromMs, to: toMs } = query;
    if (fromMs !== undefined && toMs !== undefined && fromMs > toMs)
      throw invalidField("from", "range", "must not be after `to`");
    const filter = { action, subject, actor, fromMs, toMs };
    const found = { limit: limit + 1, before: placeOf("aud", cursor) };
    const rows = await parts.store.read((tx) => auditEntriesOf(tx, caller.workspace.id, filter, found));
    return { status: 200, body: page(rows, limit, auditView) };
  },
});

const auditView = (row: AuditRow) => ({
  id: row.id,
  actor: { kind: row.actorKind, id: row.actorId },
  action: row.action,
  subject: row.subject,
  before: row.before === null ? null : parseObject(row.before),
  after: row.after === null ? null : parseObject(row.after),
  address: row.address,
  request_id: row.requestId,
  created_at: rfc3339Seconds(row.createdAtMs),
});
