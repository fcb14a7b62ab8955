import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../clock.ts";
import type { Log } from "../log.ts";
import { Poll } from "../poll.ts";
import { sha256 } from "../secrets.ts";
import { directoryWritten, sipDirectory, sipLogins } from "../store/sip-credentials.ts";
import type { Store } from "../store/store.ts";
import { directoryFile, directoryFileName } from "../switch/directory-file.ts";
import { replaceFile } from "./replace-file.ts";

export interface DirectoryParts {
  store: Store;
  clock: Clock;
  log: Log;
  box: string;
  /** Of the box; its media server looks below it. */
  spoolDir: string;
  /** The file is another now: the media server is to read it. */
  written: () => void;
}

/** Signals tell of changes sooner; this finds logins whose time has run out, and what a signal lost. */
const everyMs = 5_000;

/**
 * Keeps the list of logins that a media server has beside it: phones register, and calls are let in, whether or not a
 * controller runs. It is the whole list each time, put in the place of the one before by a rename.
 */
export class Directory {
  readonly #parts: DirectoryParts;
  readonly #poll: Poll;

  constructor(parts: DirectoryParts) {
    this.#parts = parts;
    this.#poll = new Poll(
      parts.clock,
      everyMs,
      () => this.write(),
      (error) => parts.log.error({ err: error }, "The list of SIP logins could not be written yet."),
    );
  }

  start(): void {
    this.#poll.start();
  }

  wake(): void {
    this.#poll.wake();
  }

  stop(): Promise<void> {
    return this.#poll.stop();
  }

  /** Where it differs from what is there. */
  async write(): Promise<void> {
    const { store, clock, box, spoolDir, written } = this.#parts;
    const logins = await store.read((tx) => sipLogins(tx, clock.nowMs()));
    const text = directoryFile(
      logins.map(({ spared, ...login }) => ({
        ...login,
        onlyFrom: spared === null ? null : (JSON.parse(spared) as string[]),
      })),
    );
    const hash = sha256(text);
    const path = join(spoolDir, directoryFileName);
    const there = await readFile(path, "utf8").catch(() => null);
    if (there !== text) await replaceFile(path, text, box);
    const row = await store.read((tx) => sipDirectory(tx, box));
    if (row?.writtenSha256 !== hash || there !== text)
      await store.write((tx) => directoryWritten(tx, box, hash));
    if (row?.loadedSha256 !== hash || there !== text) written();
  }
}
