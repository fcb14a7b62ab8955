import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Clock } from "../../clock.ts";
import type { Ids } from "../../ids.ts";
import type { JsonObject } from "../../json.ts";
import { Book, type StandInSettings } from "./book.ts";
import { control } from "./control.ts";
import { requestsOf, type Answer } from "./requests.ts";

export interface StandIn {
  /** What DARAJA_URL would be; its control page is under `/control`. */
  url: string;
  book: Book;
  close(): Promise<void>;
}

const bodyBytesMax = 100_000;

/** Daraja over real HTTP, as far as Sautikit uses it, with M-Pesa and everybody's phones behind it. On loopback. */
export async function startStandIn(parts: {
  clock: Clock;
  ids: Ids;
  settings: StandInSettings;
  port?: number;
}): Promise<StandIn> {
  const book = new Book(parts);
  const requests = requestsOf(book);
  const server = createServer((request, response) => {
    serve(request).then(
      (answer) => send(response, answer),
      () => response.destroy(),
    );
  });

  async function serve(request: IncomingMessage): Promise<Answer> {
    const { method = "", headers } = request;
    const { pathname, searchParams } = new URL(request.url ?? "/", "http://stand-in");
    if (method === "GET" && pathname === "/oauth/v1/generate")
      return requests.token(searchParams.get("grant_type"), headers.authorization);
    const body = await bodyOf(request);
    if (!body)
      return { status: 400, body: { errorCode: "400.002.05", errorMessage: "Invalid Request Payload" } };
    if (pathname.startsWith("/control/")) return control(book, method, pathname, body);
    if (method === "POST") return requests.post(pathname, headers.authorization, body);
    return { status: 404, body: { errorCode: "404.001.01", errorMessage: "Resource not found" } };
  }

  server.listen(parts.port ?? 0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    book,
    async close() {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

function send(response: ServerResponse, answer: Answer): void {
  if (!answer) {
    response.destroy();
    return;
  }
  const { status, body } = answer;
  const html = typeof body === "string";
  response.writeHead(status, { "content-type": html ? "text/html" : "application/json" });
  response.end(html ? body : JSON.stringify(body));
}

/** Null: it is no JSON object. */
async function bodyOf(request: IncomingMessage): Promise<JsonObject | null> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > bodyBytesMax) throw new Error("too long");
    chunks.push(chunk);
  }
  if (bytes === 0) return {};
  try {
    const value: unknown = JSON.parse(Buffer.concat(chunks).toString("utf8"));
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as JsonObject)
      : null;
  } catch {
    return null;
  }
}
