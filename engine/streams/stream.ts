import type { StreamRequest } from "../calls/command.ts";
import type { Clock, Timer } from "../clock.ts";
import type { JsonObject } from "../json.ts";
import { Beat, silence } from "./beat.ts";
import type { BotSocket } from "./bot-socket.ts";
import type { ForkPort } from "./fork-port.ts";
import { MessageWriter, type BotMessage, type Track } from "./messages.ts";
import { Playout } from "./playout.ts";
import { createCoder, mediaFormatOf, type Coder } from "./sound-format.ts";
import { StreamEnd } from "./stream-end.ts";

/** 20 ms frames: to the bot, from it, and left out since it did not read. */
export interface Counts {
  sent: number;
  received: number;
  dropped: number;
}

/** The switch sends a frame every 20 ms for as long as the leg is parked. */
const framesMissingMsMax = 5_000;

/** One stream that runs: the switch's frames to the bot, and, if it is connected, what the bot says to the party. */
export class Stream {
  readonly counts: Counts = { sent: 0, received: 0, dropped: 0 };
  readonly #request: StreamRequest;
  readonly #clock: Clock;
  readonly #onEnd: (end: StreamEnd) => void;
  readonly #writer: MessageWriter;
  readonly #playout = new Playout();
  readonly #beat: Beat;
  readonly #coders: Record<Track | "fromBot", Coder>;
  #bot: BotSocket | null = null;
  #port: ForkPort | null = null;
  #startedMs = 0;
  #frameAtMs = 0;
  #watch: Timer | undefined;

  constructor(id: string, request: StreamRequest, clock: Clock, onEnd: (end: StreamEnd) => void) {
    this.#request = request;
    this.#clock = clock;
    this.#onEnd = onEnd;
    this.#writer = new MessageWriter(id);
    this.#beat = new Beat(clock);
    const coder = () => createCoder(request.samplingRate);
    this.#coders = { inbound: coder(), outbound: coder(), fromBot: coder() };
  }

  /** The bot is there: it may speak from now on. */
  greet(bot: BotSocket): void {
    this.#bot = bot;
    bot.send(this.#writer.connected());
  }

  /** The switch's audio is there too. */
  start(port: ForkPort, about: JsonObject): void {
    const { track, samplingRate, name, metadata } = this.#request;
    this.#port = port;
    this.#startedMs = this.#frameAtMs = this.#clock.monotonicMs();
    this.#bot?.send(
      this.#writer.start({
        ...about,
        ...(name === null ? {} : { name }),
        tracks: tracksOf(track),
        mediaFormat: mediaFormatOf(samplingRate),
        customParameters: metadata,
      }),
    );
    port.onFrame((pcm) => this.#onFrame(pcm));
    this.#armWatch();
  }

  digit(digit: string): void {
    if (this.#port) this.#bot?.send(this.#writer.dtmf(digit));
  }

  onMessage(message: BotMessage): void {
    if (!this.#request.connect) return;
    switch (message.kind) {
      case "media": {
        const pcm = this.#coders.fromBot.decode(message.payload);
        this.counts.received++;
        if (!this.#playout.push(pcm)) this.#onEnd(new StreamEnd("flooded"));
        return;
      }
      case "mark":
        if (!this.#playout.mark(message.name)) this.#onEnd(new StreamEnd("flooded"));
        return;
      case "clear":
        return this.#marks(this.#playout.clear());
    }
  }

  /** Nothing more is heard or said. `why` is told to the bot, if it is still there. */
  async end(why: string, code: number): Promise<void> {
    this.#watch?.cancel();
    this.#port?.close();
    this.#port = null;
    await this.#bot?.close(this.#writer.stop({ reason: why }), code, why);
  }

  #onFrame(said: Int16Array): void {
    this.#frameAtMs = this.#clock.monotonicMs();
    const { track, connect } = this.#request;
    if (track !== "outbound_track") this.#media("inbound", said);
    for (let due = this.#beat.due(); due > 0; due--) {
      const { frame, marks } = connect ? this.#playout.next() : { frame: null, marks: [] };
      const heard = frame ?? silence;
      // Silence too, so that packets go out at an even pace and what comes next is not late.
      if (connect) this.#port?.send(heard);
      if (track !== "inbound_track") this.#media("outbound", heard);
      this.#marks(marks);
    }
  }

  #media(track: Track, pcm: Int16Array): void {
    const payload = this.#coders[track].encode(pcm);
    const atMs = Math.round(this.#frameAtMs - this.#startedMs);
    const outcome = this.#bot?.send(this.#writer.media(track, payload, atMs));
    if (outcome === "sent") this.counts.sent++;
    else if (outcome === "full") this.counts.dropped++;
  }

  #marks(names: readonly string[]): void {
    for (const name of names) this.#bot?.send(this.#writer.mark(name));
  }

  #armWatch(): void {
    this.#watch = this.#clock.after(framesMissingMsMax, () => {
      if (this.#clock.monotonicMs() - this.#frameAtMs >= framesMissingMsMax)
        return this.#onEnd(new StreamEnd("media_lost"));
      this.#armWatch();
    });
  }
}

const tracksOf = (track: StreamRequest["track"]): Track[] => {
  switch (track) {
    case "inbound_track":
      return ["inbound"];
    case "outbound_track":
      return ["outbound"];
    case "both_tracks":
      return ["inbound", "outbound"];
  }
};
