import type { Slot } from "../media/pacer.ts";
import type { FrameSource, MediaSession, SlotSource } from "../media/session.ts";

/** What a leg's party said, frame by frame. */
export type SaidListener = (pcm: Int16Array) => void;

/** One 20 ms slot of a leg: what its party said, and what it was made to hear. Null: nothing came, nothing went. */
export type SlotListener = (said: Int16Array | null, heard: Int16Array | null, slot: Slot) => void;

/**
 * The real switch's: 2,000 samples a digit, in whole frames, and behind it its profile's 40 ms, which are ten times as
 * long where no audio goes out.
 */
const digitPace = { toneSlots: 13, pauseSlots: 2 };
const digitPaceInSilence = { toneSlots: 13, pauseSlots: 19 };
/** 100 ms beside what the slots behind this one take: more means the two ends' clocks drift, and the oldest is let go. */
const waitingFramesMax = 5;
/** 5 s, of a leg whose slots do not come. */
const keptFramesMax = 250;

/** A leg's audio inside the switch: from a player, or from the leg it is bridged to; and taps for recordings. */
export class MediaPort {
  #session: MediaSession | null = null;
  #player: SlotSource | null = null;
  #fork: FrameSource | null = null;
  #from: MediaPort | null = null;
  readonly #listeners = new Set<MediaPort>();
  readonly #saidListeners = new Set<SaidListener>();
  readonly #taps = new Set<SlotListener>();
  readonly #said: Int16Array[] = [];
  readonly #toHear: Int16Array[] = [];

  get attached(): boolean {
    return this.#session !== null;
  }

  get stats(): MediaSession["stats"] | null {
    return this.#session?.stats ?? null;
  }

  /** Monotonic ms: when the party was last known to be there. Null where there is no stream. */
  get lastPacketMs(): number | null {
    return this.#session?.lastPacketMs ?? null;
  }

  attach(session: MediaSession, onDigit: (digit: string, durationMs: number) => void): void {
    if (this.#session === session) return;
    this.#session = session;
    session.onFrame((pcm) => {
      if (this.#taps.size > 0) keep(this.#said, pcm);
      for (const port of this.#listeners) keep(port.#toHear, pcm);
      for (const listener of this.#saidListeners) listener(pcm);
    });
    session.onDigit(onDigit);
    session.setSource((slot) => this.#slot(slot));
  }

  /** What plays is heard instead of the other party. Null: nothing plays. */
  play(player: SlotSource | null): void {
    this.#player = player;
  }

  /** What comes by a unicast is heard where nothing plays; null: there is none. */
  fork(source: FrameSource | null): void {
    this.#fork = source;
  }

  /** Hears that port from now on; null: nobody. */
  hear(from: MediaPort | null): void {
    if (this.#from !== null) this.#from.#listeners.delete(this);
    this.#from = from;
    this.#toHear.length = 0;
    if (from !== null) from.#listeners.add(this);
  }

  onSaid(listener: SaidListener): () => void {
    this.#saidListeners.add(listener);
    return () => this.#saidListeners.delete(listener);
  }

  tap(listener: SlotListener): () => void {
    if (this.#taps.size === 0) this.#said.length = 0;
    this.#taps.add(listener);
    return () => this.#taps.delete(listener);
  }

  sendDigits(digits: string): void {
    const isSilent = this.#player === null && this.#from === null && this.#fork === null;
    this.#session?.sendDigits(digits, isSilent ? digitPaceInSilence : digitPace);
  }

  /** The stream itself belongs to the SIP call, which closes it. */
  detach(): void {
    this.hear(null);
    this.#player = null;
    this.#fork = null;
    this.#session?.setSource(null);
  }

  #slot(slot: Slot): Int16Array | null {
    const waiting = take(this.#toHear, slot);
    const heard = this.#player === null ? (waiting ?? this.#fork?.() ?? null) : this.#player(slot);
    if (this.#taps.size > 0) {
      const said = take(this.#said, slot);
      for (const tap of this.#taps) tap(said, heard, slot);
    }
    return heard;
  }
}

function keep(queue: Int16Array[], pcm: Int16Array): void {
  queue.push(pcm);
  if (queue.length > keptFramesMax) queue.shift();
}

function take(queue: Int16Array[], { behind }: Slot): Int16Array | null {
  while (queue.length > waitingFramesMax + behind) queue.shift();
  return queue.shift() ?? null;
}
