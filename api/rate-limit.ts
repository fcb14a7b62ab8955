import type { RequestHandler } from "express";
import { ipKeyGenerator, rateLimit } from "express-rate-limit";
import { SautikitError } from "../engine/errors.ts";
import { callerOf } from "./authentication.ts";

const minuteMs = 60_000;

/** For whoever has no key, and so no workspace that says. */
const requestsPerMinuteByAddress = 300;
const publicRequestsPerMinute = 60;

/** Each key, and each person, as its workspace may; requests without either are counted by address. */
export const limitByKey = (): RequestHandler =>
  limiter({
    limit: (response) => callerOf(response)?.workspace.requestsPerMinute ?? requestsPerMinuteByAddress,
    key: (response) => callerOf(response)?.by.id,
  });

/** By address, for what needs no key. */
export const limitByAddress = (): RequestHandler =>
  limiter({ limit: () => publicRequestsPerMinute, key: () => undefined });

type Of<T> = (response: Parameters<RequestHandler>[1]) => T;

function limiter({ limit, key }: { limit: Of<number>; key: Of<string | undefined> }): RequestHandler {
  return rateLimit({
    windowMs: minuteMs,
    limit: (_request, response) => limit(response),
    // An IPv6 customer has a whole network of addresses, so its network counts.
    keyGenerator: (request, response) => key(response) ?? ipKeyGenerator(request.ip ?? "unknown"),
    standardHeaders: "draft-8",
    legacyHeaders: false,
    handler: (_request, response, next) => {
      const retryAfterSeconds = Number(response.getHeader("Retry-After") ?? minuteMs / 1000);
      next(new SautikitError("rate_limited", undefined, { retryAfterSeconds }));
    },
    // A proxy that the operator did not announce is no bug of ours to print about.
    validate: { xForwardedForHeader: false },
  });
}
