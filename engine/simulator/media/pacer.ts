import type { Clock, Timer } from "../../clock.ts";
import { frameMs } from "./g711.ts";

/**
 * One 20 ms beat for all streams of a process. The beat is counted from the monotonic clock, not from timers: a late
 * timer is followed by all the slots it missed, so that n seconds are always n × 50 slots.
 */
export class Pacer {
  readonly #clock: Clock;
  readonly #streams = new Set<() => void>();
  #startMs = 0;
  #slotsDone = 0;
  #timer: Timer | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Calls `onSlot` 50 times a second until the function it returns is called. */
  join(onSlot: () => void): () => void {
    if (this.#streams.size === 0) this.#start();
    this.#streams.add(onSlot);
    return () => {
      this.#streams.delete(onSlot);
      if (this.#streams.size === 0) this.#timer?.cancel();
    };
  }

  #start(): void {
    this.#startMs = this.#clock.monotonicMs();
    this.#slotsDone = 0;
    this.#wait();
  }

  #wait(): void {
    const nextMs = this.#startMs + (this.#slotsDone + 1) * frameMs;
    this.#timer?.cancel();
    this.#timer = this.#clock.after(nextMs - this.#clock.monotonicMs(), () => this.#beat());
  }

  #beat(): void {
    const due = Math.floor((this.#clock.monotonicMs() - this.#startMs) / frameMs);
    while (this.#slotsDone < due && this.#streams.size > 0) {
      this.#slotsDone += 1;
      for (const onSlot of this.#streams) onSlot();
    }
    if (this.#streams.size > 0) this.#wait();
  }
}
