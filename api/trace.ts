import type { RequestHandler, Response } from "express";
import type { Clock } from "../engine/clock.ts";
import type { Ids } from "../engine/ids.ts";
import type { Log } from "../engine/log.ts";
import { newTrace, readTraceparent, type Trace } from "../engine/trace.ts";
import { requestIdOf } from "./request-id.ts";

/** Gives every request a trace, its client's own where it says one by `traceparent`; and, at `debug`, a line once it is over. */
export function requestTraces({ ids, clock, log }: { ids: Ids; clock: Clock; log: Log }): RequestHandler {
  return (request, response, next) => {
    const trace = readTraceparent(request.get("traceparent")) ?? newTrace(ids);
    response.locals["trace"] = trace;
    const startedMs = clock.monotonicMs();
    response.once("close", () => {
      const { method } = request;
      const route = (request.route as { path?: unknown } | undefined)?.path;
      const status = response.writableFinished ? response.statusCode : "aborted";
      const facts = { requestId: requestIdOf(response), traceId: trace.traceId, method, status };
      const ms = Math.round(clock.monotonicMs() - startedMs);
      log.debug({ ...facts, ...(typeof route === "string" ? { route } : {}), ms }, "a request is over");
    });
    next();
  };
}

export const traceOf = (response: Response) => response.locals["trace"] as Trace;
