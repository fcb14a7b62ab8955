import { basename, join } from "node:path";
import type { Clock } from "../engine/clock.ts";
import { isId, type LegId } from "../engine/ids.ts";
import type { Log } from "../engine/log.ts";
import { filesIn, readOrNull, remove, statOrNull } from "./files.ts";
import { RepeatedWork } from "./repeated-work.ts";
import type { Unclaimed } from "./unclaimed.ts";

/** What the engine made of an end-of-leg record: `foreign` is a leg that is not ours. */
export type EndRecordOutcome = "settled" | "foreign" | "unreadable";

export interface EndRecordsOptions {
  directory: string;
  clock: Clock;
  log: Log;
  unclaimed: Unclaimed;
  /** Whether the leg's end is stored, so that nothing of its record is needed any more. */
  isSettled: (leg: LegId) => Promise<boolean>;
  /** Settles the leg in the engine's transaction; repeatable. */
  takeEndRecord: (text: string) => Promise<EndRecordOutcome>;
  /** Told about each failure, for the box's health. */
  failed: (error: unknown) => void;
}

/** FreeSWITCH writes a record in two writes; one still torn after this is what a full disk or a crash left. */
const tornMsMax = 10 * 60_000;

/** Enough to fill a commit's queue; each is a few ms of database. */
const concurrency = 32;

/** Takes end-of-leg records off the box: a file is removed once its leg is settled, and not a moment before. */
export class EndRecords {
  readonly #options: EndRecordsOptions;
  readonly #work: RepeatedWork;

  constructor(options: EndRecordsOptions) {
    this.#options = options;
    this.#work = new RepeatedWork({
      clock: options.clock,
      concurrency,
      retryMsMin: 500,
      retryMsMax: 30_000,
      failed: (file, error, failures) => {
        options.log.error({ file, failures, err: error }, "An end-of-leg record could not be settled yet.");
        options.failed(error);
      },
    });
  }

  /** How many records wait. */
  get size(): number {
    return this.#work.size;
  }

  async sweep(): Promise<void> {
    for (const name of (await filesIn(this.#options.directory)) ?? []) {
      this.#work.offer(name, () => this.#take(join(this.#options.directory, name)));
    }
  }

  stop(): Promise<void> {
    return this.#work.stop();
  }

  async #take(path: string): Promise<void> {
    const { clock, isSettled, takeEndRecord, unclaimed } = this.#options;
    // As a rule the leg's event was there before, and the switch names the file by its channel: no need to read it.
    const [channel] = basename(path).split(".");
    if (isId("leg", channel) && (await isSettled(channel))) return remove(path);
    const text = await readOrNull(path);
    if (text === null) return;
    if (!isComplete(text)) {
      const file = await statOrNull(path);
      if (file && clock.nowMs() - file.mtimeMs > tornMsMax) await unclaimed.take(path, "torn");
      return;
    }
    const outcome = await takeEndRecord(text);
    if (outcome === "settled") await remove(path);
    else await unclaimed.take(path, outcome);
  }
}

/** It is not written atomically: complete means that it parses and that the newline, a write of its own, has come. */
function isComplete(text: string): boolean {
  if (!text.endsWith("\n")) return false;
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
