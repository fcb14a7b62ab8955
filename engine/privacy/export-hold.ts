import { utimes } from "node:fs/promises";
import type { Clock } from "../clock.ts";
import type { Log } from "../log.ts";
import { releaseExport, renewExport, type ExportTry } from "../store/privacy-exports.ts";
import type { Store } from "../store/store.ts";

/** Whoever makes an export says so again and again; from who died it is taken over after the lease. */
export const leaseMs = 120_000;
const renewEveryMs = 30_000;

/** It is not to be made any more, or not by us, or not now. */
export class NotOurs extends Error {}

/** Keeps the lease of an export while it is made, and knows once it is made for nothing. */
export class Hold {
  readonly #made: ExportTry;
  readonly #parts: { store: Store; clock: Clock; log: Log };
  readonly #stopping: AbortSignal;
  readonly #over = new AbortController();
  #renewing: Promise<void> = Promise.resolve();
  #lost = false;

  constructor(made: ExportTry, parts: { store: Store; clock: Clock; log: Log }, stopping: AbortSignal) {
    this.#made = made;
    this.#parts = parts;
    this.#stopping = stopping;
  }

  /** Beside it the folder in which it is made shows that somebody is there. */
  begin(folder: string): void {
    this.#renewing = this.#renew(folder);
  }

  /** Throws `NotOurs`. */
  checkFast(): void {
    if (this.#lost || this.#stopping.aborted) throw new NotOurs();
  }

  /** The same by the row as it is now, and the lease is whole again. */
  async check(): Promise<void> {
    await this.#renewOnce();
    this.checkFast();
  }

  async end(): Promise<void> {
    this.#over.abort();
    await this.#renewing;
    await this.#parts.store.write((tx) => releaseExport(tx, this.#made));
  }

  async #renew(folder: string): Promise<void> {
    const { clock, log } = this.#parts;
    const { signal } = this.#over;
    for (;;) {
      await clock.sleep(renewEveryMs, signal).catch(() => undefined);
      if (signal.aborted) return;
      await this.#renewOnce().catch((error: unknown) => log.warn({ err: error }, "a lease was not renewed"));
      const now = new Date(clock.nowMs());
      await utimes(folder, now, now).catch(() => undefined);
    }
  }

  async #renewOnce(): Promise<void> {
    const { store, clock } = this.#parts;
    const row = await store.write((tx) => renewExport(tx, this.#made, clock.nowMs() + leaseMs));
    if (row?.status !== "pending" || row.stale !== 0) this.#lost = true;
  }
}
