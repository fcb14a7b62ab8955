import type { Express } from "express";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Clock } from "../engine/clock.ts";

export interface HttpServer {
  /** `http://127.0.0.1:8080`, with the port that was given. */
  url: string;
  port: number;
  /** Takes nothing new, lets what runs answer, and cuts off what has not after `graceMs`. Twice is once. */
  close(graceMs?: number): Promise<void>;
}

/** A slow client holds a connection for so long and no longer. */
const headersMs = 10_000;
const requestMs = 30_000;
/** Longer than the minute that load balancers keep idle connections, so that it is they who close them. */
const keepAliveMs = 65_000;
/** Whoever holds more takes no descriptor from the calls, the media server and the database. */
const connectionsMaxDefault = 10_000;
/** What clients have asked for and do not take: of one answer so long, and of all so much. */
const untakenMs = 60_000;
const untakenBytesMaxDefault = 128 * 1024 * 1024;
/** A process has 8 s to end: time is left to close what is behind the servers. */
const graceMsDefault = 5_000;

/**
 * Listens on `host` and `port`; port 0 is a free one. Connections beyond `connectionsMax` are closed at once, and where answers that
 * nobody takes come to more than `untakenBytesMax`, those that have waited longest.
 */
export async function listen(
  app: Express,
  {
    host,
    port,
    clock,
    connectionsMax = connectionsMaxDefault,
    untakenBytesMax = untakenBytesMaxDefault,
  }: { host: string; port: number; clock: Clock; connectionsMax?: number; untakenBytesMax?: number },
): Promise<HttpServer> {
  const server = createServer(
    {
      headersTimeout: headersMs,
      requestTimeout: requestMs,
      // Node looks each half minute by default, and would let a slow head have that long.
      connectionsCheckingInterval: 1_000,
      keepAliveTimeout: keepAliveMs,
      maxHeaderSize: 16_384,
    },
    app,
  );
  server.maxConnections = connectionsMax;
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => {
      server.off("error", reject);
      resolve();
    });
  });
  let closing: Promise<void> | null = null;
  const untaken = new Untaken(clock, untakenBytesMax);
  // Before the app, which may answer at once.
  server.prependListener("request", (_request, response) => {
    untaken.watch(response);
    // A connection kept alive would hold a closing server until its client let go.
    response.once("close", () => {
      if (closing) setImmediate(() => server.closeIdleConnections());
    });
  });
  const address = server.address() as AddressInfo;
  const shown = address.family === "IPv6" ? `[${address.address}]` : address.address;
  return {
    url: `http://${shown}:${address.port}`,
    port: address.port,
    close: (graceMs = graceMsDefault) => (closing ??= stop(server, clock, graceMs)),
  };
}

function stop(server: Server, clock: Clock, graceMs: number): Promise<void> {
  return new Promise((resolve) => {
    const cut = clock.after(graceMs, () => server.closeAllConnections());
    server.close(() => {
      cut.cancel();
      resolve();
    });
    server.closeIdleConnections();
  });
}

/**
 * Answers that are whole and wait for their clients to take them: whoever asks and does not read would have this process keep
 * all that they ask for, without end. What is made as it is taken (CSV) keeps a page, and is not among them.
 */
class Untaken {
  readonly #clock: Clock;
  readonly #bytesMax: number;
  /** The longest waiting first. */
  readonly #answers = new Set<ServerResponse>();

  constructor(clock: Clock, bytesMax: number) {
    this.#clock = clock;
    this.#bytesMax = bytesMax;
  }

  watch(response: ServerResponse): void {
    // All of it was written, and handed on as far as the client takes it.
    response.once("prefinish", () => {
      if (response.writableFinished) return;
      this.#answers.add(response);
      const late = this.#clock.after(untakenMs, () => response.destroy());
      const over = () => {
        late.cancel();
        this.#answers.delete(response);
      };
      response.once("finish", over).once("close", over);
      this.#makeRoom();
    });
  }

  #makeRoom(): void {
    let bytes = 0;
    for (const answer of this.#answers) bytes += waiting(answer);
    for (const answer of this.#answers) {
      if (bytes <= this.#bytesMax) return;
      bytes -= waiting(answer);
      this.#answers.delete(answer);
      answer.destroy();
    }
  }
}

const waiting = ({ socket }: ServerResponse): number => socket?.writableLength ?? 0;
