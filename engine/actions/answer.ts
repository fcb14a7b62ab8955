import { cut, fieldErrors, firstToMend } from "../field-errors.ts";
import { exceedsJsonMax, jsonMax } from "../json.ts";
import { documentSchema, type Document } from "./document.ts";

/** What a 2xx of a voice URL means: API.md §3. */
export type Answer =
  | { kind: "document"; actions: Document }
  | { kind: "none"; why: NoDocument }
  /** `path` as the customer wrote it: `actions[1].dial.number`. */
  | { kind: "invalid"; path: string; code: string; reason: string };

/** Why an answer is no instructions. `broken`: it begins as JSON does; `parserSays` what is wrong with it. */
export type NoDocument =
  { code: "empty" | "text" | "no_actions" } | { code: "broken_json"; parserSays: string };

const reasonMax = 299;

/** An answer is instructions if it is a JSON object with `actions`, whatever its content type. */
export function readAnswer(text: string): Answer {
  let answer: unknown;
  try {
    // Some servers write a byte order mark before all that they write.
    answer = JSON.parse(text.replace(/^\uFEFF/, ""));
  } catch (error) {
    return { kind: "none", why: notJson(text, error) };
  }
  if (typeof answer !== "object" || answer === null || !("actions" in answer))
    return { kind: "none", why: { code: "no_actions" } };
  // Whoever sends tens of thousands of fields would hold up the calls of all others.
  if (exceedsJsonMax(answer.actions)) {
    const reason = `has more than ${jsonMax.fields} fields in one object, or ${jsonMax.values} values`;
    return { kind: "invalid", path: "actions", code: "length", reason };
  }
  const checked = documentSchema.safeParse(answer.actions);
  if (checked.success) return { kind: "document", actions: checked.data };
  const issues = checked.error.issues.map((issue) => ({ ...issue, path: ["actions", ...issue.path] }));
  const first = firstToMend(fieldErrors(issues, answer));
  return {
    kind: "invalid",
    path: first?.field ?? "actions",
    code: first?.code ?? "invalid",
    reason: cut(first?.message ?? "is not a voice document", reasonMax),
  };
}

function notJson(text: string, error: unknown): NoDocument {
  if (/^\uFEFF?\s*$/.test(text)) return { code: "empty" };
  if (!/^\uFEFF?\s*[{[]/.test(text)) return { code: "text" };
  return { code: "broken_json", parserSays: cut(error instanceof Error ? error.message : "", reasonMax) };
}
