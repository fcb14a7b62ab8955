import type { Clock } from "../../engine/clock.ts";

/** A clock that stands still until it is moved; timers fire in order as it passes them. */
export class ManualClock implements Clock {
  #nowMs: number;
  readonly #timers = new Set<{ atMs: number; fn: () => void }>();

  constructor(nowMs = Date.parse("2026-11-24T09:00:00Z")) {
    this.#nowMs = nowMs;
  }

  nowMs = () => this.#nowMs;
  nowUs = () => this.#nowMs * 1000;
  steadyMs = () => this.#nowMs;
  monotonicMs = () => this.#nowMs;

  after(delayMs: number, fn: () => void) {
    const timer = { atMs: this.#nowMs + Math.max(0, delayMs), fn };
    this.#timers.add(timer);
    return { cancel: () => void this.#timers.delete(timer) };
  }

  sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = this.after(delayMs, resolve);
      signal?.addEventListener("abort", () => {
        timer.cancel();
        reject(signal.reason as Error);
      });
    });
  }

  /** Timers that are set; none are left behind by what was stopped. */
  get pending(): number {
    return this.#timers.size;
  }

  advanceTo(atMs: number): void {
    for (;;) {
      const next = [...this.#timers].sort((a, b) => a.atMs - b.atMs)[0];
      if (!next || next.atMs > atMs) break;
      this.#timers.delete(next);
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.fn();
    }
    this.#nowMs = Math.max(this.#nowMs, atMs);
  }
}
