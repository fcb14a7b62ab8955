import type { Clock, Timer } from "../../clock.ts";
import { frameMs } from "./g711.ts";

/** One beat of a stream. */
export interface Slot {
  /** When it was due, by the monotonic clock; after a stall that is not now. */
  readonly dueMs: number;
  /** How many more follow at once, because the process stood still: what came meanwhile is for them. */
  readonly behind: number;
}

/**
 * One 20 ms beat for all streams of a process. The beat is counted from the monotonic clock, not from timers: a late
 * timer is followed by all the slots it missed, so that n seconds are always n × 50 slots.
 */
export class Pacer {
  readonly #clock: Clock;
  /** Each with when it joined. */
  readonly #streams = new Map<(slot: Slot) => void, number>();
  #startMs = 0;
  #slotsDone = 0;
  #timer: Timer | undefined;
  #stalled = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Calls `onSlot` 50 times a second from now on, until the function it returns is called. */
  join(onSlot: (slot: Slot) => void): () => void {
    if (this.#streams.size === 0) this.#start();
    this.#streams.set(onSlot, this.#clock.monotonicMs());
    return () => {
      this.#streams.delete(onSlot);
      if (this.#streams.size === 0) this.#timer?.cancel();
    };
  }

  #start(): void {
    this.#startMs = this.#clock.monotonicMs();
    this.#slotsDone = 0;
    this.#stalled = false;
    this.#wait();
  }

  #wait(): void {
    const nextMs = this.#startMs + (this.#slotsDone + 1) * frameMs;
    this.#timer?.cancel();
    this.#timer = this.#clock.after(nextMs - this.#clock.monotonicMs(), () => this.#beat());
  }

  #beat(): void {
    const due = Math.floor((this.#clock.monotonicMs() - this.#startMs) / frameMs);
    if (due > this.#slotsDone + 1 && !this.#stalled) {
      // What was sent to us meanwhile lies in the sockets: those are read before it is missed.
      this.#stalled = true;
      this.#timer = this.#clock.after(0, () => this.#beat());
      return;
    }
    this.#stalled = false;
    while (this.#slotsDone < due && this.#streams.size > 0) {
      this.#slotsDone += 1;
      const slot = { dueMs: this.#startMs + this.#slotsDone * frameMs, behind: due - this.#slotsDone };
      for (const [onSlot, joinedMs] of this.#streams) if (slot.dueMs > joinedMs) onSlot(slot);
    }
    if (this.#streams.size > 0) this.#wait();
  }
}
