import { readFile } from "node:fs/promises";
import type { Clock } from "../../clock.ts";
import type { Log } from "../../log.ts";
import { Poll } from "../../poll.ts";
import { readTrunkFile, type Trunk } from "../trunks/trunk-file.ts";

export interface TrunkListParts {
  file: string;
  /** An environment variable that a `password_env` names. */
  secretOf: (name: string) => string | undefined;
  clock: Clock;
  log: Log;
}

/** What is changed in the file counts this much later at most. */
const lookMs = 2_000;

/** The trunks of `trunks.yaml`, read anew when it changes; one that is wrong leaves what was there before. */
export class TrunkList {
  readonly #parts: TrunkListParts;
  readonly #poll: Poll;
  #text: string;
  #trunks: readonly Trunk[];

  private constructor(parts: TrunkListParts, text: string, trunks: readonly Trunk[]) {
    this.#parts = parts;
    this.#text = text;
    this.#trunks = trunks;
    const { clock, log, file } = parts;
    this.#poll = new Poll(
      clock,
      lookMs,
      () => this.#look(),
      (error) => {
        log.error({ err: error, file }, "the trunks cannot be read anew; those before go on");
      },
    );
  }

  /** Throws an Error that names each fault by its place. */
  static async open(parts: TrunkListParts): Promise<TrunkList> {
    const text = await readFile(parts.file, "utf8");
    return new TrunkList(parts, text, trunksIn(parts, text));
  }

  get trunks(): readonly Trunk[] {
    return this.#trunks;
  }

  start(): void {
    this.#poll.start();
  }

  stop(): Promise<void> {
    return this.#poll.stop();
  }

  async #look(): Promise<void> {
    const text = await readFile(this.#parts.file, "utf8");
    if (text === this.#text) return;
    // Even where it is wrong: it is told of once.
    this.#text = text;
    this.#trunks = trunksIn(this.#parts, text);
    this.#parts.log.info({ trunks: this.#trunks.length }, "the trunks were read anew");
  }
}

function trunksIn({ file, secretOf }: TrunkListParts, text: string): readonly Trunk[] {
  const read = readTrunkFile(text, { secretOf, edge: true });
  if (read.ok) return read.trunks;
  const faults = read.bad.map(({ field, message }) => `${field} ${message}`);
  throw new Error(`${file} is wrong:\n  ${faults.join("\n  ")}`);
}
