import { z } from "zod";
import { rentAt } from "../../engine/numbers/rent.ts";
import { availableInventory } from "../../engine/store/inventory.ts";
import { listSchema, page, pageQuery, placeOf } from "../cursor.ts";
import { answers } from "../route.ts";
import { availableNumberSchema, availableNumberView } from "../schemas/number.ts";

const digits = (pattern: RegExp, description: string) =>
  z
    .string()
    .refine((text) => pattern.test(text), { error: "must be 1 to 15 digits", params: { code: "digits" } })
    .transform((text) => text.replace(/[+ ]/, ""))
    .optional()
    .meta({ description, override: { type: "string" } });

export const listAvailableNumbers = answers({
  method: "get",
  path: "/v1/numbers/available",
  operationId: "listAvailableNumbers",
  tag: "Numbers",
  summary: "List numbers that can be claimed",
  description: "In the order in which they came into the inventory. Somebody may claim one before you do.",
  scope: "numbers.read",
  query: z.strictObject({
    country: z
      .string()
      .regex(/^[A-Za-z]{2}$/, "must be two letters, as ISO 3166 has them")
      .transform((text) => text.toLowerCase())
      .optional()
      .meta({ description: "ISO 3166 alpha-2.", examples: ["ke"], override: { type: "string" } }),
    // A + that is not encoded arrives as a space.
    prefix: digits(/^[+ ]?\d{1,15}$/, "How it begins: `25420`, with a `+` or without."),
    contains: digits(/^\d{1,15}$/, "Digits that it has somewhere."),
    ...pageQuery,
  }),
  responses: { 200: { description: "A page of numbers.", schema: listSchema(availableNumberSchema) } },
  errors: [],
  async answer({ parts, query }) {
    const { limit, cursor, ...wanted } = query;
    const filter = { ...wanted, after: placeOf("inv", cursor) };
    const nowMs = parts.clock.nowMs();
    const { rows, rent } = await parts.store.read(async (tx) => ({
      rows: await availableInventory(tx, filter, nowMs, limit + 1),
      rent: await rentAt(tx, nowMs),
    }));
    return { status: 200, body: page(rows, limit, (row) => availableNumberView(row, rent)) };
  },
});
