import { mkdir, readdir, rename, rm, stat, utimes } from "node:fs/promises";
import { hostname } from "node:os";
import { resolve as absolute, join } from "node:path";
import type { Clock } from "../clock.ts";
import { playedSampleRate, wavHeaderBytes } from "./convert.ts";

/** A file that the switch can play. */
export interface PlayableFile {
  /** Absolute. */
  file: string;
  durationMs: number;
}

export interface MediaFilesParts {
  directory: string;
  bytesMax: number;
  clock: Clock;
  /** Names of the files that live calls may hear again. */
  inUse: () => Promise<ReadonlySet<string>>;
}

/** Until a file is named by the call that hears it, with room to spare, it stays whatever the bound says. */
const handedOutMs = 60_000;
/** Well within that. */
const inUseKnownMs = 10_000;
/** So many times the bound, nobody's loops are worth the room: recordings need it. */
const inUseFactor = 4;
/** Of this process, among all that have the folder in common. */
const owner = `${hostname().replace(/[^A-Za-z0-9-]/g, "-")}-${process.pid}`;
/** A temporary file this old belongs to nobody who lives. */
const abandonedMs = 10 * 60_000;

/**
 * Converted audio by the SHA-256 of what it was made from: `<sha256>.wav`, bounded in bytes, the longest unused goes first.
 * What a live call may hear again stays: the switch opens a file anew for each loop, and plays silence where it is gone.
 */
export class MediaFiles {
  readonly #directory: string;
  readonly #bytesMax: number;
  readonly #clock: Clock;
  readonly #inUse: () => Promise<ReadonlySet<string>>;
  #known: { inUse: ReadonlySet<string>; atMs: number } | null = null;
  /** By name, the longest unused first. `usedMs` is monotonic. */
  readonly #files = new Map<string, { bytes: number; usedMs: number }>();
  readonly #removing = new Map<string, Promise<void>>();
  #bytes = 0;
  #temporary = 0;
  #opened: Promise<void> | null = null;

  constructor({ directory, bytesMax, clock, inUse }: MediaFilesParts) {
    this.#directory = absolute(directory);
    this.#bytesMax = bytesMax;
    this.#clock = clock;
    this.#inUse = inUse;
  }

  /** Null: it is not there, or no longer. */
  async use(sha256: string): Promise<PlayableFile | null> {
    await this.#open();
    const name = `${sha256}.wav`;
    const file = join(this.#directory, name);
    // Between the look at the file and its return nobody may remove it.
    const kept = this.#files.get(name);
    if (!kept) await this.#removing.get(name);
    else if (this.#files.delete(name)) this.#files.set(name, { ...kept, usedMs: this.#clock.monotonicMs() });
    const found = await stat(file).catch(() => null);
    this.#forget(name);
    if (!found) return null;
    // So do others who have the folder in common.
    const now = new Date(this.#clock.nowMs());
    await utimes(file, now, now).catch(() => undefined);
    this.#files.set(name, { bytes: found.size, usedMs: this.#clock.monotonicMs() });
    this.#bytes += found.size;
    const samples = (found.size - wavHeaderBytes) / 2;
    return { file, durationMs: Math.round((samples * 1000) / playedSampleRate) };
  }

  /** Has `write` make the file beside its place, then puts it there in one step. */
  async add(sha256: string, write: (temporary: string) => Promise<unknown>): Promise<PlayableFile> {
    await this.#open();
    const temporary = join(this.#directory, `${sha256}.${owner}-${++this.#temporary}.tmp`);
    // Somebody may have cleaned up since the start: what is played next is no less to be heard.
    await mkdir(this.#directory, { recursive: true });
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
    const isOver = (usedMs: number) => this.#bytes > this.#bytesMax && usedMs <= justUsedMs;
    const [oldest] = this.#files.values();
    if (!oldest || !isOver(oldest.usedMs)) return;
    const inUse = await this.#filesInUse();
    for (const [name, { usedMs }] of this.#files) {
      if (!isOver(usedMs)) return;
      if (this.#bytes <= this.#bytesMax * inUseFactor && (inUse?.has(name) ?? true)) continue;
      this.#forget(name);
      // Another controller has handed it out a moment ago.
      if (await this.#isRecent(name)) continue;
      const removed = rm(join(this.#directory, name), { force: true });
      this.#removing.set(name, removed);
      await removed.finally(() => this.#removing.delete(name));
    }
  }

  async #isRecent(name: string): Promise<boolean> {
    const found = await stat(join(this.#directory, name)).catch(() => null);
    return found !== null && this.#clock.nowMs() - found.mtimeMs < handedOutMs;
  }

  /** Null: the database is away, and nobody knows. */
  async #filesInUse(): Promise<ReadonlySet<string> | null> {
    const atMs = this.#clock.monotonicMs();
    if (this.#known && atMs - this.#known.atMs < inUseKnownMs) return this.#known.inUse;
    const inUse = await this.#inUse().catch(() => null);
    if (inUse) this.#known = { inUse, atMs };
    return inUse;
  }

  #forget(name: string): void {
    this.#bytes -= this.#files.get(name)?.bytes ?? 0;
    this.#files.delete(name);
  }
}
