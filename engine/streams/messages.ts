import type { JsonObject } from "../json.ts";

/** What a bot may say. Anything else is nothing: bots send keep-alives and notes of their own. */
export type BotMessage =
  { kind: "media"; payload: Buffer } | { kind: "mark"; name: string } | { kind: "clear" };

const markLengthMax = 256;

/** Null: nothing that we know. */
export function readBotMessage(text: string): BotMessage | null {
  const message = parsed(text);
  switch (message?.["event"]) {
    case "media": {
      const payload = fieldOf(message, "media", "payload");
      return payload === null ? null : { kind: "media", payload: Buffer.from(payload, "base64") };
    }
    case "mark": {
      const name = fieldOf(message, "mark", "name");
      return name === null || name.length > markLengthMax ? null : { kind: "mark", name };
    }
    case "clear":
      return { kind: "clear" };
    default:
      return null;
  }
}

function parsed(text: string): Record<string, unknown> | null {
  try {
    const message: unknown = JSON.parse(text);
    return typeof message === "object" && message !== null ? (message as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

function fieldOf(message: Record<string, unknown>, of: string, name: string): string | null {
  const inner = message[of];
  const value =
    typeof inner === "object" && inner !== null ? (inner as Record<string, unknown>)[name] : undefined;
  return typeof value === "string" ? value : null;
}

export type Track = "inbound" | "outbound";

/** What we say to a bot, in the messages of Twilio's Media Streams: numbers in them are strings, as there. */
export class MessageWriter {
  readonly #stream: string;
  #sequence = 0;
  readonly #chunks: Record<Track, number> = { inbound: 0, outbound: 0 };

  constructor(stream: string) {
    this.#stream = stream;
  }

  connected = (): string => JSON.stringify({ event: "connected", protocol: "Call", version: "1.0.0" });

  start = (start: JsonObject): string => this.#message("start", { streamSid: this.#stream, ...start });

  /** `atMs`: since the stream began. */
  media(track: Track, payload: Buffer, atMs: number): string {
    const chunk = String(++this.#chunks[track]);
    return this.#message("media", {
      ...{ track, chunk, timestamp: String(atMs) },
      payload: payload.toString("base64"),
    });
  }

  dtmf = (digit: string): string => this.#message("dtmf", { track: "inbound_track", digit });

  mark = (name: string): string => this.#message("mark", { name });

  stop = (stop: JsonObject): string => this.#message("stop", stop);

  #message(event: string, what: JsonObject): string {
    const sequenceNumber = String(++this.#sequence);
    return JSON.stringify({ event, sequenceNumber, streamSid: this.#stream, [event]: what });
  }
}
