import type { Clock, Timer } from "./clock.ts";

/** Looks again and again, `everyMs` after the last look ended or when woken; never twice at a time. */
export class Poll {
  readonly #clock: Clock;
  readonly #everyMs: number;
  readonly #look: () => Promise<void>;
  readonly #failed: (error: unknown) => void;
  #timer: Timer | null = null;
  #looking: Promise<void> | null = null;
  #woken = false;
  #running = false;

  constructor(clock: Clock, everyMs: number, look: () => Promise<void>, failed: (error: unknown) => void) {
    this.#clock = clock;
    this.#everyMs = everyMs;
    this.#look = look;
    this.#failed = failed;
  }

  start(): void {
    this.#running = true;
    this.wake();
  }

  wake(): void {
    if (!this.#running) return;
    this.#timer?.cancel();
    this.#woken = true;
    this.#looking ??= this.#loop();
  }

  /** Waits for the look under way. */
  async stop(): Promise<void> {
    this.#running = false;
    this.#woken = false;
    this.#timer?.cancel();
    await this.#looking;
  }

  async #loop(): Promise<void> {
    while (this.#woken) {
      this.#woken = false;
      await this.#look().catch(this.#failed);
    }
    this.#looking = null;
    if (this.#running) this.#timer = this.#clock.after(this.#everyMs, () => this.wake());
  }
}
