import { createDocument, type ZodOpenApiObject, type ZodOpenApiOperationObject } from "zod-openapi";
import { errorCatalogue, type ErrorCode } from "../engine/errors.ts";
import { leastRole } from "../engine/people/roles.ts";
import type { Role } from "../engine/store/members.ts";
import type { Scope } from "../engine/workspaces/scopes.ts";
import { takesIdempotencyKey, type Route } from "./route.ts";
import { voiceAction } from "./schemas/call.ts";
import { errorSchema } from "./schemas/errors.ts";
import { envelopeSchema, webhookEvents } from "./schemas/event.ts";

/** The OpenAPI 3.1 document, made from the routes that the router is made from. */
export function openApiDocument(routes: readonly Route[]) {
  const paths: NonNullable<ZodOpenApiObject["paths"]> = {};
  for (const route of routes) (paths[route.path] ??= {})[route.method] = operationOf(route);
  return createDocument({
    openapi: "3.1.0",
    info: {
      title: "Sautikit",
      version: "1",
      summary: "Programmable voice, billed by the second in KES.",
      description:
        "Times are RFC 3339 UTC, numbers E.164, money integers of KES cents in fields ending `_minor`. " +
        "Fields that an endpoint does not know are refused. Every answer has an `X-Request-Id`.",
    },
    security: [{ apiKey: [] }, { session: [] }],
    paths,
    webhooks: Object.fromEntries(
      Object.entries(webhookEvents).map(([kind, event]) => [kind, { post: webhookOf(kind, event) }]),
    ),
    components: {
      schemas: { VoiceAction: voiceAction, Error: errorSchema },
      securitySchemes: {
        apiKey: { type: "http", scheme: "bearer", description: "`Authorization: Bearer tskey_live_…`" },
        session: {
          type: "apiKey",
          in: "cookie",
          name: "__Host-sautikit",
          description:
            "A person who signed in (`sautikit` where PUBLIC_URL is not https). What changes something comes from a page of " +
            "the same site, which the browser says. In another workspace than the session's: `X-Sautikit-Workspace: ws_…`.",
        },
      },
      headers: {
        RequestId: { description: "Tell it to support.", required: true, schema: { type: "string" } },
        RateLimit: { description: "What is left of the limit (IETF draft 8).", schema: { type: "string" } },
        RateLimitPolicy: { description: "The limit (IETF draft 8).", schema: { type: "string" } },
        RetryAfter: { description: "Seconds.", schema: { type: "integer" } },
        IdempotentReplay: {
          description: "This is a kept answer.",
          schema: { type: "string", const: "true" },
        },
      },
    },
    "x-error-catalogue": errorCatalogue,
  });
}

function operationOf(route: Route): ZodOpenApiOperationObject {
  const { operationId, tag, summary, scope, role, params, query, noIdempotencyKey } = route;
  const repeats = noIdempotencyKey && `\`Idempotency-Key\` has no effect: ${noIdempotencyKey}`;
  const description = [route.description, repeats].filter(Boolean).join("\n\n");
  const parameters = {
    ...(Object.keys(params.shape).length > 0 ? { path: params } : {}),
    ...(Object.keys(query.shape).length > 0 ? { query } : {}),
  };
  return {
    operationId,
    tags: [tag],
    summary,
    ...(scope === null ? { description: description || summary, security: securityOf(route) } : {}),
    ...(scope === null
      ? {}
      : { description: [description, needs(scope, role)].filter(Boolean).join("\n\n") }),
    ...(Object.keys(parameters).length > 0 ? { requestParams: parameters } : {}),
    ...(takesIdempotencyKey(route) ? { parameters: [idempotencyKeyParameter] } : {}),
    ...requestBody(route),
    responses: { ...successes(route), ...refusals(route) },
  };
}

const isPersons = ({ run }: Route) => run.kind === "person" || run.kind === "personChange";
const securityOf = (route: Route) => (isPersons(route) ? [{ session: [] }] : []);
const needs = (scope: Scope, role: Role = leastRole[scope]) => `Scope: \`${scope}\`. Role: ${role}.`;

function requestBody({ body, upload }: Route): Pick<ZodOpenApiOperationObject, "requestBody"> {
  if (body) return { requestBody: { required: true, content: { "application/json": { schema: body } } } };
  if (!upload) return {};
  // OpenAPI 3.1: a body of bytes has no schema.
  return {
    requestBody: {
      required: true,
      content: Object.fromEntries(upload.contentTypes.map((type) => [type, {}])),
    },
  };
}

/** The request that we send; signatures and retries are in docs/webhooks.md. */
function webhookOf(kind: string, event: (typeof webhookEvents)[string]): ZodOpenApiOperationObject {
  return {
    operationId: `on ${kind}`,
    tags: ["Webhooks"],
    summary: event.happened,
    description:
      "Answer with any 2xx within 10 s; else it comes again. Check the signature before anything else.",
    parameters: webhookHeaders,
    requestBody: { required: true, content: { "application/json": { schema: envelopeSchema(kind, event) } } },
    responses: { "2XX": { description: "Taken." } },
  };
}

const webhookHeaders = Object.entries({
  "X-Sautikit-Signature": "`t=<unix seconds>,v1=<hex>`: HMAC-SHA256 of the body, a dot and t.",
  "X-Sautikit-Event-Id": "As in the body.",
  "X-Sautikit-Event-Kind": "As in the body.",
  "webhook-id": "The event's id (Standard Webhooks).",
  "webhook-timestamp": "Unix seconds of this try.",
  "webhook-signature": "`v1,<base64>`: HMAC-SHA256 of id, timestamp and body with dots between.",
}).map(([name, description]) => ({
  in: "header" as const,
  name,
  required: true,
  description,
  schema: { type: "string" as const },
}));

const idempotencyKeyParameter = {
  in: "header" as const,
  name: "Idempotency-Key",
  required: false,
  description: "1 to 255 printable ASCII characters; the answer is kept for 24 h and given again.",
  schema: { type: "string" as const, minLength: 1, maxLength: 255 },
};

const ref = (name: string) => ({ $ref: `#/components/headers/${name}` });
const header = (description: string) => ({ description, schema: { type: "string" as const } });
const everyHeader = {
  "X-Request-Id": ref("RequestId"),
  RateLimit: ref("RateLimit"),
  "RateLimit-Policy": ref("RateLimitPolicy"),
};

function successes(route: Route) {
  const replayed = takesIdempotencyKey(route) ? { "Idempotent-Replay": ref("IdempotentReplay") } : {};
  return Object.fromEntries(
    Object.entries(route.responses).map(([status, { description, schema, headers, csv }]) => {
      const own = Object.fromEntries(
        Object.entries(headers ?? {}).map(([name, meaning]) => [name, header(meaning)]),
      );
      const bodies = {
        ...(schema ? { "application/json": { schema } } : {}),
        ...(csv ? { "text/csv": { schema: { type: "string" as const } } } : {}),
      };
      const content = schema || csv ? { content: bodies } : {};
      return [status, { description, headers: { ...everyHeader, ...replayed, ...own }, ...content }];
    }),
  );
}

/** A response for each status, with the codes that it may carry. */
function refusals(route: Route) {
  const byStatus = Map.groupBy(codesOf(route), (code) => errorCatalogue[code].status);
  return Object.fromEntries(
    [...byStatus]
      .sort(([a], [b]) => a - b)
      .map(([status, codes]) => [
        status,
        {
          description: codes.map((code) => `\`${code}\`: ${errorCatalogue[code].meaning}`).join("\n\n"),
          headers: {
            ...everyHeader,
            ...(status === 429 || status === 503 ? { "Retry-After": ref("RetryAfter") } : {}),
          },
          content: { "application/json": { schema: errorSchema } },
          "x-error-codes": codes,
        },
      ]),
  );
}

function codesOf(route: Route): ErrorCode[] {
  const { run, params, errors, upload } = route;
  const codes = new Set<ErrorCode>(errors);
  for (const code of ["rate_limited", "internal", "database.unavailable"] as const) codes.add(code);
  if (run.kind === "public") return [...codes];
  // An id whose percent signs lead to no UTF-8.
  if (Object.keys(params.shape).length > 0) codes.add("not_found");
  for (const code of ["validation.invalid", "validation.unknown_field"] as const) codes.add(code);
  const looks = run.kind === "answer" || run.kind === "person";
  if (run.kind !== "open") codes.add("auth.session");
  if (run.kind === "answer" || run.kind === "change")
    for (const code of [
      "auth.missing",
      "auth.invalid",
      "auth.scope",
      "auth.role",
      "auth.no_workspace",
    ] as const)
      codes.add(code);
  if (looks) return [...codes];
  if (run.kind !== "open") codes.add("auth.cross_site");
  // Of a file: what was encoded and is not, or was cut off.
  codes.add("validation.malformed_json");
  codes.add("validation.unsupported_media_type");
  codes.add(upload ? upload.tooLarge : "validation.body_too_large");
  if (!takesIdempotencyKey(route)) return [...codes];
  codes.add("idempotency.invalid_key");
  codes.add("idempotency.conflict");
  codes.add("idempotency.in_progress");
  return [...codes];
}
