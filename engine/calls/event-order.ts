import type { CallId, LegId } from "../ids.ts";

/** Legs whose end was never told are forgotten after so many others. */
const knownMax = 10_000;

/**
 * Takes the switch's events of one call one after another, as they came: "answered" must not overtake "ringing", though
 * the database may run two transactions side by side. Different calls' go side by side.
 */
export class EventOrder {
  readonly #callOf: (leg: LegId) => Promise<CallId | undefined>;
  readonly #known = new Map<LegId, CallId>();
  readonly #last = new Map<CallId | LegId, Promise<void>>();
  /** Events find their call in turn, which is nearly always known. */
  #finding: Promise<void> = Promise.resolve();

  constructor(callOf: (leg: LegId) => Promise<CallId | undefined>) {
    this.#callOf = callOf;
  }

  /** `work` must not reject. */
  take(leg: LegId, work: () => Promise<void>): void {
    this.#finding = this.#finding.then(async () => {
      const key = await this.#find(leg);
      const mine = (this.#last.get(key) ?? Promise.resolve()).then(work).finally(() => {
        if (this.#last.get(key) === mine) this.#last.delete(key);
      });
      this.#last.set(key, mine);
    });
  }

  /** A leg whose call is about to be stored: what comes of it meanwhile keeps its place behind that. */
  expect(leg: LegId, call: CallId): void {
    this.#known.set(leg, call);
  }

  /** Nothing more comes of it. */
  forget(leg: LegId): void {
    this.#known.delete(leg);
  }

  /** All that came has been taken. */
  async idle(): Promise<void> {
    await this.#finding;
    await Promise.all(this.#last.values());
  }

  async #find(leg: LegId): Promise<CallId | LegId> {
    const known = this.#known.get(leg);
    if (known !== undefined) return known;
    // A leg that cannot be looked up keeps its own order at least.
    const found = await this.#callOf(leg).catch(() => undefined);
    if (found === undefined) return leg;
    for (const [oldest] of this.#known) {
      if (this.#known.size < knownMax) break;
      this.#known.delete(oldest);
    }
    this.#known.set(leg, found);
    return found;
  }
}
