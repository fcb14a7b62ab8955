import type { WriteStream } from "node:tty";
import type { Clock } from "../../engine/clock.ts";

/** One line for each thing as it happens; the meter's line is written over while it counts. */
export class Screen {
  readonly #out: Pick<WriteStream, "write"> & { isTTY?: boolean };
  readonly #clock: Clock;
  readonly #startedMs: number;
  #updating = false;
  #lastUpdate = "";

  constructor(out: Pick<WriteStream, "write"> & { isTTY?: boolean }, clock: Clock) {
    this.#out = out;
    this.#clock = clock;
    this.#startedMs = clock.monotonicMs();
  }

  say(what: string, text: string): void {
    if (this.#updating) this.#out.write("\n");
    this.#updating = false;
    this.#out.write(`${this.#line(what, text)}\n`);
  }

  /** On a terminal the line updates in place; elsewhere it is printed when it changes. */
  update(what: string, text: string): void {
    if (text === this.#lastUpdate) return;
    this.#lastUpdate = text;
    if (this.#out.isTTY !== true) {
      this.#out.write(`${this.#line(what, text)}\n`);
      return;
    }
    this.#out.write(`\r\u001b[2K${this.#line(what, text)}`);
    this.#updating = true;
  }

  #line(what: string, text: string): string {
    const seconds = ((this.#clock.monotonicMs() - this.#startedMs) / 1000).toFixed(1);
    return `${seconds.padStart(5)} s  ${what.padEnd(10)} ${text}`;
  }
}
