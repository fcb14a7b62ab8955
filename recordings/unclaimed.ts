import { mkdir, rename } from "node:fs/promises";
import { basename, join } from "node:path";
import type { Log } from "../engine/log.ts";
import { exists } from "./files.ts";

/**
 * Where files end up that nobody can place: kept for a person to look at, since what the switch wrote is never thrown
 * away, and out of the way, so that they are not tried again for ever.
 */
export class Unclaimed {
  readonly #directory: string;
  readonly #log: Log;

  constructor(directory: string, log: Log) {
    this.#directory = directory;
    this.#log = log;
  }

  async take(path: string, why: string): Promise<void> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    const name = basename(path);
    let target = join(this.#directory, name);
    for (let again = 2; await exists(target); again++) target = join(this.#directory, `${again}-${name}`);
    await rename(path, target);
    this.#log.error({ file: target, why }, "A file of the spool could not be placed and was set aside.");
  }
}
