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
 *
 * Of what failed one is tried at a time, and one more with each that goes well: together they may be too much for a link that carries
 * each by itself, and then none of them would ever succeed. What did not fail never waits for them.
 */
export class RepeatedWork {
  readonly #options: RepeatedWorkOptions;
  readonly #waiting: { key: string; work: () => Promise<void> }[] = [];
  /** Waiting or running. */
  readonly #taken = new Set<string>();
  readonly #running = new Set<Promise<void>>();
  /** Running, after a failure. */
  readonly #again = new Set<string>();
  #againAtOnce = 1;
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
      const next = this.#next();
      if (!next) return;
      const run = this.#run(next.key, next.work).finally(() => {
        this.#running.delete(run);
        this.#fill();
      });
      this.#running.add(run);
    }
  }

  #next(): { key: string; work: () => Promise<void> } | undefined {
    const mayTry = ({ key }: { key: string }) =>
      !this.#retries.has(key) || this.#again.size < this.#againAtOnce;
    const at = this.#waiting.findIndex(mayTry);
    return at === -1 ? undefined : this.#waiting.splice(at, 1)[0];
  }

  async #run(key: string, work: () => Promise<void>): Promise<void> {
    if (this.#retries.has(key)) this.#again.add(key);
    try {
      await work();
      if (this.#retries.delete(key))
        this.#againAtOnce = Math.min(this.#againAtOnce + 1, this.#options.concurrency - 1);
    } catch (error) {
      this.#againAtOnce = 1;
      const failures = (this.#retries.get(key)?.failures ?? 0) + 1;
      const { retryMsMin, retryMsMax, clock } = this.#options;
      const delayMs = Math.min(retryMsMin * 2 ** (failures - 1), retryMsMax);
      this.#retries.set(key, { failures, notBeforeMs: clock.monotonicMs() + delayMs });
      this.#options.failed(key, error, failures);
    } finally {
      this.#again.delete(key);
      this.#taken.delete(key);
    }
  }
}
