import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { until } from "./until.ts";

export interface Received {
  method: string;
  path: string;
  headers: Record<string, string>;
  body: string;
  atMs: number;
}

type Behaviour = (received: Received, response: ServerResponse, request: IncomingMessage) => void;

/** A customer's web server: real HTTP on a free port, that keeps what it was told and answers as it is bidden. */
export class Receiver {
  readonly received: Received[] = [];
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  behaviour: Behaviour;

  private constructor(behaviour: Behaviour) {
    this.behaviour = behaviour;
    this.#server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("error", () => undefined);
      request.on("end", () => {
        const received: Received = {
          method: request.method ?? "",
          path: request.url ?? "",
          headers: request.headers as Record<string, string>,
          body: Buffer.concat(chunks).toString("utf8"),
          atMs: Date.now(),
        };
        this.received.push(received);
        this.behaviour(received, response, request);
      });
    });
    this.#server.on("connection", (socket) => {
      this.#sockets.add(socket);
      socket.on("error", () => undefined);
      socket.on("close", () => this.#sockets.delete(socket));
    });
  }

  static async listen(behaviour: Behaviour = ok, port = 0, host = "127.0.0.1"): Promise<Receiver> {
    const receiver = new Receiver(behaviour);
    await new Promise<void>((resolve) => receiver.#server.listen(port, host, resolve));
    return receiver;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  url(path = "/hook"): string {
    return `http://127.0.0.1:${this.port}${path}`;
  }

  /** How many sockets are open now. */
  get open(): number {
    return this.#sockets.size;
  }

  /** Waits until so many requests have come. */
  async told(count: number): Promise<Received[]> {
    await until(() => this.received.length >= count, `${count} requests, had ${this.received.length}`);
    return this.received;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

export const ok: Behaviour = (_received, response) => void response.end("ok");
export const failing: Behaviour = (_received, response) => void response.writeHead(500).end("out of order");
export const hanging: Behaviour = () => undefined;
