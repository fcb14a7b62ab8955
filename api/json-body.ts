import { createHash } from "node:crypto";
import express, { type RequestHandler } from "express";
import { SautikitError } from "../engine/errors.ts";
import { fieldPath } from "../engine/field-errors.ts";
import { jsonMax } from "../engine/json.ts";
import { invalidField } from "./validation.ts";

export const bodyBytesMax = 256 * 1024;

/** Deeper than anything that an endpoint knows, and far from where recursion would end. */
const depthMax = 32;

/** Leaves the body's bytes in `request.body`; undefined where there are none. */
export const bodyBytes: RequestHandler = express.raw({ type: () => true, limit: bodyBytesMax });

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** The body as JSON; no body is an empty object, so that a POST without one is a POST. */
export function jsonBody(bytes: unknown, contentType: string | undefined): unknown {
  if (!(bytes instanceof Uint8Array) || bytes.length === 0) return {};
  if (!isJson(contentType)) throw new SautikitError("validation.unsupported_media_type");
  let value: unknown;
  try {
    value = JSON.parse(utf8.decode(bytes));
  } catch (cause) {
    throw new SautikitError("validation.malformed_json", undefined, { cause });
  }
  refuseTraps(value, [], { values: 0 });
  return value;
}

/** `beside`: what else of the request makes it another one. */
export function bodySha256(bytes: unknown, beside = ""): string {
  const hash = createHash("sha256");
  if (bytes instanceof Uint8Array) hash.update(bytes);
  hash.update(beside);
  return hash.digest("hex");
}

const isJson = (contentType: string | undefined) =>
  /^application\/(?:[\w.+-]+\+)?json\s*(?:;\s*charset="?utf-8"?\s*)?$/i.test(contentType ?? "");

/** What no field may hold: `__proto__` as a name, half a surrogate pair, more depth than we walk, or more of anything. */
function refuseTraps(value: unknown, path: PropertyKey[], seen: { values: number }): void {
  if (++seen.values > jsonMax.values)
    throw invalidField("body", "length", `has more than ${jsonMax.values} values`);
  if (typeof value === "string" && !value.isWellFormed()) {
    throw invalidField(fieldPath(path), "unicode", "has half of a surrogate pair");
  }
  if (typeof value !== "object" || value === null) return;
  if (path.length >= depthMax) throw invalidField(fieldPath(path), "depth", "is nested too deeply");
  const within = (key: PropertyKey, inner: unknown) => {
    path.push(key);
    if (key === "__proto__") throw invalidField(fieldPath(path), "unknown", "is not known here");
    refuseTraps(inner, path, seen);
    path.pop();
  };
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++) within(index, value[index]);
    return;
  }
  const entries = Object.entries(value);
  if (entries.length > jsonMax.fields)
    throw invalidField(fieldPath(path), "length", `has more than ${jsonMax.fields} fields`);
  for (const [key, inner] of entries) within(key, inner);
}
