import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Document } from "../../engine/actions/document.ts";
import { eventually } from "./waiting.ts";

/** A question, or an event, as it came to a customer's voice URL. */
export interface AskedQuestion {
  path: string;
  method: string;
  headers: IncomingHttpHeaders;
  text: string;
  /** Empty for a GET. */
  body: { kind?: string; event_id?: string; data?: Record<string, unknown> } & Record<string, unknown>;
  atMs: number;
}

/** `never`: the request is left open. */
export type Reply = { status?: number; text?: string; headers?: Record<string, string> } | "never";
type Answers = (question: AskedQuestion) => Reply | object | Promise<Reply | object>;

/**
 * A customer's server: what it says to each request is the test's, by a function or, kind by kind, by {@link answer}; else
 * `OK`. All that came is kept.
 */
export class VoiceServer {
  readonly asked: AskedQuestion[] = [];
  readonly #server: Server;
  readonly #answers: Answers;
  readonly #told = new Map<string, Reply | object>();
  readonly #holds = new Map<string, Promise<void>>();

  private constructor(answers: Answers) {
    this.#answers = answers;
    this.#server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on("error", () => undefined);
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => void answer());
      const answer = async () => {
        const text = Buffer.concat(chunks).toString("utf8");
        const { url = "/", method = "POST", headers } = request;
        const body = (text === "" ? {} : JSON.parse(text)) as AskedQuestion["body"];
        const question = { path: url, method, headers, text, body, atMs: Date.now() };
        this.asked.push(question);
        await this.#holds.get(String(body.kind));
        const told = this.#told.get(`${url} ${body.kind}`) ?? this.#told.get(String(body.kind));
        const reply: Reply | object = told ?? (await this.#answers(question));
        if (reply === "never") return;
        if ("status" in reply || "text" in reply) {
          const { status = 200, text = "", headers: more } = reply;
          response.writeHead(status, more).end(text);
        } else response.writeHead(200, { "Content-Type": "application/json" }).end(JSON.stringify(reply));
      };
    });
  }

  /** Answers by `answers`: a document `{actions: …}`, or a status and a text. */
  static async open(answers: Answers = () => ({ text: "OK" })): Promise<VoiceServer> {
    const server = new VoiceServer(answers);
    server.#server.listen(0, "127.0.0.1");
    await once(server.#server, "listening");
    return server;
  }

  url(path = "/voice"): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}${path}`;
  }

  /** From now on, what a kind of question (`call.digits`), or one at a path (`/voice call.digits`), is answered. */
  answer(which: string, reply: Reply | Document | object): void {
    this.#told.set(which, Array.isArray(reply) ? { actions: reply } : reply);
  }

  /** No question of that kind is answered before. */
  hold(kind: string, until: Promise<void>): void {
    this.#holds.set(kind, until);
  }

  of(kind: string): AskedQuestion[] {
    return this.asked.filter(({ body }) => body.kind === kind);
  }

  /** Every question and event of one call that came. */
  ofCall(callId: string): AskedQuestion[] {
    return this.asked.filter(({ body }) => body.data?.["call_id"] === callId);
  }

  /** The first question of that kind in the call. */
  question(callId: string, kind: string, withinMs = 15_000): Promise<AskedQuestion> {
    return eventually(
      `${kind} of ${callId}`,
      () => this.ofCall(callId).find(({ body }) => body.kind === kind),
      { withinMs, everyMs: 10 },
    );
  }

  /** The first question of that kind in a call from there. */
  questionFrom(from: string, kind: string): Promise<AskedQuestion> {
    return eventually(`the question ${kind} of the call from ${from}`, () =>
      this.of(kind).find(({ body }) => body["From"] === from),
    );
  }

  until(kind: string, count = 1): Promise<AskedQuestion[]> {
    return eventually(`${count} ${kind}`, () => {
      const found = this.of(kind);
      return found.length >= count ? found : undefined;
    });
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    if (this.#server.listening) await once(this.#server, "close");
  }
}
