import { steadyUs, type Clock } from "../clock.ts";
import { SautikitError } from "../errors.ts";
import type { Ids } from "../ids.ts";
import type { Log } from "../log.ts";
import { Poll } from "../poll.ts";
import { liveLegsByBox } from "../store/calls.ts";
import { boxStates } from "../store/leases.ts";
import type { Store } from "../store/store.ts";

export interface BoxHealthParts {
  store: Store;
  clock: Clock;
  ids: Pick<Ids, "fraction">;
  log: Log;
  /** Those that are configured, at least one. */
  boxes: readonly string[];
  /** What this process knows at first hand, of boxes that it leads; undefined: nothing. */
  connected: (box: string) => boolean | undefined;
}

/** Whoever leads a box writes each second that it answers. */
const lookEveryMs = 1_000;
const silentMsMax = 5_000;
/** A drain lasts for minutes; another installation, or this one undrained, may take the call sooner. */
const drainedRetrySeconds = 30;

interface Known {
  aliveAtUs: number | null;
  /** When that was seen to move, monotonic; null: not yet. */
  movedMs: number | null;
  draining: boolean;
  legs: number;
}

/** Which boxes can take a call, and which of them has least to do: from what their controllers write, a second old. */
export class BoxHealth {
  readonly #parts: BoxHealthParts;
  readonly #poll: Poll;
  #known = new Map<string, Known>();
  /** Calls placed since the last look. */
  readonly #placed = new Map<string, number>();

  constructor(parts: BoxHealthParts) {
    this.#parts = parts;
    this.#poll = new Poll(
      parts.clock,
      lookEveryMs,
      () => this.#look(),
      (error) => parts.log.warn({ err: error }, "what the boxes do could not be looked at"),
    );
  }

  start(): void {
    this.#poll.start();
  }

  stop(): Promise<void> {
    return this.#poll.stop();
  }

  /** Whether some controller speaks to it. */
  isUp(box: string): boolean {
    const own = this.#parts.connected(box);
    if (own !== undefined) return own;
    const movedMs = this.#known.get(box)?.movedMs ?? null;
    return movedMs !== null && this.#parts.clock.monotonicMs() - movedMs < silentMsMax;
  }

  /** Whether it is to get new calls. */
  #isOpen(box: string): boolean {
    return this.isUp(box) && !this.isDraining(box);
  }

  isDraining(box: string): boolean {
    return this.#known.get(box)?.draining === true;
  }

  /** Whether no new calls are taken at all: every box is being drained. */
  allDraining(): boolean {
    return this.#parts.boxes.every((box) => this.isDraining(box));
  }

  /**
   * The box for a new call: of those that are up and not being drained one with the fewest legs, of `preferred` where one of
   * them is. Where none is up, the call waits for one that is not being drained. Throws `shutting_down` where all are.
   */
  pick(preferred: readonly string[] = []): string {
    const { boxes, ids } = this.#parts;
    const choices = [
      boxes.filter((box) => preferred.includes(box) && this.#isOpen(box)),
      boxes.filter((box) => this.#isOpen(box)),
      boxes.filter((box) => !this.isDraining(box)),
    ];
    const some = choices.find(({ length }) => length > 0) ?? [];
    const least = Math.min(...some.map((box) => this.#load(box)));
    const alike = some.filter((box) => this.#load(box) === least);
    // Each API node counts its own calls alone: would all take the first of them, a burst would be one box's.
    const box = alike[Math.floor(ids.fraction() * alike.length)];
    if (box === undefined)
      throw new SautikitError("shutting_down", "Every media server is being drained: no new calls for now.", {
        retryAfterSeconds: drainedRetrySeconds,
      });
    this.#placed.set(box, (this.#placed.get(box) ?? 0) + 1);
    return box;
  }

  #load(box: string): number {
    return (this.#known.get(box)?.legs ?? 0) + (this.#placed.get(box) ?? 0);
  }

  async #look(): Promise<void> {
    const { store, clock, boxes } = this.#parts;
    const { states, legs } = await store.read(async (tx) => ({
      states: await boxStates(tx),
      legs: await liveLegsByBox(tx),
    }));
    const nowMs = clock.monotonicMs();
    const before = this.#known;
    this.#placed.clear();
    this.#known = new Map(
      boxes.map((name) => {
        const state = states.find((one) => one.name === name);
        const known = before.get(name);
        const aliveAtUs = state?.aliveAtUs ?? null;
        // The first look cannot tell whether it moves: what was written within that time is taken for it.
        const moved = known ? aliveAtUs !== known.aliveAtUs : isRecent(aliveAtUs, steadyUs(clock));
        return [
          name,
          {
            ...{ aliveAtUs, movedMs: moved ? nowMs : (known?.movedMs ?? null) },
            ...{ draining: state?.draining === 1, legs: legs.get(name) ?? 0 },
          },
        ];
      }),
    );
  }
}

const isRecent = (atUs: number | null, nowUs: number): boolean =>
  atUs !== null && Math.abs(nowUs - atUs) < silentMsMax * 1000;
