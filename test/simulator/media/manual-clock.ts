import type { Clock, Timer } from "../../../engine/clock.ts";

/** A clock moved by hand: `advance` runs what falls due, each at its own moment. */
export class ManualClock implements Clock {
  #nowMs = 1000;
  #timers: { atMs: number; fn: () => void }[] = [];

  nowMs = (): number => this.#nowMs;
  nowUs = (): number => this.#nowMs * 1000;
  steadyMs = (): number => this.#nowMs;
  monotonicMs = (): number => this.#nowMs;
  sleep = (): Promise<void> => Promise.reject(new Error("not in these tests"));

  after(delayMs: number, fn: () => void): Timer {
    const timer = { atMs: this.#nowMs + Math.max(0, delayMs), fn };
    this.#timers.push(timer);
    return {
      cancel: () => {
        this.#timers = this.#timers.filter((each) => each !== timer);
      },
    };
  }

  advance(ms: number): void {
    const endMs = this.#nowMs + ms;
    for (;;) {
      const next = this.#timers.filter(({ atMs }) => atMs <= endMs).sort((a, b) => a.atMs - b.atMs)[0];
      if (!next) break;
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      this.#timers = this.#timers.filter((each) => each !== next);
      next.fn();
    }
    this.#nowMs = endMs;
  }

  /** The host was busy: time went by and no timer ran. */
  stall(ms: number): void {
    this.#nowMs += ms;
  }

  get pending(): number {
    return this.#timers.length;
  }
}
