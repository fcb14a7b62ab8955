import { frameSamples, sampleRateHz } from "./sound-format.ts";

/** Bots send a sentence as fast as they have it; so much of it waits to be heard. */
export const playoutSecondsMax = 180;
/** Far more than anybody has a use for. */
const marksMax = 1000;

/** What a bot has said and the party has not heard yet, with its marks in between. Bounded: 3 MB. */
export class Playout {
  readonly #queue: (Int16Array | string)[] = [];
  /** Of the queue: what is before it is gone, and is taken away now and then. */
  #head = 0;
  /** Samples of the first that are played. */
  #played = 0;
  #samples = 0;
  #marks = 0;

  /** False: that is more than may wait. */
  push(pcm: Int16Array): boolean {
    if (this.#samples + pcm.length > playoutSecondsMax * sampleRateHz) return false;
    if (pcm.length > 0) this.#queue.push(pcm);
    this.#samples += pcm.length;
    return true;
  }

  /** To be echoed when what is before it has been played. False: too many wait. */
  mark(name: string): boolean {
    if (this.#marks >= marksMax) return false;
    this.#queue.push(name);
    this.#marks++;
    return true;
  }

  /** Forgets what waits. The marks among it, which are echoed at once. */
  clear(): string[] {
    const marks = this.#queue.slice(this.#head).filter((entry) => typeof entry === "string");
    this.#queue.length = 0;
    this.#head = this.#played = this.#samples = this.#marks = 0;
    return marks;
  }

  /** The next 20 ms, filled up with silence; null: nothing waits. And the marks that have come by. */
  next(): { frame: Int16Array | null; marks: string[] } {
    const marks = this.#passMarks();
    if (this.#samples === 0) return { frame: null, marks };
    const frame = new Int16Array(frameSamples);
    let filled = 0;
    for (;;) {
      const entry = this.#queue[this.#head];
      // A mark that the frame runs into is echoed with it, not a frame late.
      if (typeof entry === "string") marks.push(...this.#passMarks());
      else if (entry === undefined || filled === frameSamples) break;
      else {
        const piece = entry.subarray(this.#played, this.#played + frameSamples - filled);
        frame.set(piece, filled);
        filled += piece.length;
        this.#played += piece.length;
        if (this.#played === entry.length) this.#pass();
      }
    }
    this.#samples -= filled;
    return { frame, marks };
  }

  #passMarks(): string[] {
    const marks: string[] = [];
    for (let entry = this.#queue[this.#head]; typeof entry === "string"; entry = this.#queue[this.#head]) {
      marks.push(entry);
      this.#marks--;
      this.#pass();
    }
    return marks;
  }

  #pass(): void {
    this.#head++;
    this.#played = 0;
    if (this.#head < 1024 && this.#head < this.#queue.length) return;
    this.#queue.splice(0, this.#head);
    this.#head = 0;
  }
}
