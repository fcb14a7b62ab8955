import { documentSchema, type Document } from "./document.ts";

/** What a 2xx of a voice URL means: API.md §3. */
export type Answer =
  | { kind: "document"; actions: Document }
  /** `OK`, nothing, a web page, JSON without `actions`. */
  | { kind: "none" }
  /** `path` as the customer wrote it: `actions[1].dial.number`. */
  | { kind: "invalid"; path: string; reason: string };

/** An answer is instructions if it is a JSON object with `actions`, whatever its content type. */
export function readAnswer(text: string): Answer {
  const answer = parsed(text);
  if (typeof answer !== "object" || answer === null || !("actions" in answer)) return { kind: "none" };
  const checked = documentSchema.safeParse(answer.actions);
  if (checked.success) return { kind: "document", actions: checked.data };
  const [issue] = checked.error.issues;
  const at = [...(issue?.path ?? []), ...(issue?.code === "unrecognized_keys" ? issue.keys : [])];
  const path = at.map((key) => (typeof key === "number" ? `[${key}]` : `.${String(key)}`)).join("");
  return { kind: "invalid", path: `actions${path}`, reason: issue?.message ?? "is not a voice document" };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
