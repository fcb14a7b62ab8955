import { createHash } from "node:crypto";
import express, { type RequestHandler } from "express";
import { SautikitError } from "../engine/errors.ts";
import { fieldPath } from "../engine/field-errors.ts";
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
  refuseTraps(value, []);
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

/** What no field may hold: `__proto__` as a name, half a surrogate pair, or more depth than we walk. */
function refuseTraps(value: unknown, path: readonly PropertyKey[]): void {
  if (typeof value === "string" && !value.isWellFormed()) {
    throw invalidField(fieldPath(path), "unicode", "has half of a surrogate pair");
  }
  if (typeof value !== "object" || value === null) return;
  if (path.length >= depthMax) throw invalidField(fieldPath(path), "depth", "is nested too deeply");
  const entries: [PropertyKey, unknown][] = Array.isArray(value)
    ? [...value.entries()]
    : Object.entries(value);
  for (const [key, inner] of entries) {
    const innerPath = [...path, key];
    if (key === "__proto__") throw invalidField(fieldPath(innerPath), "unknown", "is not known here");
    refuseTraps(inner, innerPath);
  }
}
