import { SpeechError } from "./speech-engine.ts";

/** So many at once, so many waiting for their turn; more are refused. */
export class Turns {
  readonly #atOnceMax: number;
  readonly #waitingMax: number;
  readonly #waiting = new Set<() => void>();
  #taken = 0;

  constructor({ atOnceMax, waitingMax }: { atOnceMax: number; waitingMax: number }) {
    this.#atOnceMax = atOnceMax;
    this.#waitingMax = waitingMax;
  }

  /** Throws SpeechError: `busy`, or `timed_out` where `signal` is aborted before the turn comes. */
  async run<T>(job: () => Promise<T>, signal: AbortSignal): Promise<T> {
    await this.#turn(signal);
    try {
      return await job();
    } finally {
      this.#pass();
    }
  }

  async #turn(signal: AbortSignal): Promise<void> {
    if (signal.aborted) throw gaveUp();
    if (this.#taken < this.#atOnceMax) {
      this.#taken++;
      return;
    }
    if (this.#waiting.size >= this.#waitingMax) throw new SpeechError("busy", "Too many texts wait.");
    await new Promise<void>((resolve, reject) => {
      const begin = () => {
        signal.removeEventListener("abort", giveUp);
        resolve();
      };
      const giveUp = () => {
        this.#waiting.delete(begin);
        reject(gaveUp());
      };
      this.#waiting.add(begin);
      signal.addEventListener("abort", giveUp, { once: true });
    });
  }

  /** The turn goes to who waited longest; it is never free in between. */
  #pass(): void {
    const [next] = this.#waiting;
    if (!next) {
      this.#taken--;
      return;
    }
    this.#waiting.delete(next);
    next();
  }
}

const gaveUp = () => new SpeechError("timed_out", "The text's turn did not come in time.");
