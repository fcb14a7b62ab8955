import { documentSchema, type Document } from "./document.ts";

/** What a 2xx of a voice URL means: API.md §3. */
export type Answer =
  | { kind: "document"; actions: Document }
  /** `OK`, nothing, a web page, JSON without `actions`. */
  | { kind: "none" }
  /** `path` as the customer wrote it: `actions[1].dial.number`. */
  | { kind: "invalid"; path: string; reason: string };

/** Keys are the customer's own, and come back in what is told of them: so many characters of each. */
const keyMax = 64;
const reasonMax = 299;

/** An answer is instructions if it is a JSON object with `actions`, whatever its content type. */
export function readAnswer(text: string): Answer {
  const answer = parsed(text);
  if (typeof answer !== "object" || answer === null || !("actions" in answer)) return { kind: "none" };
  const checked = documentSchema.safeParse(answer.actions);
  if (checked.success) return { kind: "document", actions: checked.data };
  const [issue] = checked.error.issues;
  const at = [...(issue?.path ?? []), ...(issue?.code === "unrecognized_keys" ? issue.keys : [])];
  const path = at.map((key) => (typeof key === "number" ? `[${key}]` : `.${cut(String(key), keyMax)}`));
  const reason = cut(issue?.message ?? "is not a voice document", reasonMax);
  return { kind: "invalid", path: `actions${path.join("")}`, reason };
}

const cut = (text: string, max: number) => (text.length > max ? `${text.slice(0, max)}…` : text);

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
