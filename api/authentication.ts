import type { RequestHandler, Response } from "express";
import type { Clock } from "../engine/clock.ts";
import { SautikitError } from "../engine/errors.ts";
import type { Store } from "../engine/store/store.ts";
import { callerOfKey, type Caller } from "../engine/workspaces/api-keys.ts";
import type { Scope } from "../engine/workspaces/scopes.ts";

/**
 * Looks the key up, and lets a request without a good one go on: the rate limit has to count it first, and whether
 * the route asks for a key at all is the route's to say.
 */
export function authentication(parts: { store: Store; clock: Clock }): RequestHandler {
  return async (request, response, next) => {
    heard(response).caller = await identify(parts, request.headers.authorization);
    next();
  };
}

async function identify(
  { store, clock }: { store: Store; clock: Clock },
  authorization: string | undefined,
): Promise<Caller | SautikitError> {
  if (authorization === undefined || authorization === "") return new SautikitError("auth.missing");
  const key = /^Bearer +(\S+) *$/i.exec(authorization)?.[1];
  if (key === undefined)
    return new SautikitError("auth.missing", "The Authorization header is not `Bearer <key>`.");
  try {
    return await store.read((tx) => callerOfKey(tx, key, clock.nowMs()));
  } catch (error) {
    if (error instanceof SautikitError) return error;
    throw error;
  }
}

/** What Express keeps with a response for its handlers. */
const heard = (response: Response) => response.locals as { caller?: Caller | SautikitError };

/** Undefined: nobody we know. */
export function callerOf(response: Response): Caller | undefined {
  const found = heard(response).caller;
  return found instanceof SautikitError ? undefined : found;
}

/** Throws `auth.missing`, `auth.invalid`, or `auth.scope`. */
export function requireCaller(response: Response, scope: Scope): Caller {
  const found = heard(response).caller ?? new SautikitError("auth.missing");
  if (found instanceof SautikitError) throw found;
  if (!found.scopes.includes(scope)) {
    throw new SautikitError("auth.scope", `This needs a key with the scope ${scope}.`);
  }
  return found;
}
