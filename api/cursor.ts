import { z } from "zod";
import { isId, type Id, type IdPrefix } from "../engine/ids.ts";
import type { JsonObject } from "../engine/json.ts";
import { wholeNumber } from "./schemas/query.ts";
import { invalidField } from "./validation.ts";

/** What every list takes beside its filters. */
export const pageQuery = {
  limit: wholeNumber(1, 100)
    .default(25)
    .meta({
      override: { type: "integer", minimum: 1, maximum: 100, default: 25 },
      description: "How many at most.",
    }),
  cursor: z.string().max(200).optional().meta({ description: "`next_cursor` of the page before." }),
};

export const listSchema = (item: z.ZodType) =>
  z.strictObject({
    data: z.array(item),
    next_cursor: z.string().nullable().meta({ description: "Null: there are no more." }),
  });

/** A list's place is the id of the last row shown: rows added meanwhile are newer, and move nothing. */
export function placeOf<P extends IdPrefix>(prefix: P, cursor: string | undefined): Id<P> | null {
  if (cursor === undefined) return null;
  const id = Buffer.from(cursor, "base64url").toString("utf8");
  if (!isId(prefix, id) || cursorOf(id) !== cursor) {
    throw invalidField("cursor", "cursor", "is not one that this list gave out");
  }
  return id;
}

/** Null stays null: there are no more. */
export const cursorOf = <T extends string | null>(id: T) =>
  (id === null ? null : Buffer.from(id).toString("base64url")) as T extends null ? T : string;

/** One page of rows that were asked for with one more than `limit`. */
export function page<Row extends { id: string }>(
  rows: readonly Row[],
  limit: number,
  view: (row: Row) => JsonObject,
): JsonObject {
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  return { data: shown.map(view), next_cursor: rows.length > limit && last ? cursorOf(last.id) : null };
}
