import type { RequestHandler } from "express";
import { Histogram, type Registry } from "prom-client";
import type { Clock } from "../engine/clock.ts";

/** Times every request, by route and status; ids and numbers are in paths, so paths are no label. */
export function requestMetrics(registry: Registry, clock: Clock): RequestHandler {
  const seconds = new Histogram({
    name: "sautikit_http_request_seconds",
    help: "Time from a request's head to the end of its answer, in seconds.",
    labelNames: ["route", "method", "status"],
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10],
    registers: [registry],
  });
  return (request, response, next) => {
    const startedMs = clock.monotonicMs();
    response.once("close", () => {
      const matched = request.route as { path: unknown } | undefined;
      const route = typeof matched?.path === "string" ? matched.path : "unmatched";
      const status = response.writableFinished ? String(response.statusCode) : "aborted";
      seconds.observe({ route, method: request.method, status }, (clock.monotonicMs() - startedMs) / 1000);
    });
    next();
  };
}
