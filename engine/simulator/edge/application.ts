import type { Socket } from "node:net";
import type { Ids } from "../../ids.ts";
import { FrameReader, frame } from "./frames.ts";

/** What an application wants done: `id` is its message's, which the answer names. */
export interface ProxyOrder {
  id: string;
  transaction: string;
  remainInDialog: boolean;
  followRedirects: boolean;
  simultaneous: boolean;
  /** Ms; null: none. */
  provisionalTimeoutMs: number | null;
  destinations: readonly string[];
  headers: Readonly<Record<string, string>>;
}

export interface ResponseOrder {
  id: string;
  transaction: string;
  status: number;
  reason: string;
  headers: Readonly<Record<string, string>>;
  body: string;
}

export interface ApplicationParts {
  secret: string;
  /** `udp/127.0.0.1:5060`: where the server takes SIP. */
  hostport: string;
  ids: Ids;
  proxy(application: Application, order: ProxyOrder): void;
  respond(application: Application, order: ResponseOrder): void;
  gone(application: Application): void;
}

/** One connected application, and drachtio's wire protocol as far as drachtio-srf speaks it for a proxy. */
export class Application {
  readonly #socket: Socket;
  readonly #parts: ApplicationParts;
  readonly #frames = new FrameReader();
  readonly #wanted = new Set<string>();
  #authenticated = false;

  constructor(socket: Socket, parts: ApplicationParts) {
    this.#socket = socket;
    this.#parts = parts;
    socket.on("data", (bytes) => this.#onData(bytes));
    socket.on("error", () => socket.destroy());
    socket.on("close", () => parts.gone(this));
  }

  wants(method: string): boolean {
    return this.#authenticated && this.#wanted.has(method.toLowerCase());
  }

  /** `text` without the id that every message has. */
  send(text: string): void {
    this.#socket.write(frame(`${this.#newId()}|${text}`));
  }

  answer(id: string, text: string): void {
    this.send(`response|${id}|${text}`);
  }

  close(): void {
    this.#socket.destroy();
  }

  #newId(): string {
    return this.#parts.ids.bytes(16).toString("hex");
  }

  #onData(bytes: Buffer): void {
    try {
      for (const message of this.#frames.read(bytes)) this.#take(message);
    } catch {
      this.#socket.destroy();
    }
  }

  #take(message: string): void {
    const [leader = "", ...rest] = message.split("\r\n");
    const [id = "", verb = "", ...tokens] = leader.split("|");
    if (verb === "authenticate") return this.#authenticate(id, tokens[0]);
    if (!this.#authenticated) throw new Error("not authenticated");
    switch (verb) {
      case "ping":
        return this.answer(id, "OK|pong");
      case "route":
        this.#wanted.add(tokens[0] ?? "");
        return this.answer(id, "OK");
      case "proxy":
        return this.#parts.proxy(this, proxyOrder(id, tokens, rest));
      case "sip":
        return this.#parts.respond(this, responseOrder(id, tokens, rest));
      default:
        this.answer(id, "NO|Unknown message type");
        this.#socket.end();
    }
  }

  #authenticate(id: string, secret: string | undefined): void {
    this.#authenticated = secret === this.#parts.secret;
    const { hostport } = this.#parts;
    if (this.#authenticated) return this.answer(id, `OK|${hostport}|v0.9.5-simulator|${hostport}`);
    this.answer(id, "NO|incorrect secret");
    this.#socket.end();
  }
}

/** The SIP text behind it says nothing but the headers to be added. */
function proxyOrder(id: string, tokens: readonly string[], lines: readonly string[]): ProxyOrder {
  const [transaction = "", remain, , redirects, forking, provisional = "", , ...destinations] = tokens;
  const [, digits, unit] = /^(\d+)(ms|s)$/.exec(provisional) ?? [];
  return {
    ...{ id, transaction, destinations },
    remainInDialog: remain === "remainInDialog",
    followRedirects: redirects === "followRedirects",
    simultaneous: forking === "simultaneous",
    provisionalTimeoutMs: digits === undefined ? null : Number(digits) * (unit === "s" ? 1000 : 1),
    headers: headersIn(lines.slice(1)),
  };
}

function responseOrder(id: string, [transaction = ""]: readonly string[], lines: readonly string[]) {
  const [, status, reason = ""] = /^SIP\/2\.0 (\d{3}) (.*)$/.exec(lines[0] ?? "") ?? [];
  // Requests of its own an application of a proxy has none.
  if (status === undefined) throw new Error("no response");
  const end = lines.indexOf("");
  const body = end < 0 ? "" : lines.slice(end + 1).join("\r\n");
  return { id, transaction, status: Number(status), reason, headers: headersIn(lines.slice(1)), body };
}

function headersIn(lines: readonly string[]): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const line of lines) {
    if (line === "") break;
    const [, name, value] = /^([^:\s]+)\s*:\s*(.*)$/.exec(line) ?? [];
    if (name !== undefined && value !== undefined) headers[name.toLowerCase()] = value;
  }
  return headers;
}
