import { once } from "node:events";
import type { IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import alawmulaw from "alawmulaw";
import { WebSocketServer, type WebSocket } from "ws";
import { eventually } from "./waiting.ts";

export interface BotMessage {
  event: string;
  sequenceNumber?: string;
  streamSid?: string;
  start?: Record<string, unknown>;
  media?: { track: string; chunk: string; timestamp: string; payload: string };
  dtmf?: { track: string; digit: string };
  mark?: { name: string };
  stop?: { reason: string };
  /** When it came, monotonic ms. */
  atMs: number;
}

/** One connection to a bot: what it was told, and its own end of it. */
export class BotCall {
  readonly socket: WebSocket;
  readonly headers: IncomingHttpHeaders;
  readonly messages: BotMessage[] = [];
  closed: { code: number; reason: string } | null = null;
  /** Decoded as it comes: whoever waits for something in it looks often. */
  readonly #heard = new Map<string, Int16Array[]>();

  constructor(socket: WebSocket, headers: IncomingHttpHeaders) {
    this.socket = socket;
    this.headers = headers;
    socket.on("error", () => undefined);
    socket.on("message", (text) => {
      const message = JSON.parse((text as Buffer).toString("utf8")) as BotMessage;
      this.messages.push({ ...message, atMs: performance.now() });
      if (message.media) this.#hear(message.media);
    });
    socket.on("close", (code, reason) => (this.closed = { code, reason: reason.toString("utf8") }));
  }

  #hear({ track, payload }: NonNullable<BotMessage["media"]>): void {
    const pieces = this.#heard.get(track) ?? [];
    pieces.push(alawmulaw.mulaw.decode(Buffer.from(payload, "base64")));
    this.#heard.set(track, pieces);
  }

  say(message: object): void {
    this.socket.send(JSON.stringify(message));
  }

  /** Samples at 8 kHz, as µ-law; in pieces of 20 ms, or as large as wanted. */
  speak(pcm: Int16Array, pieceSamples = 160): void {
    for (let at = 0; at < pcm.length; at += pieceSamples) {
      const payload = alawmulaw.mulaw.encode(pcm.subarray(at, at + pieceSamples));
      this.say({ event: "media", media: { payload: Buffer.from(payload).toString("base64") } });
    }
  }

  of(event: string): BotMessage[] {
    return this.messages.filter((message) => message.event === event);
  }

  /** One piece of what the party said, in the order of its chunks. */
  frame = (index: number): Int16Array => this.#heard.get("inbound")?.[index] ?? new Int16Array(0);

  /** The audio of one track, decoded from µ-law; or the last so many ms of it. */
  heard(track = "inbound", lastMs = Infinity): Int16Array {
    const pieces = (this.#heard.get(track) ?? []).slice(lastMs === Infinity ? 0 : -lastMs / 20);
    const samples = new Int16Array(pieces.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const piece of pieces) {
      samples.set(piece, at);
      at += piece.length;
    }
    return samples;
  }

  /** The same at 16 kHz, linear. */
  heardLinear(): Int16Array {
    const media = this.of("media").map(({ media }) => Buffer.from(media?.payload ?? "", "base64"));
    const bytes = Buffer.concat(media);
    return Int16Array.from({ length: bytes.length / 2 }, (_, index) => bytes.readInt16LE(index * 2));
  }

  until(what: string, when: () => boolean, withinMs = 10_000): Promise<true> {
    return eventually(`the bot's ${what}`, () => (when() ? true : undefined), {
      withinMs,
      everyMs: 20,
    }).catch((error: unknown) => {
      const seen = this.messages.map(({ event }) => event).filter((event) => event !== "media");
      throw new Error(`${String(error)}; it saw ${seen.join(", ")} and ${this.of("media").length} media`);
    });
  }
}

/** Some ms of a tone, at -12 dBFS. */
export const toneOf = (hz: number, ms: number, rateHz = 8000): Int16Array =>
  Int16Array.from({ length: (ms * rateHz) / 1000 }, (_, index) =>
    Math.round(8230 * Math.sin((2 * Math.PI * hz * index) / rateHz)),
  );

/** A WebSocket server that takes any call; `onCall` says how it behaves. */
export async function startBot(onCall: (call: BotCall) => void = () => undefined, port = 0) {
  const calls: BotCall[] = [];
  const server = new WebSocketServer({ port, host: "127.0.0.1" });
  await once(server, "listening");
  server.on("connection", (socket, request) => {
    const call = new BotCall(socket, request.headers);
    calls.push(call);
    onCall(call);
  });
  return {
    url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}/media?of=wanjiru`,
    calls,
    call: (nth = 1): Promise<BotCall> =>
      eventually(`connection ${nth} to the bot`, () => calls[nth - 1], { withinMs: 15_000, everyMs: 10 }),
    stop(): void {
      for (const { socket } of calls) socket.terminate();
      server.close();
    },
  };
}
