import type { Clock, Timer } from "../../clock.ts";
import { frameSamples } from "./g711.ts";

/** RFC 4733 §3.2: the code of each key. */
const keys = "0123456789*#ABCD";
/** What stands for nothing at all, in slots: half a second and a second. */
const waits: Readonly<Record<string, number>> = { w: 25, W: 50 };
/** How long a digit is, and what is behind it until the next, in 20 ms slots. */
export interface Pace {
  toneSlots: number;
  pauseSlots: number;
}
/** As somebody's phone does. */
const phonePace: Pace = { toneSlots: 5, pauseSlots: 3 };
/** §2.5.1.4: the end is sent three times in all. */
const endPackets = 3;
const volume = 10;

export interface EventPacket {
  payload: Uint8Array;
  marker: boolean;
  /** Timestamp of the digit's first packet, which all its packets carry; how many slots ago that was. */
  slotsAgo: number;
}

/** Digits waiting to be sent, one step a 20 ms slot. */
export class DigitSender {
  #waiting: string[] = [];
  #digit: string | undefined;
  #slot = 0;
  #waitSlots = 0;
  #pace = phonePace;

  get busy(): boolean {
    return this.#digit !== undefined || this.#waiting.length > 0 || this.#waitSlots > 0;
  }

  /** `w` and `W` are pauses; what else is not a key is left out. */
  add(digits: string, pace: Pace = phonePace): void {
    this.#pace = pace;
    for (const letter of digits) {
      const digit = letter in waits ? letter : letter.toUpperCase();
      if (digit in waits || keys.includes(digit)) this.#waiting.push(digit);
    }
  }

  /** The packet of this slot; null in the pause after a digit; `wait`: audio goes on in it. Only while busy. */
  next(): EventPacket | null | "wait" {
    if (this.#waitSlots > 0) {
      this.#waitSlots -= 1;
      return "wait";
    }
    this.#digit ??= this.#waiting.shift();
    if (this.#digit === undefined) return null;
    const wait = waits[this.#digit];
    if (wait !== undefined) {
      this.#digit = undefined;
      this.#waitSlots = wait - 1;
      return "wait";
    }
    this.#slot += 1;
    const slot = this.#slot;
    const { toneSlots, pauseSlots } = this.#pace;
    const packet = slot < toneSlots + endPackets ? this.#packet(this.#digit, slot, toneSlots) : null;
    if (slot >= toneSlots + pauseSlots) {
      this.#digit = undefined;
      this.#slot = 0;
    }
    return packet;
  }

  #packet(digit: string, slot: number, toneSlots: number): EventPacket {
    const duration = Math.min(slot, toneSlots) * frameSamples;
    const endBit = slot >= toneSlots ? 0x80 : 0;
    const payload = Uint8Array.of(keys.indexOf(digit), endBit | volume, duration >> 8, duration & 0xff);
    return { payload, marker: slot === 1, slotsAgo: slot - 1 };
  }
}

/** Turns the packets of a digit, several and repeated, into one call at its end. */
export class DigitReceiver {
  readonly #clock: Clock;
  readonly #onDigit: (digit: string, durationMs: number) => void;
  #current: { digit: string; timestamp: number; durationMs: number; done: boolean } | undefined;
  #lostEnd: Timer | undefined;

  constructor(clock: Clock, onDigit: (digit: string, durationMs: number) => void) {
    this.#clock = clock;
    this.#onDigit = onDigit;
  }

  receive(payload: Uint8Array, timestamp: number): void {
    const [event = 255, flags = 0, high = 0, low = 0] = payload;
    const digit = keys[event];
    if (payload.length < 4 || digit === undefined) return;
    if (this.#current?.timestamp !== timestamp) {
      // Signed, as timestamps wrap: a packet of an earlier digit that was overtaken.
      if (this.#current && ((timestamp - this.#current.timestamp) | 0) < 0) return;
      this.#end();
      this.#current = { digit, timestamp, durationMs: 0, done: false };
    }
    this.#current.durationMs = Math.max(this.#current.durationMs, ((high << 8) | low) / 8);
    this.#lostEnd?.cancel();
    if (flags & 0x80) this.#end();
    else this.#lostEnd = this.#clock.after(200, () => this.#end());
  }

  close(): void {
    this.#lostEnd?.cancel();
  }

  #end(): void {
    this.#lostEnd?.cancel();
    if (!this.#current || this.#current.done) return;
    this.#current.done = true;
    this.#onDigit(this.#current.digit, this.#current.durationMs);
  }
}
