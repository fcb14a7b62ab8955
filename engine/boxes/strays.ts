import type { Clock } from "../clock.ts";
import type { Strays } from "../store/calls.ts";
import { leases, type LeaseRow } from "../store/leases.ts";
import type { Store } from "../store/store.ts";
import { note, sameLease, type Seen } from "./leases.ts";

/**
 * A box is a stray that nobody led for so long: one that is handed over, or whose leader is started anew, is without one for
 * seconds. An operator who got a box's address wrong has as long to mend it.
 */
const leaderlessMsMin = 60_000;
/** A look so late says nothing of what was before: whatever kept us from it may have kept others from taking the box. */
const lookMsMax = 10_000;

interface Parts {
  store: Store;
  clock: Clock;
  /** These are somebody's, whoever leads them. */
  configured: readonly string[];
}

/** Keeps in mind, by our own clock, which boxes have long been nobody's: what is left of them is for whoever has the duties. */
export class StrayBoxes {
  readonly #parts: Parts;
  readonly #leases = new Map<string, Seen<LeaseRow>>();
  #firstMs = 0;
  #lookedMs = -Infinity;
  #strays: Strays | null = null;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** At the last look; null: we have not looked for long enough. */
  get strays(): Strays | null {
    return this.#strays;
  }

  /** To be called each second, and before anything is done to strays. */
  async look(): Promise<void> {
    const { store, clock, configured } = this.#parts;
    const rows = await store.read(leases);
    const nowMs = clock.monotonicMs();
    if (nowMs - this.#lookedMs > lookMsMax) {
      this.#firstMs = nowMs;
      this.#leases.clear();
    }
    this.#lookedMs = nowMs;
    note(this.#leases, rows, ({ name }) => name, sameLease, nowMs);
    const isLong = (sinceMs: number) => nowMs - sinceMs >= leaderlessMsMin;
    const leaderless = [...this.#leases.values()]
      .filter(({ row, sinceMs }) => row.holder === null && isLong(sinceMs))
      .map(({ row }) => row.name);
    this.#strays = isLong(this.#firstMs) ? { configured, leaderless } : null;
  }
}
