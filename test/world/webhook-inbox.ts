import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { Webhook } from "standardwebhooks";
import { demoPrompt } from "../../cli/demo/prompt.ts";
import { verifySautikit } from "../../engine/webhooks/signing.ts";
import { eventually } from "../peers/waiting.ts";

export interface Told {
  eventId: string;
  kind: string;
  data: Record<string, unknown>;
}

/** One request as it came. */
export interface ReceivedWebhook {
  headers: IncomingHttpHeaders;
  body: string;
}

/**
 * Wanjiru's web server: takes her webhooks, checks both signatures of each, and answers OK. `GET` is a prompt. Events
 * come at least once; an event that came again is kept once.
 */
export class WebhookInbox {
  readonly told = new Map<string, Told>();
  /** All of them, in order, those that came again too. */
  readonly received: ReceivedWebhook[] = [];
  readonly refused: string[] = [];
  readonly secret: string;
  readonly #server: Server;

  private constructor(secret: string) {
    this.secret = secret;
    this.#server = createServer((request, response) => {
      if (request.method === "GET") {
        response.setHeader("Content-Type", "audio/wav").end(demoPrompt());
        return;
      }
      const chunks: Buffer[] = [];
      request.on("error", () => undefined);
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        this.#take(request.headers, Buffer.concat(chunks).toString("utf8"));
        response.end("OK");
      });
    });
  }

  static async open(secret: string): Promise<WebhookInbox> {
    const inbox = new WebhookInbox(secret);
    inbox.#server.listen(0, "127.0.0.1");
    await once(inbox.#server, "listening");
    return inbox;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/events`;
  }

  get promptUrl(): string {
    return this.url.replace("/events", "/prompt.wav");
  }

  #take(headers: IncomingHttpHeaders, body: string): void {
    this.received.push({ headers, body });
    const ours = String(headers["x-sautikit-signature"]);
    if (!verifySautikit(ours, body, this.secret, Math.floor(Date.now() / 1000)))
      this.refused.push(`${ours}: ${body}`);
    try {
      new Webhook(this.secret).verify(body, headers as Record<string, string>);
    } catch (error) {
      this.refused.push(`${String(error)}: ${body}`);
    }
    const {
      event_id: eventId,
      kind,
      data,
    } = JSON.parse(body) as {
      event_id: string;
      kind: string;
      data: Record<string, unknown>;
    };
    this.told.set(eventId, { eventId, kind, data });
  }

  /** What was told of one call, in the order of `data.sequence`. */
  of(callId: string): Told[] {
    return [...this.told.values()]
      .filter(({ data }) => data["call_id"] === callId)
      .sort((a, b) => Number(a.data["sequence"]) - Number(b.data["sequence"]));
  }

  /** Waits until this kind was told of the call so often. */
  kind(callId: string, kind: string, count = 1, withinMs = 20_000): Promise<Told[]> {
    return eventually(
      `${count} ${kind} of ${callId}`,
      () => {
        const found = this.of(callId).filter((told) => told.kind === kind);
        return found.length >= count ? found : undefined;
      },
      { withinMs },
    );
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    if (this.#server.listening) await once(this.#server, "close");
    assert.deepEqual(this.refused, [], "every signature was right");
  }
}
