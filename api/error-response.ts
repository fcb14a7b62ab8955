import type { ErrorRequestHandler } from "express";
import { errorCatalogue, SautikitError } from "../engine/errors.ts";
import type { Log } from "../engine/log.ts";
import { requestIdOf } from "./request-id.ts";
import { traceOf } from "./trace.ts";

/** The one place where a thrown thing becomes an answer. */
export function errorResponses(log: Log): ErrorRequestHandler {
  return (thrown: unknown, request, response, next) => {
    if (response.headersSent) {
      next(thrown);
      return;
    }
    const error = known(thrown);
    const { status } = errorCatalogue[error.code];
    const requestId = requestIdOf(response);
    if (status >= 500) {
      const { method, path } = request;
      const { traceId } = traceOf(response);
      log.error({ err: thrown, code: error.code, requestId, traceId, method, path }, "a request failed");
    }
    if (error.retryAfterSeconds !== undefined) response.setHeader("Retry-After", error.retryAfterSeconds);
    if (status === 401) response.setHeader("WWW-Authenticate", "Bearer");
    response.status(status).json(errorBody(error, requestId));
  };
}

export function errorBody(error: SautikitError, requestId: string) {
  const { code, message, fields } = error;
  return {
    error: { code, message, request_id: requestId, ...(fields.length > 0 ? { fields } : {}) },
    // The product page's sample reads `err.message`.
    message,
  };
}

function known(thrown: unknown): SautikitError {
  if (thrown instanceof SautikitError) return thrown;
  // Express and its body reader say what the client did wrong by status.
  switch (statusOf(thrown)) {
    case 413:
      return new SautikitError("validation.body_too_large", undefined, { cause: thrown });
    case 415:
      return new SautikitError("validation.unsupported_media_type", undefined, { cause: thrown });
    case 400:
      // A path that is not UTF-8 after decoding, or a body that ended early.
      return thrown instanceof URIError
        ? new SautikitError("not_found", undefined, { cause: thrown })
        : new SautikitError("validation.malformed_json", undefined, { cause: thrown });
    default:
      return new SautikitError("internal", undefined, { cause: thrown });
  }
}

const statusOf = (thrown: unknown): unknown =>
  thrown instanceof Error && "status" in thrown ? thrown.status : undefined;
