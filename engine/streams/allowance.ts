import type { Clock } from "../clock.ts";

/** So much at once, and so much a second from then on. */
export interface Rate {
  burst: number;
  perSecond: number;
}

/** A bucket that fills up again: whoever takes more than is in it has had too much. */
export class Allowance {
  readonly #rate: Rate;
  readonly #clock: Clock;
  #left: number;
  #atMs: number;

  constructor(rate: Rate, clock: Clock) {
    this.#rate = rate;
    this.#clock = clock;
    this.#left = rate.burst;
    this.#atMs = clock.monotonicMs();
  }

  /** False: there is not so much left. */
  take(amount: number): boolean {
    const nowMs = this.#clock.monotonicMs();
    const { burst, perSecond } = this.#rate;
    this.#left = Math.min(burst, this.#left + ((nowMs - this.#atMs) / 1000) * perSecond) - amount;
    this.#atMs = nowMs;
    return this.#left >= 0;
  }
}
