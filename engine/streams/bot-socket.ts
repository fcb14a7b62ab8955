import type { RawData, WebSocket } from "ws";
import type { Clock, Timer } from "../clock.ts";
import { Allowance, type Rate } from "./allowance.ts";
import { readBotMessage, type BotMessage } from "./messages.ts";
import { StreamEnd } from "./stream-end.ts";

/** 30 s of audio in one message at 16 kHz, in base64. */
export const messageBytesMax = 1_310_720;
/** Three minutes of speech in 20 ms pieces at once, and four times the pace of speech after that. */
const messages: Rate = { burst: 10_000, perSecond: 200 };
const bytes: Rate = { burst: 16 * 1024 * 1024, perSecond: 256 * 1024 };
/** What waits for a bot that does not read: 5 s of audio at 16 kHz, 17 s at 8. Then audio is left out. */
const waitingBytesMax = 256 * 1024;
const pingEveryMs = 5_000;
const pongMsMax = 15_000;
/** A bot has so long to answer our close. */
const closingMsMax = 1_000;

interface Listener {
  onMessage(message: BotMessage): void;
  onEnd(end: StreamEnd): void;
}

/** The WebSocket to a bot, within its bounds: what comes is counted, what waits to go is, and a dead one is found. */
export class BotSocket {
  readonly #socket: WebSocket;
  readonly #clock: Clock;
  readonly #listener: Listener;
  readonly #messages: Allowance;
  readonly #bytes: Allowance;
  readonly #gone = Promise.withResolvers<undefined>();
  #ping: Timer | undefined;
  #pongAtMs: number;
  #over = false;

  /** Takes a socket that is paused. */
  constructor(socket: WebSocket, clock: Clock, listener: Listener) {
    this.#socket = socket;
    this.#clock = clock;
    this.#listener = listener;
    this.#messages = new Allowance(messages, clock);
    this.#bytes = new Allowance(bytes, clock);
    this.#pongAtMs = clock.monotonicMs();
    socket.on("message", (data, isBinary) => this.#onMessage(data, isBinary));
    socket.on("ping", (data) => this.#within(data.length));
    socket.on("pong", (data) => {
      this.#pongAtMs = clock.monotonicMs();
      this.#within(data.length);
    });
    socket.on("error", (error: NodeJS.ErrnoException) => {
      // A message, or its pieces, larger than may be; anything else that ends a socket comes as its close.
      if (/^WS_ERR_(UNSUPPORTED_MESSAGE_LENGTH|TOO_MANY)/.test(error.code ?? ""))
        this.#end(new StreamEnd("flooded"));
    });
    socket.on("close", (code) => {
      this.#ping?.cancel();
      this.#gone.resolve(undefined);
      // 1005: closed without a code. 1006: not closed at all.
      this.#end(
        code === 1006
          ? new StreamEnd("connection_lost")
          : new StreamEnd("bot_closed", { closeCode: code === 1005 ? null : code }),
      );
    });
    this.#armPing();
    socket.resume();
  }

  /** `full`: so much waits already that this does not go. */
  send(text: string): "sent" | "full" | "gone" {
    if (this.#socket.readyState !== this.#socket.OPEN) return "gone";
    if (this.#socket.bufferedAmount > waitingBytesMax) return "full";
    // What is wrong with it is told by its close.
    this.#socket.send(text, () => undefined);
    return "sent";
  }

  /** With a last message and the close handshake, or without it after a second. */
  async close(last: string, code: number, reason: string): Promise<void> {
    this.#over = true;
    this.send(last);
    this.#socket.close(code, reason);
    const timer = this.#clock.after(closingMsMax, () => this.#socket.terminate());
    await this.#gone.promise;
    timer.cancel();
  }

  #onMessage(data: RawData, isBinary: boolean): void {
    if (this.#over) return;
    const text = data as Buffer;
    if (!this.#within(text.length)) return;
    const message = isBinary ? null : readBotMessage(text.toString("utf8"));
    if (message) this.#listener.onMessage(message);
  }

  /** Pings and pongs are counted as messages are. False: that was too much, and is the end. */
  #within(length: number): boolean {
    if (this.#messages.take(1) && this.#bytes.take(length)) return true;
    this.#end(new StreamEnd("flooded"));
    return false;
  }

  #armPing(): void {
    this.#ping = this.#clock.after(pingEveryMs, () => {
      if (this.#over) return;
      if (this.#clock.monotonicMs() - this.#pongAtMs > pongMsMax)
        return this.#end(new StreamEnd("bot_silent"));
      this.#socket.ping(undefined, undefined, () => undefined);
      this.#armPing();
    });
  }

  #end(end: StreamEnd): void {
    if (this.#over) return;
    this.#over = true;
    this.#ping?.cancel();
    this.#listener.onEnd(end);
  }
}
