import type { Clock } from "../clock.ts";
import type { Ids } from "../ids.ts";
import { stoppedReason, type Connection } from "./connection.ts";

export interface LineOptions<Greeting> {
  /** One attempt, limited in time by itself. */
  open: (signal: AbortSignal) => Promise<Connection>;
  /** Makes a fresh connection fit for use; if it rejects, the connection is dropped. */
  prepare: (connection: Connection) => Promise<Greeting>;
  /** It is prepared. */
  onUp?: (connection: Connection, greeting: Greeting) => void;
  /** The connection is over, or an attempt failed. Called once for each. */
  onDown: (reason: string, wasUp: boolean) => void;
  clock: Clock;
  ids: Ids;
}

const retryDelayMsMin = 100;
const retryDelayMsMax = 5000;

/** Keeps one connection up: tries again for as long as it is started, ever more slowly, never all at once. */
export class Line<Greeting = void> {
  readonly #options: LineOptions<Greeting>;
  #stop: AbortController | undefined;
  #running: Promise<void> = Promise.resolve();
  #connection: Connection | undefined;

  constructor(options: LineOptions<Greeting>) {
    this.#options = options;
  }

  /** The connection while it is prepared and open. */
  get connection(): Connection | undefined {
    return this.#connection;
  }

  start(): void {
    if (this.#stop !== undefined) return;
    this.#stop = new AbortController();
    this.#running = this.#run(this.#stop.signal);
  }

  /** Closes, and resolves when nothing of it runs any more. May be called twice, or during start. */
  async stop(): Promise<void> {
    this.#stop?.abort();
    await this.#running;
    this.#stop = undefined;
  }

  async #run(signal: AbortSignal): Promise<void> {
    let failures = 0;
    while (!signal.aborted) {
      const { reason, wasUp } = await this.#useOne(signal);
      this.#options.onDown(reason, wasUp);
      failures = wasUp ? 0 : failures + 1;
      const delayMs = Math.min(retryDelayMsMin * 2 ** Math.min(failures, 10), retryDelayMsMax);
      // Half of it by chance, lest all the connections that a restart cut come back in the same millisecond.
      await this.#options.clock
        .sleep(delayMs * (0.5 + this.#options.ids.fraction() / 2), signal)
        .catch(() => undefined);
    }
  }

  async #useOne(signal: AbortSignal): Promise<{ reason: string; wasUp: boolean }> {
    let connection: Connection | undefined;
    const close = () => connection?.close(stoppedReason);
    signal.addEventListener("abort", close);
    try {
      connection = await this.#options.open(signal);
      const greeting = await this.#options.prepare(connection);
      if (signal.aborted) close();
      this.#connection = connection;
      this.#options.onUp?.(connection, greeting);
      return { reason: await connection.closed, wasUp: true };
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      connection?.close(reason);
      return { reason, wasUp: false };
    } finally {
      this.#connection = undefined;
      signal.removeEventListener("abort", close);
    }
  }
}
