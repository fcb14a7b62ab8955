import type { z } from "zod";
import { fieldErrors, firstToMend } from "../engine/field-errors.ts";
import { SautikitError, type FieldError } from "../engine/errors.ts";

/** Throws `validation.unknown_field` or `validation.invalid`, each field by its path as the client wrote it. */
export function validated<Schema extends z.ZodType>(schema: Schema, input: unknown): z.output<Schema> {
  const result = schema.safeParse(input);
  if (result.success) return result.data;
  throw invalid(fieldErrors(result.error.issues, input));
}

export function invalid(fields: readonly FieldError[]): SautikitError {
  const first = firstToMend(fields);
  const message = first ? `${first.field} ${first.message}.` : undefined;
  const code = first?.code === "unknown" ? "validation.unknown_field" : "validation.invalid";
  return new SautikitError(code, message, { fields });
}

export const invalidField = (field: string, code: string, message: string): SautikitError =>
  invalid([{ field, code, message }]);
