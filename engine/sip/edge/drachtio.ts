import { once } from "node:events";
import { connect, Server, type Socket } from "node:net";
import Srf from "drachtio-srf";
import type { Clock } from "../../clock.ts";
import type { Ids } from "../../ids.ts";
import type { Log } from "../../log.ts";
import type { Asked } from "./admission.ts";

export interface DrachtioAddress {
  host: string;
  port: number;
  secret: string;
}

/** A request outside of dialogs that waits for a decision. */
export interface EdgeRequest extends Asked {
  sipCallId: string;
  /** Whoever sent it has given up: nothing is to be done any more. */
  readonly cancelled: boolean;
  answer(status: number, headers?: Readonly<Record<string, string>>): void;
  /** Sends it on: to the next of them where one is silent, or refuses. Resolves to the final status. */
  proxy(how: ProxyHow): Promise<number | null>;
}

export interface ProxyHow {
  /** SIP URIs of addresses, in order. */
  destinations: readonly string[];
  /** Stays on the dialog's way (Record-Route). */
  recordRoute: boolean;
  /** Of a destination that answers nothing, not even 100; without it a dead one is waited for for half a minute. */
  silenceMs: number;
  /** Added to the request. */
  headers?: Readonly<Record<string, string>>;
}

export interface DrachtioOptions extends DrachtioAddress {
  clock: Clock;
  ids: Ids;
  log: Log;
  onRequest(request: EdgeRequest): void;
}

const methods = [
  ...["invite", "options", "register", "message", "subscribe", "notify", "publish", "info"],
] as const;

const retryMsMin = 100;
const retryMsMax = 5_000;
const connectMsMax = 5_000;
const pingEveryMs = 2_000;
/** A server that says nothing for so long, not even to a ping, hangs. */
const silenceMsMax = 6_000;

/** What of drachtio-srf is used, and its own types leave out. */
interface Application {
  on(event: "connect", listener: (error: Error | null) => void): void;
  use(listener: (request: SrfRequest, response: SrfResponse) => void): void;
  listen(options: { server: Server; secret: string }): void;
  proxyRequest(
    request: SrfRequest,
    destinations: string[],
    options: Record<string, unknown>,
  ): Promise<{ finalStatus?: number }>;
}

interface SrfRequest {
  method: string;
  uri: string;
  headers: Record<string, string>;
  source_address: string;
  source_port: number;
  get(name: string): string | undefined;
  on(event: "cancel", listener: () => void): void;
}

interface SrfResponse {
  send(status: number, options: { headers: Record<string, string> }): void;
}

/** The connection to drachtio-server, kept up while started. */
export class Drachtio {
  readonly #options: DrachtioOptions;
  #stopped = new AbortController();
  #socket: Socket | null = null;
  #running: Promise<void> = Promise.resolve();
  #connected = false;

  constructor(options: DrachtioOptions) {
    this.#options = options;
  }

  /** It let us in, and answers. */
  get connected(): boolean {
    return this.#connected;
  }

  /** After a stop too. */
  start(): void {
    this.#stopped = new AbortController();
    this.#running = this.#run();
  }

  /** New requests are refused by the server from then on; calls go on. */
  async stop(): Promise<void> {
    this.#stopped.abort();
    this.#socket?.destroy();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { clock, log } = this.#options;
    const { signal } = this.#stopped;
    const stopped = () => signal.aborted;
    let delayMs = retryMsMin;
    while (!stopped()) {
      const wasIn = await this.#connectOnce();
      if (stopped()) return;
      if (wasIn || delayMs === retryMsMin)
        log.warn({ wasConnected: wasIn }, "the trunk edge is not connected");
      delayMs = wasIn ? retryMsMin : Math.min(delayMs * 2, retryMsMax);
      await clock.sleep(delayMs, signal).catch(() => undefined);
    }
  }

  /** Resolves once the connection is over; whether it was let in. Never rejects. */
  async #connectOnce(): Promise<boolean> {
    const { host, port, clock, log } = this.#options;
    const socket = connect({ host, port, noDelay: true, keepAlive: true });
    this.#socket = socket;
    const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
    socket.on("error", () => socket.destroy());
    const timer = clock.after(connectMsMax, () => socket.destroy());
    let wasIn = false;
    try {
      const opened = await Promise.race([once(socket, "connect").then(() => true), closed.then(() => false)]);
      if (!opened) return false;
      this.#serve(socket, () => {
        wasIn = true;
        timer.cancel();
        this.#connected = true;
        log.info({ host, port }, "trunk edge connected");
      });
      await closed;
      return wasIn;
    } catch {
      return wasIn;
    } finally {
      timer.cancel();
      socket.destroy();
      this.#connected = false;
    }
  }

  /**
   * A fresh application for each connection, and as if the server had dialled it: so the socket is ours to watch, and a
   * frame that it cannot read closes that connection. As a client drachtio-srf would throw it into the process.
   */
  #serve(socket: Socket, onIn: () => void): void {
    const { log, secret } = this.#options;
    const application = new Srf() as unknown as Application;
    application.use((request, response) => {
      this.#options.onRequest(requestOf(application, request, response));
    });
    application.on("connect", (error) => {
      if (error !== null) {
        log.error("the trunk edge refuses the secret of DRACHTIO_URL");
        socket.destroy();
        return;
      }
      for (const method of methods) this.#say(socket, `route|${method}`);
      onIn();
    });
    const server = new Server();
    application.listen({ server, secret });
    // It is half closed where a frame could not be read; no more is to come of that.
    socket.once("finish", () => socket.destroy());
    this.#watch(socket);
    server.emit("connection", socket);
  }

  #watch(socket: Socket): void {
    const { clock } = this.#options;
    let heardMs = clock.monotonicMs();
    socket.on("data", () => (heardMs = clock.monotonicMs()));
    const look = () => {
      if (socket.destroyed) return;
      if (clock.monotonicMs() - heardMs > silenceMsMax) {
        socket.destroy();
        return;
      }
      if (this.#connected) this.#say(socket, "ping");
      clock.after(pingEveryMs, look);
    };
    clock.after(pingEveryMs, look);
  }

  #say(socket: Socket, text: string): void {
    const message = `${this.#options.ids.bytes(16).toString("hex")}|${text}`;
    if (!socket.destroyed) socket.write(`${Buffer.byteLength(message)}#${message}`);
  }
}

function requestOf(application: Application, request: SrfRequest, response: SrfResponse): EdgeRequest {
  let cancelled = false;
  request.on("cancel", () => (cancelled = true));
  return {
    method: request.method,
    uri: request.uri,
    source: { host: request.source_address, port: request.source_port },
    headerNames: Object.keys(request.headers),
    sipCallId: (request.get("call-id") ?? "").slice(0, 256),
    get cancelled() {
      return cancelled;
    },
    answer: (status, headers = {}) => response.send(status, { headers: { ...headers } }),
    async proxy({ destinations, recordRoute, silenceMs, headers }) {
      const result = await application.proxyRequest(request, [...destinations], {
        remainInDialog: recordRoute,
        provisionalTimeout: `${silenceMs}ms`,
        followRedirects: false,
        ...(headers && { headers: { ...headers } }),
      });
      return result.finalStatus ?? null;
    },
  };
}
