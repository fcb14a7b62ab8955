import { raw, Router, type ErrorRequestHandler, type RequestHandler } from "express";
import { errorCatalogue, SautikitError } from "../engine/errors.ts";
import { accepted } from "../engine/wallet/mpesa/callbacks.ts";
import type { ApiParts } from "./parts.ts";

const bodyBytesMax = 64 * 1024;

/**
 * Where Safaricom tells of payments: no key, but a secret in the path. Whoever does not know it finds nothing here. What
 * comes is stored as it is and answered at once, whatever we think of it.
 */
export function callbackDoors({ callbacks, log }: Pick<ApiParts, "callbacks" | "log">): Router {
  const router = Router({ caseSensitive: true, strict: true });
  if (!callbacks) return router;
  const admitted: RequestHandler<{ token: string; key: string }> = (request, _response, next) => {
    if (!callbacks.admits(request.params.token, request.ip)) throw new SautikitError("not_found");
    next();
  };
  const body = raw({ type: () => true, limit: bodyBytesMax });
  const bytesOf = (value: unknown) => (value instanceof Uint8Array ? value : new Uint8Array());

  for (const kind of ["stk", "status"] as const)
    router.post(`/:token/${kind}/:key`, admitted, body, async (request, response) => {
      const callbackKey = request.params.key.slice(0, 64);
      await callbacks.keep(kind, { body: bytesOf(request.body), callbackKey, address: request.ip });
      response.json({ ...accepted, ResultCode: 0 });
    });
  router.post("/:token/c2b/confirmation", admitted, body, async (request, response) => {
    const notice = { body: bytesOf(request.body), callbackKey: null, address: request.ip };
    await callbacks.keep("confirmation", notice);
    response.json({ ...accepted, ResultCode: 0 });
  });
  router.post("/:token/c2b/validation", admitted, body, async (request, response) => {
    response.json(await callbacks.validate(bytesOf(request.body)));
  });
  // Not by the common one, which logs the path.
  const faults: ErrorRequestHandler = (error: unknown, _request, response, next) => {
    if (response.headersSent || isRefusal(error)) return next(error);
    log.error({ err: error }, "a callback of M-Pesa's could not be stored");
    response.status(503).json({ ResultCode: 1, ResultDesc: "Try again" });
  };
  router.use(faults);
  return router;
}

function isRefusal(error: unknown): boolean {
  if (error instanceof SautikitError) return errorCatalogue[error.code].status < 500;
  return error instanceof Error && "status" in error && Number(error.status) < 500;
}
