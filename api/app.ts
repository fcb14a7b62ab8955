import express, { type Express, type RequestHandler } from "express";
import helmet from "helmet";
import { SautikitError } from "../engine/errors.ts";
import { authentication } from "./authentication.ts";
import { callbackDoors } from "./callback-doors.ts";
import { errorResponses } from "./error-response.ts";
import { Idempotency } from "./idempotency.ts";
import { requestMetrics } from "./metrics.ts";
import { operation } from "./operation.ts";
import { operators } from "./operators.ts";
import type { ApiParts } from "./parts.ts";
import { limitByAddress, limitByKey } from "./rate-limit.ts";
import { requestIds } from "./request-id.ts";
import type { Route } from "./route.ts";
import { routes } from "./routes.ts";
import { requestTraces } from "./trace.ts";
import { signInPages } from "./sign-in-pages.ts";

/** The HTTP side of Sautikit: an Express app that listens nowhere yet. */
export function createApi(parts: ApiParts): Express {
  const app = express();
  app.disable("x-powered-by");
  app.disable("etag");
  app.enable("case sensitive routing");
  app.enable("strict routing");
  app.set("query parser", "simple");
  app.set("trust proxy", parts.trustedProxies);

  app.use(requestIds(parts.ids));
  app.use(requestTraces(parts));
  app.use(requestMetrics(parts.registry, parts.clock));
  app.use(helmet());
  app.use(operators(parts));
  app.use(signInPages(parts));
  app.use("/callbacks", callbackDoors(parts));
  app.use("/v1/public", forAnyPage);
  app.use("/v1", authentication(parts));
  app.use("/v1", countedOnce({ open: limitByAddress(), others: limitByKey() }));

  app.use("/v1/public", preflight);

  const idempotency = new Idempotency(parts);
  for (const route of routes)
    app[route.method](expressPath(route.path), ...operation(route, parts, idempotency));
  for (const [path, methods] of methodsByPath()) app.all(expressPath(path), otherMethods(methods));
  app.use(() => {
    throw new SautikitError("not_found");
  });
  app.use(errorResponses(parts.log));
  return app;
}

/** What load balancers and Prometheus ask, and nothing else: for a process without the API. */
export function createOperatorsApp(parts: Parameters<typeof operators>[0]): Express {
  const app = express();
  app.disable("x-powered-by");
  app.use(helmet());
  app.use(operators(parts));
  return app;
}

/** Pages of any origin may read what is public, the refusals too. */
const forAnyPage: RequestHandler = (_request, response, next) => {
  response.setHeader("Access-Control-Allow-Origin", "*");
  response.setHeader(
    "Access-Control-Expose-Headers",
    "RateLimit, RateLimit-Policy, Retry-After, X-Request-Id",
  );
  response.setHeader("Cross-Origin-Resource-Policy", "cross-origin");
  next();
};

/** What a browser asks first where a page sends headers of its own. */
const preflight: RequestHandler = (request, response, next) => {
  if (request.method !== "OPTIONS") return next();
  response.setHeader("Access-Control-Allow-Methods", "GET, HEAD");
  response.setHeader("Access-Control-Allow-Headers", "*");
  response.setHeader("Access-Control-Max-Age", "86400");
  response.status(204).end();
};

/** What is public has a limit of its own, so that a web page's visitors do not use up a customer's. */
function countedOnce({ open, others }: { open: RequestHandler; others: RequestHandler }): RequestHandler {
  return (request, response, next) =>
    void (request.path.startsWith("/public/") ? open : others)(request, response, next);
}

function methodsByPath(): Map<string, Route["method"][]> {
  const byPath = Map.groupBy(routes, (route) => route.path);
  return new Map([...byPath].map(([path, list]) => [path, list.map((route) => route.method)]));
}

function otherMethods(methods: readonly string[]): RequestHandler {
  const names = methods.map((method) => method.toUpperCase());
  const allow = [...names, ...(names.includes("GET") ? ["HEAD"] : [])].join(", ");
  return (_request, response) => {
    response.setHeader("Allow", allow);
    throw new SautikitError("method_not_allowed", `This path knows ${allow}.`);
  };
}

/** `/v1/calls/{id}` is `/v1/calls/:id` to Express. */
const expressPath = (path: string) => path.replace(/\{(\w+)\}/g, ":$1");
