import type { WorkspaceId } from "../ids.ts";
import { MediaError } from "./media-error.ts";

/** More of one workspace's are refused. */
const waitingMax = 64;

interface Lane {
  running: number;
  waiting: (() => void)[];
}

/**
 * Work that takes a core, or much memory: so much of each workspace at once, so much in all, and the rest in a line for
 * each workspace. Whoever has a thousand texts to be spoken holds up themselves, and everybody else by no more than
 * `atOnceMax` of them; what is free next goes to the workspace that has least of it.
 */
export class Lanes {
  readonly #atOnceMax: number;
  readonly #inAllMax: number;
  /** Whoever had a turn last stands last. */
  readonly #lanes = new Map<WorkspaceId, Lane>();
  #running = 0;

  constructor({ atOnceMax, inAllMax = Infinity }: { atOnceMax: number; inAllMax?: number }) {
    this.#atOnceMax = atOnceMax;
    this.#inAllMax = inAllMax;
  }

  /** Throws MediaError `busy`. */
  async run<T>(workspace: WorkspaceId, job: () => Promise<T>): Promise<T> {
    await this.#turn(workspace);
    try {
      return await job();
    } finally {
      this.#end(workspace);
    }
  }

  async #turn(workspace: WorkspaceId): Promise<void> {
    const lane = this.#lanes.get(workspace) ?? { running: 0, waiting: [] };
    if (lane.waiting.length >= waitingMax) throw new MediaError("busy", "Too many of the workspace's wait.");
    this.#lanes.set(workspace, lane);
    const turn = new Promise<void>((resolve) => lane.waiting.push(resolve));
    this.#next();
    await turn;
  }

  #end(workspace: WorkspaceId): void {
    const lane = this.#lanes.get(workspace);
    if (!lane) return;
    this.#running--;
    lane.running--;
    if (lane.running === 0 && lane.waiting.length === 0) this.#lanes.delete(workspace);
    this.#next();
  }

  #next(): void {
    if (this.#running >= this.#inAllMax) return;
    let least: [WorkspaceId, Lane] | null = null;
    for (const [workspace, lane] of this.#lanes) {
      if (lane.waiting.length === 0 || lane.running >= this.#atOnceMax) continue;
      if (!least || lane.running < least[1].running) least = [workspace, lane];
    }
    if (!least) return;
    const [workspace, lane] = least;
    this.#lanes.delete(workspace);
    this.#lanes.set(workspace, lane);
    this.#running++;
    lane.running++;
    lane.waiting.shift()?.();
  }
}
