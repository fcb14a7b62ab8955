import type { Request, RequestHandler, Response } from "express";
import type { Clock } from "../engine/clock.ts";
import { SautikitError } from "../engine/errors.ts";
import type { Log } from "../engine/log.ts";
import { requireAllowed } from "../engine/people/authority.ts";
import { callerOfSession, personOfSession, type Person } from "../engine/people/sessions.ts";
import type { Role } from "../engine/store/members.ts";
import { markSeen } from "../engine/store/sessions.ts";
import type { Store, Tx } from "../engine/store/store.ts";
import { markKeyUsed } from "../engine/store/workspaces.ts";
import { callerOfKey, type Caller } from "../engine/workspaces/api-keys.ts";
import type { Scope } from "../engine/workspaces/scopes.ts";
import { requireSameSite } from "./same-site.ts";
import { sessionTokenOf } from "./session-cookie.ts";

interface Parts {
  store: Store;
  clock: Clock;
  log: Log;
  publicUrl: () => string;
}

/** Names the workspace that a session's request is about, where that is not the one it has chosen. */
const workspaceHeader = "X-Sautikit-Workspace";

/**
 * Looks up who asks, by key or by session, and lets a request without either go on: the rate limit has to count it first,
 * and whether the route asks for anybody at all is the route's to say.
 */
export function authentication(parts: Parts): RequestHandler {
  const lastUses = new LastUses(parts);
  return async (request, response, next) => {
    const found = await identify(parts, request);
    Object.assign(heard(response), found);
    if (!(found.caller instanceof SautikitError) && found.caller.by.kind === "key") {
      const { id, lastUsedAtMs } = found.caller.by;
      lastUses.note(id, lastUsedAtMs, (tx, nowMs, beforeMs) => markKeyUsed(tx, id, nowMs, beforeMs));
    }
    if (!(found.person instanceof SautikitError)) {
      const { id, seenAtMs } = found.person.session;
      lastUses.note(id, seenAtMs, (tx, nowMs, beforeMs) => markSeen(tx, id, nowMs, beforeMs));
    }
    next();
  };
}

interface Heard {
  caller: Caller | SautikitError;
  person: Person | SautikitError;
}

async function identify(parts: Parts, request: Request): Promise<Heard> {
  const { store, clock, publicUrl } = parts;
  const { authorization } = request.headers;
  if (authorization !== undefined && authorization !== "") {
    const key = /^Bearer +(\S+) *$/i.exec(authorization)?.[1];
    const person = new SautikitError("auth.session", "An API key is no person: this takes a session.");
    if (key === undefined) {
      const caller = new SautikitError("auth.missing", "The Authorization header is not `Bearer <key>`.");
      return { caller, person };
    }
    return { caller: await orRefusal(store.read((tx) => callerOfKey(tx, key, clock.nowMs()))), person };
  }
  const token = sessionTokenOf(publicUrl(), request.headers.cookie);
  if (token === undefined)
    return { caller: new SautikitError("auth.missing"), person: new SautikitError("auth.session") };
  return store.read(async (tx) => {
    const person = await orRefusal(
      personOfSession(tx, token, clock).then((found) => {
        requireSameSite(request, publicUrl());
        return found;
      }),
    );
    if (person instanceof SautikitError) return { caller: person, person };
    return { caller: await orRefusal(callerOfSession(tx, person, request.get(workspaceHeader))), person };
  });
}

function orRefusal<T>(work: Promise<T>): Promise<T | SautikitError> {
  return work.catch((error: unknown) => {
    if (error instanceof SautikitError) return error;
    throw error;
  });
}

/** What Express keeps with a response for its handlers. */
const heard = (response: Response) => response.locals as Partial<Heard>;

/** Undefined: nobody we know. */
export function callerOf(response: Response): Caller | undefined {
  const found = heard(response).caller;
  return found instanceof SautikitError ? undefined : found;
}

/** A key needs the scope; a person needs the role, where the route names one, else the scope too, which their role gives. */
export function requireCaller(response: Response, scope: Scope, role: Role | null): Caller {
  const found = heard(response).caller ?? new SautikitError("auth.missing");
  if (found instanceof SautikitError) throw found;
  const { by, scopes } = found;
  if (by.kind === "user") {
    requireAllowed(by.role, { scope, role });
  } else if (!scopes.includes(scope)) {
    throw new SautikitError("auth.scope", `This needs a key with the scope ${scope}.`);
  }
  return found;
}

/** Throws `auth.session`, or `auth.cross_site`. */
export function requirePerson(response: Response): Person {
  const found = heard(response).person ?? new SautikitError("auth.session");
  if (found instanceof SautikitError) throw found;
  return found;
}

const noteEveryMs = 60_000;

/** When a key or a session was last used, to the minute: one write for all the requests of that minute. */
class LastUses {
  readonly #parts: Parts;
  /** Noted by this process within the minute; nobody else's notes are lost by losing it. */
  readonly #noted = new Map<string, number>();

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Beside the request: it does not wait, and does not fail with it. */
  note(
    id: string,
    lastMs: number | null,
    write: (tx: Tx, nowMs: number, beforeMs: number) => Promise<void>,
  ): void {
    const { store, clock, log } = this.#parts;
    const nowMs = clock.nowMs();
    const beforeMs = nowMs - noteEveryMs;
    if (Math.max(lastMs ?? 0, this.#noted.get(id) ?? 0) > beforeMs) return;
    for (const [other, atMs] of this.#noted) if (atMs <= beforeMs) this.#noted.delete(other);
    this.#noted.set(id, nowMs);
    store
      .write((tx) => write(tx, nowMs, beforeMs))
      .catch((error: unknown) => log.warn({ err: error, id }, "The last use could not be written down."));
  }
}
