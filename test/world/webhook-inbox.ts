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
  /** Where it came to. */
  path: string;
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
  /** False: a webhook may say that it was signed at another time than now, as where the sender's clock was stepped. */
  judgesTime = true;
  readonly secret: string;
  /** Of other customers of this server, by path. */
  readonly #secrets = new Map<string, string>();
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
        this.#take(request.url ?? "", request.headers, Buffer.concat(chunks).toString("utf8"));
        response.end("OK");
      });
    });
  }

  static async listen(secret: string): Promise<WebhookInbox> {
    const inbox = new WebhookInbox(secret);
    inbox.#server.listen(0, "127.0.0.1");
    await once(inbox.#server, "listening");
    return inbox;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/events`;
  }

  /** The URL below `url` where somebody else is told, with a secret of their own. */
  open(path: string, secret: string): string {
    const url = new URL(`${this.url}/${path}`);
    this.#secrets.set(url.pathname, secret);
    return url.href;
  }

  /** Whose signature is right at that path. */
  secretOf({ path }: ReceivedWebhook): string {
    return this.#secrets.get(path) ?? this.secret;
  }

  get promptUrl(): string {
    return this.url.replace("/events", "/prompt.wav");
  }

  #take(path: string, headers: IncomingHttpHeaders, body: string): void {
    const webhook = { path, headers, body };
    this.received.push(webhook);
    if (this.judgesTime) this.#verify(webhook);
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

  #verify(webhook: ReceivedWebhook): void {
    const { headers, body } = webhook;
    const secret = this.secretOf(webhook);
    const ours = String(headers["x-sautikit-signature"]);
    if (!verifySautikit(ours, body, secret, Math.floor(Date.now() / 1000)))
      this.refused.push(`${ours}: ${body}`);
    try {
      new Webhook(secret).verify(body, headers as Record<string, string>);
    } catch (error) {
      this.refused.push(`${String(error)}: ${body}`);
    }
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
