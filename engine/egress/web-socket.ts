import type { LookupFunction } from "node:net";
import { TLSSocket } from "node:tls";
import { WebSocket } from "ws";
import { EgressError, faultOf } from "./egress-error.ts";

export interface WebSocketRequest {
  /** ws or wss; the certificate of the latter is verified. */
  url: string;
  headers: Readonly<Record<string, string>>;
  /** Until the handshake is over: name look-up, connection, TLS, HTTP's answer. */
  timeoutMs: number;
  /** A longer message ends the connection (1009). */
  messageBytesMax: number;
  signal?: AbortSignal;
}

interface Connecting {
  host?: string | null | undefined;
  lookup?: LookupFunction | undefined;
  headers: Readonly<Record<string, string>>;
  messageBytesMax: number;
  /** Its reason is the EgressError to fail with. */
  signal: AbortSignal;
}

/** Opens it to addresses that were checked: `lookup` gives no others. */
export function openSocket(url: URL, connecting: Connecting): Promise<WebSocket> {
  const { host, lookup, headers, messageBytesMax, signal } = connecting;
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason as EgressError);
    let handshake = url.protocol === "wss:";
    const socket = new WebSocket(url, {
      ...{ host, lookup, headers, maxPayload: messageBytesMax },
      // As for each request of ours: see `connectOnlyTo`.
      ...{ agent: false, autoSelectFamilyAttemptTimeout: 2000 },
      followRedirects: false,
      // A compressed message may be a thousand times as large as what came.
      perMessageDeflate: false,
      // A message a turn: whoever sends thousands at once holds up nobody else for long.
      allowSynchronousEvents: false,
      finishRequest(request) {
        request.on("socket", (stream) => {
          if (stream instanceof TLSSocket) stream.once("secureConnect", () => (handshake = false));
        });
        request.end();
      },
    });
    const settle = (done: () => void) => {
      signal.removeEventListener("abort", giveUp);
      done();
    };
    const fail = (error: EgressError) =>
      settle(() => {
        reject(error);
        socket.terminate();
      });
    const giveUp = () => fail(signal.reason as EgressError);
    signal.addEventListener("abort", giveUp, { once: true });
    socket.on("error", (error: NodeJS.ErrnoException) => {
      const first = error instanceof AggregateError ? (error.errors[0] as NodeJS.ErrnoException) : error;
      fail(new EgressError(faultOf(first, { handshake }), first.message, { cause: error }));
    });
    socket.on("unexpected-response", (_request, { statusCode }) => {
      const message = `The answer was HTTP ${statusCode ?? 0} in place of a WebSocket.`;
      fail(new EgressError("protocol", message, statusCode === undefined ? {} : { status: statusCode }));
    });
    socket.on("open", () => {
      socket.pause();
      settle(() => resolve(socket));
    });
  });
}
