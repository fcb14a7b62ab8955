import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { Request, RequestHandler, Response } from "express";
import { ipKeyGenerator } from "express-rate-limit";
import { z } from "zod";
import type { Scope } from "../engine/workspaces/scopes.ts";
import { recordChange, type Actor } from "../engine/audit/audit.ts";
import type { Caller } from "../engine/workspaces/api-keys.ts";
import { requireStill } from "../engine/people/authority.ts";
import type { From } from "../engine/people/sign-in.ts";
import { sha256 } from "../engine/secrets.ts";
import type { IdempotentRequest } from "../engine/store/idempotency.ts";
import type { Role } from "../engine/store/members.ts";
import { requireCaller, requirePerson } from "./authentication.ts";
import { idempotencyKey, type Change, type Idempotency } from "./idempotency.ts";
import { bodyBytes, bodySha256, jsonBody } from "./json-body.ts";
import type { ApiParts } from "./parts.ts";
import { requestIdOf } from "./request-id.ts";
import { traceOf } from "./trace.ts";
import { takesIdempotencyKey, type Reply, type Route } from "./route.ts";
import { Uploads } from "./uploads.ts";
import { validated } from "./validation.ts";

/** What a request to this route goes through, once it was counted: may it, what does it say, do it, answer. */
export function operation(route: Route, parts: ApiParts, idempotency: Idempotency): RequestHandler[] {
  const { run, scope, role = null } = route;
  if (run.kind !== "answer" && run.kind !== "change") return withoutKey(route, run, parts, idempotency);
  if (scope === null) throw new Error(`${route.path}: a route that is not public has a scope`);
  if (run.kind === "answer") {
    return [
      async (request, response) => {
        const caller = requireCaller(response, scope, role);
        const actor = actorOf(caller, request, response);
        const asking = { parts, caller, actor, trace: traceOf(response), ...input(route, request) };
        send(response, await run.answer(asking));
      },
    ];
  }
  const change = async (request: Request, response: Response): Promise<void> => {
    const caller = requireCaller(response, scope, role);
    let asked: Parameters<typeof run.refused>[1] | undefined;
    const undone = async (error: unknown): Promise<never> => {
      if (asked) await run.refused(error, asked);
      throw error;
    };
    const begin = async (): Promise<Change> => {
      const actor = actorOf(caller, request, response);
      const asking = { parts, caller, actor, trace: traceOf(response), ...input(route, request) };
      asked = asking;
      const prepared = await run.prepare(asking);
      return async (tx) => {
        const still = await requireStill(tx, caller, { scope, role }, parts.clock.nowMs());
        const reply = await run.change(tx, { ...asking, caller: still }, prepared);
        const { operationId: action } = route;
        const workspaceId = caller.workspace.id;
        if (reply.changed) await recordChange(tx, parts, { workspaceId, actor, action, ...reply.changed });
        return reply;
      };
    };
    send(
      response,
      await once(route, request, { parts, idempotency }, caller.workspace.id, begin).catch(undone),
    );
  };
  const { upload } = route;
  if (!upload) return [requires(scope, role), bodyBytes, change];
  const uploads = new Uploads(upload);
  return [
    requires(scope, role),
    (request, response) =>
      uploads.take(requireCaller(response, scope, role).workspace.id, request, response, () =>
        change(request, response),
      ),
  ];
}

/** The change; where the request has a key of its owner's, once for that key. */
async function once(
  route: Route,
  request: Request,
  { parts, idempotency }: { parts: ApiParts; idempotency: Idempotency },
  owner: IdempotentRequest["owner"],
  begin: () => Promise<Change>,
): Promise<Reply> {
  const key = takesIdempotencyKey(route) ? idempotencyKey(request.get("Idempotency-Key")) : undefined;
  if (key === undefined) return parts.store.write(await begin());
  const { method, path } = request;
  // What is beside a file is in the query.
  const beside = route.upload ? JSON.stringify(request.query) : "";
  const named = { owner, method, path, idempotencyKey: key };
  return idempotency.once(named, bodySha256(request.body, beside), begin);
}

/** For everybody, for whoever has what the body shows, or for a person whatever the workspace. */
function withoutKey(
  route: Route,
  run: Exclude<Route["run"], { kind: "answer" | "change" }>,
  parts: ApiParts,
  idempotency: Idempotency,
): RequestHandler[] {
  if (route.scope !== null) throw new Error(`${route.path}: it asks for no key, and so for no scope`);
  switch (run.kind) {
    case "public":
      return [
        async (request, response) => {
          // Where there is nothing to ask, what a page adds against caches is nobody's misspelt option.
          const asks = Object.keys(route.query.shape).length > 0;
          const query = asks ? validated(route.query, { ...request.query }) : {};
          send(response, await run.answer(parts, query));
        },
      ];
    case "open":
      return [
        bodyBytes,
        async (request, response) => {
          const begin = () =>
            Promise.try((): Change => {
              const asked = { parts, from: fromOf(request, response), body: body(route, request) };
              return (tx) => run.change(tx, asked);
            });
          const owner = `network ${sha256(ipKeyGenerator(request.ip ?? "unknown"))}` as const;
          send(response, await once(route, request, { parts, idempotency }, owner, begin));
        },
      ];
    case "person":
      return [async (request, response) => send(response, await run.answer(ofPerson(request, response)))];
    case "personChange":
      return [
        (_request, response, next) => {
          requirePerson(response);
          next();
        },
        bodyBytes,
        async (request, response) => {
          const begin = () =>
            Promise.try((): Change => {
              const asked = ofPerson(request, response);
              return (tx) => run.change(tx, asked);
            });
          const { user } = requirePerson(response);
          send(response, await once(route, request, { parts, idempotency }, user.id, begin));
        },
      ];
  }

  function ofPerson(request: Request, response: Response) {
    const person = requirePerson(response);
    return { parts, person, from: fromOf(request, response), ...input(route, request) };
  }
}

export const fromOf = (request: Request, response: Response): From => ({
  address: request.ip ?? null,
  requestId: requestIdOf(response),
  userAgent: request.get("User-Agent") ?? null,
});

function actorOf({ by }: Caller, request: Request, response: Response): Actor {
  const from = { address: request.ip ?? null, requestId: requestIdOf(response) };
  return by.kind === "key" ? { kind: "key", id: by.id, ...from } : { kind: "user", id: by.id, ...from };
}

/** Before the body is read: who may not is not listened to. */
const requires =
  (scope: Scope, role: Role | null): RequestHandler =>
  (_request, response, next) => {
    requireCaller(response, scope, role);
    next();
  };

function input(route: Route, request: Request) {
  return {
    wantsCsv: request.accepts("application/json", "text/csv") === "text/csv",
    params: validated(route.params, request.params),
    query: validated(route.query, { ...request.query }),
    body: body(route, request),
  };
}

function body({ run, body, upload }: Route, request: Request): unknown {
  const bytes: unknown = request.body;
  if (upload) return bytes instanceof Uint8Array ? bytes : new Uint8Array();
  const touches = run.kind === "change" || run.kind === "open" || run.kind === "personChange";
  const json = touches ? jsonBody(bytes, request.headers["content-type"]) : {};
  return validated(body ?? noBody, json);
}

const noBody = z.strictObject({});

function send(response: Response, { status, headers, body, chunks, secrets }: Reply): void {
  response.status(status);
  if (!response.hasHeader("Cache-Control")) response.setHeader("Cache-Control", "no-store");
  for (const [name, value] of Object.entries(headers ?? {})) response.setHeader(name, value);
  // Cut off where a later chunk cannot be made, so that nobody takes a part for the whole.
  if (chunks) void pipeline(Readable.from(chunks), response).catch(() => response.destroy());
  else if (body === undefined) response.end();
  else if (typeof body === "string") response.type("application/json").send(body);
  else response.json({ ...body, ...secrets });
}
