export type Json = null | boolean | number | string | Json[] | JsonObject;
export interface JsonObject {
  [key: string]: Json;
}

/** More than any request or voice document has. Each value costs a look, and what is wrong with it is told at length. */
export const jsonMax = { values: 5_000, fields: 500 };

/** Whether a parsed text holds more than that, in all or in one object. */
export function exceedsJsonMax(value: unknown): boolean {
  const waiting: unknown[] = [value];
  for (let values = 1; waiting.length > 0;) {
    const next = waiting.pop();
    if (typeof next !== "object" || next === null) continue;
    const inner: unknown[] = Array.isArray(next) ? next : Object.values(next);
    values += inner.length;
    if (values > jsonMax.values || (!Array.isArray(next) && inner.length > jsonMax.fields)) return true;
    for (const one of inner) waiting.push(one);
  }
  return false;
}
