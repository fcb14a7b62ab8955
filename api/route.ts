import { z } from "zod";
import type { ErrorCode } from "../engine/errors.ts";
import type { Actor, Change } from "../engine/audit/audit.ts";
import type { JsonObject } from "../engine/json.ts";
import type { From } from "../engine/people/sign-in.ts";
import type { Person } from "../engine/people/sessions.ts";
import type { Role } from "../engine/store/members.ts";
import type { Trace } from "../engine/trace.ts";
import type { Tx } from "../engine/store/store.ts";
import type { Caller } from "../engine/workspaces/api-keys.ts";
import type { Scope } from "../engine/workspaces/scopes.ts";
import type { ApiParts } from "./parts.ts";

/** One operation: the router and the OpenAPI document are both made from this. */
export interface Route extends RouteFacts {
  params: z.ZodObject;
  query: z.ZodObject;
  body: z.ZodObject | null;
  /** Where the body is a file and no JSON: what it may be. */
  upload: UploadFacts | null;
  run:
    | { kind: "answer"; answer: (request: ApiRequest<Loose, Loose, unknown>) => Promise<Reply> }
    | {
        kind: "change";
        prepare: (request: ApiRequest<Loose, Loose, unknown>) => Promise<unknown>;
        change: (tx: Tx, request: ApiRequest<Loose, Loose, unknown>, prepared: unknown) => Promise<Reply>;
        refused: (error: unknown, request: ApiRequest<Loose, Loose, unknown>) => Promise<void>;
      }
    | { kind: "public"; answer: (parts: ApiParts, query: Loose) => Promise<Reply> }
    | { kind: "open"; change: (tx: Tx, request: OpenRequest<unknown>) => Promise<Reply> }
    | { kind: "person"; answer: (request: PersonRequest<Loose, unknown>) => Promise<Reply> }
    | {
        kind: "personChange";
        change: (tx: Tx, request: PersonRequest<Loose, unknown>) => Promise<Reply>;
      };
}

interface RouteFacts {
  method: "get" | "post" | "patch" | "delete";
  /** As OpenAPI writes it: `/v1/calls/{id}`. */
  path: string;
  /** For generated clients: `createCall`. */
  operationId: string;
  tag:
    | "Calls"
    | "Conferences"
    | "Numbers"
    | "Media"
    | "Rates"
    | "SIP"
    | "Recordings"
    | "Wallet"
    | "Webhooks"
    | "Workspace"
    | "People"
    | "Keys"
    | "Privacy"
    | "Public";
  summary: string;
  description?: string;
  /** Null: no key is asked for. */
  scope: Scope | null;
  /** What a person who is signed in has to be at least; undefined: whatever role has the scope. */
  role?: Role;
  /** By status, the good ones. */
  responses: Record<number, ResponseFacts>;
  /** Beside those that every route of its kind has. */
  errors: readonly ErrorCode[];
  /** Why a POST takes no `Idempotency-Key`; undefined: it does. */
  noIdempotencyKey?: string;
}

/** Every POST that changes something, but for those that say why not. */
export const takesIdempotencyKey = ({ method, run, noIdempotencyKey }: Route): boolean =>
  method === "post" &&
  (run.kind === "change" || run.kind === "open" || run.kind === "personChange") &&
  noIdempotencyKey === undefined;

export interface UploadFacts {
  bytesMax: number;
  contentTypes: readonly string[];
  tooLarge: ErrorCode;
  /** A form, where the file itself was wanted. */
  notAFile: ErrorCode;
}

export interface ResponseFacts {
  description: string;
  /** Null: no body, but for a CSV. */
  schema: z.ZodType | null;
  /** It comes as text/csv too, or only so. */
  csv?: boolean;
  headers?: Record<string, string>;
}

export interface ApiRequest<Params, Query, Body> {
  parts: ApiParts;
  caller: Caller;
  /** Who asks and from where, for what is written down of a change. */
  actor: Actor;
  /** Its client's own, or ours. */
  trace: Trace;
  /** Whether `Accept` would have CSV rather than JSON. */
  wantsCsv: boolean;
  params: Params;
  query: Query;
  body: Body;
}

/** Of whoever it is: what they send shows that they may. */
export interface OpenRequest<Body> {
  parts: ApiParts;
  from: From;
  body: Body;
}

/** Of somebody who is signed in, in whatever workspace. */
export interface PersonRequest<Params, Body> extends OpenRequest<Body> {
  person: Person;
  params: Params;
}

export interface Reply {
  status: number;
  headers?: Readonly<Record<string, string>>;
  /** JSON, or text that is JSON already. Undefined: no body. */
  body?: JsonObject | string;
  /** In place of a body: text of the Content-Type in `headers`, made as fast as it is taken. */
  chunks?: AsyncGenerator<string>;
  /** What is written into the audit log with it; undefined: the change stands elsewhere (a call's events). */
  changed?: Change;
  /** Fields of the body that are shown once: they are in the first answer and not in a replay. */
  secrets?: JsonObject;
}

type Loose = Record<string, unknown>;
type Shape = z.ZodObject;
interface Inputs<P extends Shape, Q extends Shape, B extends Shape> extends RouteFacts {
  params?: P;
  query?: Q;
  body?: B;
}
type RequestOf<P extends Shape, Q extends Shape, B extends Shape> = ApiRequest<
  z.output<P>,
  z.output<Q>,
  z.output<B>
>;
const nothing = z.strictObject({});
type Nothing = typeof nothing;

/** A route that looks and does not touch. */
export function answers<P extends Shape = Nothing, Q extends Shape = Nothing>(
  facts: Inputs<P, Q, Nothing> & { answer: (request: RequestOf<P, Q, Nothing>) => Promise<Reply> },
): Route {
  const { answer, ...rest } = facts;
  return complete(rest, { kind: "answer", answer: answer as never });
}

/** A route whose effect and kept response are one transaction; `change` awaits nothing but its `tx`. */
export function changes<P extends Shape = Nothing, Q extends Shape = Nothing, B extends Shape = Nothing>(
  facts: Inputs<P, Q, B> & {
    /** What must be asked of others (DNS) before the transaction. */
    prepare?: (request: RequestOf<P, Q, B>) => Promise<void>;
    change: (tx: Tx, request: RequestOf<P, Q, B>) => Promise<Reply>;
    /** What is to be kept of a change that threw, and so was undone; it throws nothing itself. */
    refused?: (error: unknown, request: RequestOf<P, Q, B>) => Promise<void>;
  },
): Route {
  const { prepare, change, refused, ...rest } = facts;
  return complete(rest, {
    kind: "change",
    prepare: (prepare ?? (() => Promise.resolve())) as never,
    change: change as never,
    refused: (refused ?? (() => Promise.resolve())) as never,
  });
}

/** A route that takes a file: its body is the bytes as they came. What was prepared is handed to `change`. */
export function takesFile<P extends Shape = Nothing, Q extends Shape = Nothing, Prepared = void>(
  facts: Inputs<P, Q, Nothing> & {
    upload: UploadFacts;
    prepare: (request: ApiRequest<z.output<P>, z.output<Q>, Uint8Array>) => Promise<Prepared>;
    change: (
      tx: Tx,
      request: ApiRequest<z.output<P>, z.output<Q>, Uint8Array>,
      prepared: Prepared,
    ) => Promise<Reply>;
  },
): Route {
  const { prepare, change, upload, ...rest } = facts;
  const run = {
    ...{ kind: "change" as const, prepare: prepare as never, change: change as never },
    refused: () => Promise.resolve(),
  };
  return { ...complete(rest, run), upload };
}

/** A route for everybody. */
export function isPublic<Q extends Shape = Nothing>(
  facts: Omit<Inputs<Nothing, Q, Nothing>, "params" | "body"> & {
    answer: (parts: ApiParts, query: z.output<Q>) => Promise<Reply>;
  },
): Route {
  const { answer, ...rest } = facts;
  return complete(rest, { kind: "public", answer: answer as never });
}

/** A route that asks for no key, since its body shows what is needed, and that writes down by itself what it changes. */
export function isOpen<B extends Shape>(
  facts: RouteFacts & { body: B; change: (tx: Tx, request: OpenRequest<z.output<B>>) => Promise<Reply> },
): Route {
  const { change, ...rest } = facts;
  return complete(rest, { kind: "open", change: change as never });
}

/** A route of a person's own, whatever workspace they are in; it looks and does not touch. */
export function answersPerson(
  facts: RouteFacts & { answer: (request: PersonRequest<Loose, unknown>) => Promise<Reply> },
): Route {
  const { answer, ...rest } = facts;
  return complete(rest, { kind: "person", answer });
}

/** The same, and it changes something, and writes that down by itself. */
export function changesPerson<P extends Shape = Nothing, B extends Shape = Nothing>(
  facts: RouteFacts & {
    params?: P;
    body?: B;
    change: (tx: Tx, request: PersonRequest<z.output<P>, z.output<B>>) => Promise<Reply>;
  },
): Route {
  const { change, ...rest } = facts;
  return complete(rest, { kind: "personChange", change: change as never });
}

function complete<P extends Shape, Q extends Shape, B extends Shape>(
  { params, query, body, ...facts }: Inputs<P, Q, B>,
  run: Route["run"],
): Route {
  return {
    ...facts,
    params: params ?? nothing,
    query: query ?? nothing,
    body: body ?? null,
    upload: null,
    run,
  };
}
