import type { z } from "zod";
import type { FieldError } from "./errors.ts";

type Issue = z.core.$ZodIssue;
type Path = readonly PropertyKey[];

/** Keys are the customer's own, and come back in what is told of them: so many characters of each. */
const keyMax = 64;

/** Nobody reads more. */
const issuesMax = 100;

/** What is wrong with `input`, each field by its path as the customer wrote it: the API and the voice URL say it alike. */
export const fieldErrors = (issues: readonly Issue[], input: unknown): FieldError[] =>
  issues.slice(0, issuesMax).flatMap((issue) => errorsOf(issue, input, []));

/** A misspelt field often leaves another one missing: the misspelling is what helps. */
export const firstToMend = (fields: readonly FieldError[]): FieldError | undefined =>
  fields.find((field) => field.code === "unknown") ?? fields[0];

/** `["to", 0]` is `to[0]`, `["actions", 1, "play", "url"]` is `actions[1].play.url`. */
export function fieldPath(path: Path): string {
  const text = path
    .map((key) => (typeof key === "number" ? `[${key}]` : `.${cut(String(key), keyMax)}`))
    .join("");
  return text === "" ? "body" : text.replace(/^\./, "");
}

/** So many characters at most, and no half of a surrogate pair, which PostgreSQL does not take. */
export const cut = (text: string, max: number) =>
  (text.length > max ? `${text.slice(0, max)}…` : text).toWellFormed();

function errorsOf(issue: Issue, input: unknown, base: Path): FieldError[] {
  const path = [...base, ...issue.path];
  if (issue.code === "invalid_union") {
    if (valueAt(input, path) === undefined) return [{ field: fieldPath(path), ...missing }];
    return bestOf(issue.errors).flatMap((inner) => errorsOf(inner, input, path));
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
  const ofWhole = alternatives.flatMap((issues) => issues.filter(({ path }) => path.length === 0));
  const choices = ofWhole.flatMap((issue) => (issue.code === "invalid_value" ? issue.values : []));
  const types = ofWhole.flatMap((issue) => (issue.code === "invalid_type" ? [issue.expected] : []));
  if (choices.length > 0 && types.every((type) => type === "boolean"))
    return [fault("value", oneOf([...(types.length > 0 ? [true, false] : []), ...choices]))];
  const ofRightType = alternatives.find(
    (issues) => !issues.some((issue) => issue.path.length === 0 && issue.code === "invalid_type"),
  );
  return ofRightType ?? [fault("type", `must be ${types.join(" or ")}`)];
}

const fault = (code: string, message: string): Issue => ({
  ...{ code: "custom", path: [], message, params: { code } },
});

const oneOf = (values: readonly z.core.util.Primitive[]) => `must be one of ${values.map(String).join(", ")}`;

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
      if (value === undefined) return missing;
      return { code: "value", message: oneOf(issue.values) };
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
  const plural = (issue.code === "too_small" ? issue.minimum : issue.maximum) === 1 ? "" : "s";
  if (issue.origin === "string") return { code: "length", message: `must have ${bound} character${plural}` };
  if (issue.origin === "array") return { code: "length", message: `must have ${bound} item${plural}` };
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
