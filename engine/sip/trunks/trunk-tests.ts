import type { Clock } from "../../clock.ts";
import type { Log } from "../../log.ts";
import { Poll } from "../../poll.ts";
import type { Store } from "../../store/store.ts";
import {
  markTrunkTestSent,
  saveTrunkTestOutcome,
  trunkTestsDue,
  type TrunkTestRow,
} from "../../store/trunk-tests.ts";
import type { Switch, TestOutcome } from "../../switch/switch.ts";
import type { ChosenTrunk } from "./trunks.ts";

/** What the operator is told of a call over one trunk. */
export type TrunkTestOutcome =
  | { kind: "placed"; outcome: TestOutcome }
  /** It was not placed, or nobody knows. */
  | { kind: "failed"; reason: string };

export interface TrunkTestsParts {
  store: Store;
  clock: Clock;
  log: Log;
  box: Pick<Switch, "connected" | "placeTest">;
  trunks: { named(trunk: string, to: `+${string}`): ChosenTrunk | undefined };
}

const everyMs = 1_000;
/** Whoever asked longer ago has given up. */
const wantedMs = 10_000;
const ringTimeoutSeconds = 30;

/** Places the operator's calls over a trunk, each once: beside all calls of customers, on nobody's account. */
export class TrunkTests {
  readonly #parts: TrunkTestsParts;
  readonly #poll: Poll;
  readonly #running = new Set<Promise<void>>();

  constructor(parts: TrunkTestsParts) {
    this.#parts = parts;
    this.#poll = new Poll(
      parts.clock,
      everyMs,
      () => this.#look(),
      (error) => parts.log.error({ err: error }, "a trunk's test could not be looked at"),
    );
  }

  start(): void {
    this.#poll.start();
  }

  /** What runs in the switch ends there by itself. */
  stop(): Promise<void> {
    return this.#poll.stop();
  }

  async #look(): Promise<void> {
    const { store, clock, log, box } = this.#parts;
    if (!box.connected) return;
    for (const row of await store.read((tx) => trunkTestsDue(tx, clock.nowMs() - wantedMs))) {
      if (!(await store.write((tx) => markTrunkTestSent(tx, row.channel, clock.nowMs())))) continue;
      const run = this.#place(row)
        .then((outcome) =>
          store.write((tx) => saveTrunkTestOutcome(tx, row.channel, JSON.stringify(outcome))),
        )
        .catch((error: unknown) => log.error({ err: error }, "a trunk's test could not be stored"))
        .finally(() => this.#running.delete(run));
      this.#running.add(run);
    }
  }

  async #place({ channel, trunk, toE164, fromE164 }: TrunkTestRow): Promise<TrunkTestOutcome> {
    const { trunks, box } = this.#parts;
    const way = trunks.named(trunk, toE164);
    if (way === undefined) return { kind: "failed", reason: `the running server has no trunk ${trunk}` };
    try {
      const { gateway, to } = way;
      const outcome = await box.placeTest({ channel, gateway, to, callerId: fromE164, ringTimeoutSeconds });
      return { kind: "placed", outcome };
    } catch (error) {
      return { kind: "failed", reason: error instanceof Error ? error.message : String(error) };
    }
  }
}
