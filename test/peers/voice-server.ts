import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { eventually } from "./waiting.ts";

/** A question, or an event, as it came to a customer's voice URL. */
export interface AskedQuestion {
  path: string;
  method: string;
  headers: IncomingHttpHeaders;
  text: string;
  /** Empty for a GET. */
  body: { kind?: string; event_id?: string; data?: Record<string, unknown> } & Record<string, unknown>;
}

/** `never`: the request is left open. */
export type Reply = { status?: number; text?: string; headers?: Record<string, string> } | "never";
type Answers = (question: AskedQuestion) => Reply | object | Promise<Reply | object>;

/** A customer's server: what it says to each request is the test's, and all that came is kept. */
export class VoiceServer {
  readonly asked: AskedQuestion[] = [];
  readonly #server: Server;
  readonly #answers: Answers;

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
        const question = { path: url, method, headers, text, body };
        this.asked.push(question);
        const reply = await this.#answers(question);
        if (reply === "never") return;
        if ("status" in reply || "text" in reply) {
          const { status = 200, text = "", headers: more } = reply;
          response.writeHead(status, more).end(text);
        } else response.writeHead(200, { "Content-Type": "application/json" }).end(JSON.stringify(reply));
      };
    });
  }

  /** Answers by `answers`: a document `{actions: …}`, or a status and a text. */
  static async open(answers: Answers): Promise<VoiceServer> {
    const server = new VoiceServer(answers);
    server.#server.listen(0, "127.0.0.1");
    await once(server.#server, "listening");
    return server;
  }

  url(path = "/voice"): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}${path}`;
  }

  of(kind: string): AskedQuestion[] {
    return this.asked.filter(({ body }) => body.kind === kind);
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
