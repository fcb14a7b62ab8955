import type { Clock } from "../engine/clock.ts";

export interface RepeatedWorkOptions {
  clock: Clock;
  concurrency: number;
  /** Doubles from the first to the second with each failure of the same key. */
  retryMsMin: number;
  retryMsMax: number;
  /** `failures` counts those of this key in a row. */
  failed: (key: string, error: unknown, failures: number) => void;
}

/**
 * Work that is offered again and again until it succeeds: so many at once, never one key twice at a time, and after a
 * failure not before its back-off is over. Whoever offers it finds it again by looking, so nothing is kept of it.
 */
export class RepeatedWork {
  readonly #options: RepeatedWorkOptions;
  readonly #waiting: { key: string; work: () => Promise<void> }[] = [];
  /** Waiting or running. */
  readonly #taken = new Set<string>();
  readonly #running = new Set<Promise<void>>();
  readonly #retries = new Map<string, { failures: number; notBeforeMs: number }>();
  #stopped = false;

  constructor(options: RepeatedWorkOptions) {
    this.#options = options;
  }

  offer(key: string, work: () => Promise<void>): void {
    if (this.#stopped || this.#taken.has(key)) return;
    const retry = this.#retries.get(key);
    if (retry && this.#options.clock.monotonicMs() < retry.notBeforeMs) return;
    this.#taken.add(key);
    this.#waiting.push({ key, work });
    this.#fill();
  }

  /** How many keys wait, run, or failed and are to be offered again. */
  get size(): number {
    return new Set([...this.#taken, ...this.#retries.keys()]).size;
  }

  /** Starts no more and waits for what runs. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#waiting.length = 0;
    await Promise.all(this.#running);
  }

  #fill(): void {
    while (this.#running.size < this.#options.concurrency) {
      const next = this.#waiting.shift();
      if (!next) return;
      const run = this.#run(next.key, next.work).finally(() => {
        this.#running.delete(run);
        this.#fill();
      });
      this.#running.add(run);
    }
  }

  async #run(key: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
      this.#retries.delete(key);
    } catch (error) {
      const failures = (this.#retries.get(key)?.failures ?? 0) + 1;
      const { retryMsMin, retryMsMax, clock } = this.#options;
      const delayMs = Math.min(retryMsMin * 2 ** (failures - 1), retryMsMax);
      this.#retries.set(key, { failures, notBeforeMs: clock.monotonicMs() + delayMs });
      this.#options.failed(key, error, failures);
    } finally {
      this.#taken.delete(key);
    }
  }
}
