/**
 * A text without a phone number: the pseudonym stands in each place of it, with its + or without. Digits that are part of a
 * longer number are another's, and stay. JSON stays JSON: a number in it that is the phone's becomes a string.
 */
export function withoutNumber(text: string, e164: string, pseudonym: string): string {
  const digits = e164.slice(1);
  // An octet of a URL (`%20254…`) is no digit of the number.
  const number = new RegExp(`(?<=^|[^0-9]|%[0-9A-Fa-f]{2})\\+?${digits}(?![0-9])`, "g");
  const plain = (some: string) => some.replace(number, pseudonym);
  if (plain(text) === text) return text;
  const json = parsed(text);
  return json === undefined ? plain(text) : JSON.stringify(walk(json));

  function walk(value: unknown): unknown {
    if (typeof value === "string") return plain(value);
    if (typeof value === "number") return String(value) === digits ? pseudonym : value;
    if (Array.isArray(value)) return value.map(walk);
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, of]) => [plain(key), walk(of)]));
  }
}

/** What is JSON, and no bare number or word. */
function parsed(text: string): unknown {
  if (!/^\s*[[{"]/.test(text)) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
