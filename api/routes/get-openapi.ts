import { z } from "zod";
import { openApiDocument } from "../openapi.ts";
import { isPublic, type Route } from "../route.ts";

export function getOpenApi(routes: () => readonly Route[]): Route {
  let text: string | undefined;
  return isPublic({
    method: "get",
    path: "/v1/openapi.json",
    operationId: "getOpenApi",
    tag: "Public",
    summary: "This document",
    scope: null,
    responses: { 200: { description: "OpenAPI 3.1.", schema: z.record(z.string(), z.unknown()) } },
    errors: [],
    answer() {
      text ??= JSON.stringify(openApiDocument(routes()));
      return Promise.resolve({
        status: 200,
        headers: { "Cache-Control": "public, max-age=300" },
        body: text,
      });
    },
  });
}
