import { readFile } from "node:fs/promises";
import type { Clock } from "../../clock.ts";
import type { FieldError } from "../../errors.ts";
import type { Log } from "../../log.ts";
import { Poll } from "../../poll.ts";
import { readTrunkFile, type Trunk } from "./trunk-file.ts";

export interface TrunkWatchParts {
  clock: Clock;
  log: Log;
  path: string;
  /** Without one there are no trunks, until there is one. False: it has to be there. */
  optional: boolean;
  secretOf: (name: string) => string | undefined;
  /** Whether there is an edge. */
  edge: boolean;
  /** The switch's own gateway: a trunk of that name would never be loaded. */
  reserved: string;
}

/** By its content: an editor may leave the time of a file as it was, and a second is soon enough for anybody. */
const everyMs = 1_000;

/** The trunks' file as it is: a change of it counts within a second or so, and a broken one changes nothing. */
export class TrunkWatch {
  readonly #parts: TrunkWatchParts;
  readonly #poll: Poll;
  readonly #listeners: (() => void)[] = [];
  #text: string | null | undefined;
  /** Why the file could not be read; null: it could, or is not there. */
  #unreadable: string | null = null;
  #trunks: readonly Trunk[] | null = null;
  #faults: readonly FieldError[] = [];

  constructor(parts: TrunkWatchParts) {
    this.#parts = parts;
    this.#poll = new Poll(
      parts.clock,
      everyMs,
      () => this.#look(),
      (error) => parts.log.error({ err: error }, "The file of trunks could not be looked at."),
    );
  }

  /** As they were last read without a fault; null: there is no file. */
  get trunks(): readonly Trunk[] | null {
    return this.#trunks;
  }

  /** Of the file as it is now, which is not in force; none: it is. */
  get faults(): readonly FieldError[] {
    return this.#faults;
  }

  /** Called after each change of either. */
  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** Throws an Error that names every fault; then nothing is watched. */
  async start(): Promise<void> {
    const text = await this.#read();
    if (text === null && !this.#parts.optional)
      throw new Error(`There is no file of trunks at ${this.#parts.path} (TRUNKS_FILE).`);
    this.#take(text);
    if (this.#faults.length > 0)
      throw new Error(`The file of trunks is wrong:\n  ${this.#faults.map(sayFault).join("\n  ")}`);
    this.#poll.start();
  }

  stop(): Promise<void> {
    return this.#poll.stop();
  }

  async #look(): Promise<void> {
    let text = this.#text;
    let unreadable: string | null = null;
    try {
      text = await this.#read();
    } catch (error) {
      unreadable = (error as NodeJS.ErrnoException).code ?? String(error);
    }
    if (text === this.#text && unreadable === this.#unreadable) return;
    this.#unreadable = unreadable;
    if (unreadable === null) this.#take(text ?? null);
    // Saved by another user, perhaps: what runs goes on, and its next start would not.
    else this.#faults = [{ field: "body", code: "unreadable", message: `cannot be read (${unreadable})` }];
    const { log, path } = this.#parts;
    if (this.#faults.length === 0)
      log.info({ path, trunks: this.#trunks?.map(({ name }) => name) ?? null }, "The trunks are others now.");
    else
      log.error(
        { path, faults: this.#faults.map(sayFault) },
        "The file of trunks is wrong; those of before stay in force.",
      );
    for (const listener of this.#listeners) listener();
  }

  #take(text: string | null): void {
    this.#text = text;
    if (text === null) {
      // Taken away by mistake, perhaps, or being replaced: nobody's calls are to end up nowhere for that.
      if (this.#trunks !== null) this.#faults = [{ field: "body", code: "missing", message: "is gone" }];
      return;
    }
    const read = readTrunkFile(text, this.#parts);
    this.#faults = read.ok ? [] : read.bad;
    if (read.ok) this.#trunks = read.trunks;
  }

  /** Null: there is none. */
  async #read(): Promise<string | null> {
    try {
      return await readFile(this.#parts.path, "utf8");
    } catch (error) {
      if (isMissing(error)) return null;
      throw error;
    }
  }
}

/** Of the file as a whole its field is `body`. */
export const sayFault = ({ field, message }: FieldError): string =>
  `${field === "body" ? "the file" : field}: ${message}`;

const isMissing = (error: unknown): boolean =>
  error instanceof Error && (error as NodeJS.ErrnoException).code === "ENOENT";
