import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Webhook } from "standardwebhooks";
import { verifySautikit } from "../../engine/webhooks/signing.ts";

export interface ReceivedEvent {
  kind: string;
  data: Record<string, unknown>;
  /** Both of our signature and Standard Webhooks', each checked by its own code. */
  verified: boolean;
}

export interface WebhookReceiver {
  url: string;
  close(): Promise<void>;
}

/**
 * A customer's server: takes every event and checks both signatures; at `/voice` it answers as `answer` says, elsewhere
 * OK. Also serves the demo's prompt.
 */
export async function startWebhookReceiver(options: {
  secret: () => string;
  prompt: Buffer;
  answer: (event: ReceivedEvent) => object;
  received: (event: ReceivedEvent) => void;
}): Promise<WebhookReceiver> {
  const server = createServer((request, response) => {
    if (request.method === "GET") {
      response.setHeader("Content-Type", "audio/wav").end(options.prompt);
      return;
    }
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const body = Buffer.concat(chunks).toString("utf8");
      const { kind, data } = JSON.parse(body) as Omit<ReceivedEvent, "verified">;
      const event = { kind, data, verified: verify(request.headers, body, options.secret()) };
      response.end(request.url === "/voice" ? JSON.stringify(options.answer(event)) : "OK");
      options.received(event);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

function verify(
  headers: Record<string, string | string[] | undefined>,
  body: string,
  secret: string,
): boolean {
  const ours = verifySautikit(
    String(headers["x-sautikit-signature"]),
    body,
    secret,
    Math.floor(Date.now() / 1000),
  );
  try {
    new Webhook(secret).verify(body, headers as Record<string, string>);
    return ours;
  } catch {
    return false;
  }
}
