import { z } from "zod";

/** An integer of a query string. */
export const wholeNumber = (min: number, max: number) =>
  z
    .string()
    .refine((text) => /^[0-9]{1,9}$/.test(text) && Number(text) >= min && Number(text) <= max, {
      error: `must be a whole number from ${min} to ${max}`,
      params: { code: "range" },
    })
    .transform(Number)
    .meta({ override: { type: "integer", minimum: min, maximum: max } });

/** RFC 3339 or unix seconds, in ms. A `+` of the time zone may have come as the space that URLs read it as. */
export const queryTime = z
  .string()
  .max(40)
  .transform((text, context) => {
    const ms = /^[0-9]{1,12}$/.test(text)
      ? Number(text) * 1000
      : rfc3339(text.replace(/ (\d\d:\d\d)$/, "+$1"));
    if (!Number.isNaN(ms)) return ms;
    context.addIssue({
      code: "custom",
      message: "must be RFC 3339 or unix seconds",
      params: { code: "time" },
    });
    return z.NEVER;
  })
  .meta({ override: { type: "string" }, description: "RFC 3339, or unix seconds." });

const rfc3339 = (text: string) =>
  /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/.test(text) ? Date.parse(text) : NaN;

/** A number in a query string, whose `+` may have come as a space. */
export const queryE164 = z
  .string()
  .transform((text) => text.replace(/^ /, "+"))
  .refine((text) => /^\+[1-9][0-9]{6,14}$/.test(text), {
    error: "must be E.164: + and digits",
    params: { code: "e164" },
  })
  .meta({ override: { type: "string" }, description: "E.164." });
