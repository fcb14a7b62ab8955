import type { z } from "zod";
import { SautikitError, type FieldError } from "../engine/errors.ts";

type Issue = z.core.$ZodIssue;
type Path = readonly PropertyKey[];

/** Throws `validation.unknown_field` or `validation.invalid`, each field by its path as the client wrote it. */
export function validated<Schema extends z.ZodType>(schema: Schema, input: unknown): z.output<Schema> {
  const result = schema.safeParse(input);
  if (result.success) return result.data;
  const fields = result.error.issues.flatMap((issue) => fieldErrors(issue, input, []));
  throw invalid(fields);
}

export function invalid(fields: readonly FieldError[]): SautikitError {
  const unknown = fields.find((field) => field.code === "unknown");
  // A misspelt field often leaves another one missing: the misspelling is what helps.
  const first = unknown ?? fields[0];
  const message = first ? `${first.field} ${first.message}.` : undefined;
  return new SautikitError(unknown ? "validation.unknown_field" : "validation.invalid", message, { fields });
}

export const invalidField = (field: string, code: string, message: string): SautikitError =>
  invalid([{ field, code, message }]);

/** `["to", 0]` is `to[0]`, `["actions", 1, "play", "url"]` is `actions[1].play.url`. */
export function fieldPath(path: Path): string {
  const text = path.map((key) => (typeof key === "number" ? `[${key}]` : `.${String(key)}`)).join("");
  return text === "" ? "body" : text.replace(/^\./, "");
}

function fieldErrors(issue: Issue, input: unknown, base: Path): FieldError[] {
  const path = [...base, ...issue.path];
  if (issue.code === "invalid_union") {
    if (valueAt(input, path) === undefined) return [{ field: fieldPath(path), ...missing }];
    return bestOf(issue.errors).flatMap((inner) => fieldErrors(inner, input, path));
  }
  if (issue.code === "unrecognized_keys") {
    const message = issue.message.startsWith("Unrecognized") ? "is not known here" : issue.message;
    return issue.keys.map((key) => ({ field: fieldPath([...path, key]), code: "unknown", message }));
  }
  return [{ field: fieldPath(path), ...problem(issue, valueAt(input, path)) }];
}

const missing = { code: "required", message: "is missing" };

/** Of a union's alternatives the one that the value comes nearest to: it has the right type, at least. */
function bestOf(alternatives: readonly (readonly Issue[])[]): readonly Issue[] {
  const ofRightType = alternatives.find(
    (issues) => !issues.some((issue) => issue.path.length === 0 && issue.code === "invalid_type"),
  );
  if (ofRightType) return ofRightType;
  const expected = alternatives.flatMap((issues) =>
    issues.flatMap((issue) => (issue.code === "invalid_type" ? [issue.expected] : [])),
  );
  return [
    { code: "custom", path: [], message: `must be ${expected.join(" or ")}`, params: { code: "type" } },
  ];
}

function problem(issue: Issue, value: unknown): Omit<FieldError, "field"> {
  switch (issue.code) {
    case "invalid_type":
      if (value === undefined) return missing;
      return {
        code: "type",
        message: `must be ${/^[aeiou]/.test(issue.expected) ? "an" : "a"} ${issue.expected}`,
      };
    case "too_small":
    case "too_big":
      return size(issue);
    case "invalid_value":
      return { code: "value", message: `must be one of ${issue.values.map(String).join(", ")}` };
    case "invalid_format":
      return { code: issue.format === "regex" ? "format" : issue.format, message: issue.message };
    case "custom": {
      const code: unknown = issue.params?.["code"];
      return { code: typeof code === "string" ? code : "invalid", message: issue.message };
    }
    default:
      return { code: "invalid", message: issue.message };
  }
}

function size(issue: z.core.$ZodIssueTooSmall | z.core.$ZodIssueTooBig): Omit<FieldError, "field"> {
  const bound =
    issue.code === "too_small"
      ? `at least ${issue.minimum.toString()}`
      : `at most ${issue.maximum.toString()}`;
  if (issue.origin === "string") return { code: "length", message: `must have ${bound} characters` };
  if (issue.origin === "array") return { code: "length", message: `must have ${bound} items` };
  return { code: "range", message: `must be ${bound}` };
}

function valueAt(input: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (value, key) =>
      typeof value === "object" && value !== null && Object.hasOwn(value, key)
        ? (value as Record<PropertyKey, unknown>)[key]
        : undefined,
    input,
  );
}
