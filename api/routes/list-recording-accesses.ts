import { z } from "zod";
import { rfc3339Seconds } from "../../engine/clock.ts";
import { SautikitError } from "../../engine/errors.ts";
import { isId } from "../../engine/ids.ts";
import { accessesOf, type AccessRow } from "../../engine/store/recording-accesses.ts";
import { byId } from "../../engine/store/recordings.ts";
import { listSchema, page, pageQuery, placeOf } from "../cursor.ts";
import { answers } from "../route.ts";
import { pathId } from "../schemas/text.ts";

const accessSchema = z
  .strictObject({
    id: z.string(),
    kind: z.enum(["listen", "link", "export"]).meta({
      description:
        "listen: redirected to the audio; link: a link was in an answer; export: it is in an export that a link was given to.",
    }),
    actor: z.strictObject({
      kind: z.enum(["key", "user", "operator", "system"]),
      id: z.string().nullable(),
    }),
    address: z.string().nullable(),
    request_id: z.string().nullable(),
    accessed_at: z.string().meta({ format: "date-time" }),
  })
  .meta({ id: "RecordingAccess" });

export const listRecordingAccesses = answers({
  method: "get",
  path: "/v1/recordings/{id}/accesses",
  operationId: "listRecordingAccesses",
  tag: "Recordings",
  summary: "Who was given a recording, or a link to it, when and where; newest first",
  description:
    "Whoever holds a link can fetch the audio while it lives, an hour: those fetches are the storage's to log.",
  scope: "audit.read",
  params: pathId("rec", "recording"),
  query: z.strictObject(pageQuery),
  responses: { 200: { description: "A page of accesses.", schema: listSchema(accessSchema) } },
  errors: ["recordings.not_found"],
  async answer({ parts, caller, params, query }) {
    const { id } = params;
    const { limit } = query;
    const before = placeOf("acs", query.cursor);
    const rows = await parts.store.read(async (tx) => {
      const known = isId("rec", id) && (await byId(tx, caller.workspace.id, id));
      return known ? accessesOf(tx, known.id, { limit: limit + 1, before }) : null;
    });
    if (!rows) throw new SautikitError("recordings.not_found");
    return { status: 200, body: page(rows, limit, accessView) };
  },
});

const accessView = (row: AccessRow) => ({
  id: row.id,
  kind: row.kind,
  actor: { kind: row.actorKind, id: row.actorId },
  address: row.address,
  request_id: row.requestId,
  accessed_at: rfc3339Seconds(row.accessedAtMs),
});
