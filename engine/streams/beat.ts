import type { Clock } from "../clock.ts";
import { frameMs, frameSamples } from "./sound-format.ts";

/**
 * What is caught up on, one frame more at a time: telephones have room for so much. Where more is missed the party has had a
 * pause, and what comes behind it is that much later; sent faster than it is heard it would be lost to them.
 */
const behindFramesMax = 3;
const atOnceMax = 2;
/** Frames that came while this process did something else are read in one go, and are one beat. */
const beatMsMin = frameMs / 2;

/**
 * How many frames are to be sent now. The switch's frames are the beat, since they come by its own timer; where one is
 * missing (under a digit) or several come at once, the clock says how many it should have been.
 */
export class Beat {
  readonly #clock: Clock;
  #startMs: number | null = null;
  #lastMs = -Infinity;
  #sent = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** To be asked with each frame that comes. */
  due(): number {
    const nowMs = this.#clock.monotonicMs();
    this.#startMs ??= nowMs - frameMs;
    if (nowMs - this.#lastMs < beatMsMin) return 0;
    const total = Math.round((nowMs - this.#startMs) / frameMs);
    this.#sent = Math.max(this.#sent, total - behindFramesMax);
    const due = Math.min(Math.max(total - this.#sent, 0), atOnceMax);
    this.#sent += due;
    this.#lastMs = nowMs;
    return due;
  }
}

export const silence = new Int16Array(frameSamples);
