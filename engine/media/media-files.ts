import { mkdir, readdir, rename, rm, stat } from "node:fs/promises";
import { resolve as absolute, join } from "node:path";
import type { Clock } from "../clock.ts";
import { playedSampleRate, wavHeaderBytes } from "./convert.ts";

/** A file that the switch can play. */
export interface PlayableFile {
  /** Absolute. */
  file: string;
  durationMs: number;
}

/** A switch opens a file at once when it is told to play it; until then, the file stays whatever the bound says. */
const handedOutMs = 60_000;
/** A temporary file this old belongs to nobody who lives. */
const abandonedMs = 10 * 60_000;

/** Converted audio by the SHA-256 of what it was made from: `<sha256>.wav`, bounded in bytes, the longest unused goes first. */
export class MediaFiles {
  readonly #directory: string;
  readonly #bytesMax: number;
  readonly #clock: Clock;
  /** By name, the longest unused first. `usedMs` is monotonic. */
  readonly #files = new Map<string, { bytes: number; usedMs: number }>();
  #bytes = 0;
  #temporary = 0;
  #opened: Promise<void> | null = null;

  constructor({ directory, bytesMax, clock }: { directory: string; bytesMax: number; clock: Clock }) {
    this.#directory = absolute(directory);
    this.#bytesMax = bytesMax;
    this.#clock = clock;
  }

  /** Null: it is not there, or no longer. */
  async use(sha256: string): Promise<PlayableFile | null> {
    await this.#open();
    const name = `${sha256}.wav`;
    const file = join(this.#directory, name);
    const found = await stat(file).catch(() => null);
    this.#forget(name);
    if (!found) return null;
    this.#files.set(name, { bytes: found.size, usedMs: this.#clock.monotonicMs() });
    this.#bytes += found.size;
    const samples = (found.size - wavHeaderBytes) / 2;
    return { file, durationMs: Math.round((samples * 1000) / playedSampleRate) };
  }

  /** Has `write` make the file beside its place, then puts it there in one step. */
  async add(sha256: string, write: (temporary: string) => Promise<unknown>): Promise<PlayableFile> {
    await this.#open();
    const temporary = join(this.#directory, `${sha256}.${process.pid}-${++this.#temporary}.tmp`);
    try {
      await write(temporary);
      await rename(temporary, join(this.#directory, `${sha256}.wav`));
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
    const added = await this.use(sha256);
    if (!added) throw new Error("A file that was just written is gone.");
    await this.#evict();
    return added;
  }

  #open(): Promise<void> {
    this.#opened ??= this.#scan().catch((error: unknown) => {
      this.#opened = null;
      throw error;
    });
    return this.#opened;
  }

  async #scan(): Promise<void> {
    await mkdir(this.#directory, { recursive: true });
    const found = [];
    for (const name of await readdir(this.#directory)) {
      const about = await stat(join(this.#directory, name)).catch(() => null);
      if (about?.isFile()) found.push({ name, bytes: about.size, changedMs: about.mtimeMs });
    }
    for (const { name, bytes, changedMs } of found.sort((a, b) => a.changedMs - b.changedMs)) {
      if (/^[0-9a-f]{64}\.wav$/.test(name)) {
        this.#files.set(name, { bytes, usedMs: -Infinity });
        this.#bytes += bytes;
      } else if (name.endsWith(".tmp") && changedMs < this.#clock.nowMs() - abandonedMs) {
        await rm(join(this.#directory, name), { force: true });
      }
    }
  }

  async #evict(): Promise<void> {
    const justUsedMs = this.#clock.monotonicMs() - handedOutMs;
    for (const [name, { usedMs }] of this.#files) {
      if (this.#bytes <= this.#bytesMax || usedMs > justUsedMs) return;
      this.#forget(name);
      await rm(join(this.#directory, name), { force: true });
    }
  }

  #forget(name: string): void {
    this.#bytes -= this.#files.get(name)?.bytes ?? 0;
    this.#files.delete(name);
  }
}
