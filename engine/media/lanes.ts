import type { WorkspaceId } from "../ids.ts";
import { MediaError } from "./media-error.ts";

/** More of one workspace's are refused. */
const waitingMax = 64;

interface Lane {
  running: number;
  waiting: (() => void)[];
}

/**
 * Work that takes a core, so much of each workspace at once and the rest in a line of its own: whoever has a thousand
 * texts to be spoken holds up themselves, and everybody else by no more than `atOnceMax` of them.
 */
export class Lanes {
  readonly #atOnceMax: number;
  readonly #lanes = new Map<WorkspaceId, Lane>();

  constructor({ atOnceMax }: { atOnceMax: number }) {
    this.#atOnceMax = atOnceMax;
  }

  /** Throws MediaError `busy`. */
  async run<T>(workspace: WorkspaceId, job: () => Promise<T>): Promise<T> {
    let lane = this.#lanes.get(workspace);
    if (!lane) this.#lanes.set(workspace, (lane = { running: 0, waiting: [] }));
    await this.#turn(lane);
    try {
      return await job();
    } finally {
      const next = lane.waiting.shift();
      if (next) next();
      else if (--lane.running === 0) this.#lanes.delete(workspace);
    }
  }

  /** Whoever is given a turn by another takes over its place. */
  async #turn(lane: Lane): Promise<void> {
    if (lane.running < this.#atOnceMax) {
      lane.running++;
      return;
    }
    if (lane.waiting.length >= waitingMax) throw new MediaError("busy", "Too many of the workspace's wait.");
    await new Promise<void>((resolve) => lane.waiting.push(resolve));
  }
}
