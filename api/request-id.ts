import type { RequestHandler, Response } from "express";
import type { Ids, RequestId } from "../engine/ids.ts";

const header = "X-Request-Id";

/** Gives every request an id of ours, whatever the client sent. */
export function requestIds(ids: Ids): RequestHandler {
  return (_request, response, next) => {
    response.setHeader(header, ids.next("req"));
    next();
  };
}

export const requestIdOf = (response: Response) => response.getHeader(header) as RequestId;
