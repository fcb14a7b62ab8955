import { mkdir, statfs } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../engine/clock.ts";
import type { LegId } from "../engine/ids.ts";
import type { Log } from "../engine/log.ts";
import type { Store } from "../engine/store/store.ts";
import { EndRecords, type EndRecordOutcome } from "./end-records.ts";
import type { Storage } from "./storage.ts";
import { Poll } from "../engine/poll.ts";
import { Unclaimed } from "./unclaimed.ts";
import { Uploads, type RecordingEvents } from "./uploads.ts";

/** The spool role: takes end-of-leg records and recordings off a FreeSWITCH box. */
export interface Spool {
  /** Makes the folders and begins; everything that lies there from before is taken up. */
  start(): Promise<void>;
  /** Waits for what is under way. Safe to call twice, and without a start. */
  stop(): Promise<void>;
  /** Looks now: for whoever committed something in this process that concerns a recording. */
  wake(): void;
  status(): SpoolStatus;
}

export interface SpoolStatus {
  endRecordsWaiting: number;
  recordingsWaiting: number;
  /** Null: never measured. */
  freeBytes: number | null;
  /** What went wrong within the last minute, one of a kind: a disk that fills while the storage is away is two. */
  troubles: readonly SpoolTrouble[];
}

export interface SpoolTrouble {
  kind: "disk_low" | "disk_full" | "no_access" | "failing";
  message: string;
}

export interface SpoolOptions extends RecordingEvents {
  /** Holds `recordings/` and `cdr/`, which the switch writes, and `unclaimed/`. */
  directory: string;
  /** Names of the boxes that write there, as on their legs and recordings: one, but on a machine with several. */
  boxes: readonly string[];
  store: Store;
  storage: Storage;
  clock: Clock;
  log: Log;
  isSettled: (leg: LegId) => Promise<boolean>;
  takeEndRecord: (text: string) => Promise<EndRecordOutcome>;
  /** Told when trouble of a kind begins. */
  troubled?: (trouble: SpoolTrouble) => void;
}

/** A leg's event settles it within this, as a rule; its record is for when that is lost. */
const pollMs = 500;
const sweepFilesEveryMs = 60_000;
const measureDiskEveryMs = 30_000;
/** Nine hours of one recorded leg (32 kB/s), minutes of a busy box. */
const freeBytesMin = 1024 ** 3;
/** Longer than any retry takes to fail again. */
const troubleMs = 60_000;

export function createSpool(options: SpoolOptions): Spool {
  return new BoxSpool(options);
}

class BoxSpool implements Spool {
  readonly #options: SpoolOptions;
  readonly #folders: { recordings: string; cdr: string; unclaimed: string };
  readonly #endRecords: EndRecords;
  readonly #uploads: Uploads;
  readonly #polls: Poll[];
  #freeBytes: number | null = null;
  readonly #troubles = new Map<SpoolTrouble["kind"], SpoolTrouble & { untilMs: number }>();

  constructor(options: SpoolOptions) {
    const { directory, clock, log } = options;
    this.#options = options;
    this.#folders = {
      recordings: join(directory, "recordings"),
      cdr: join(directory, "cdr"),
      unclaimed: join(directory, "unclaimed"),
    };
    const unclaimed = new Unclaimed(this.#folders.unclaimed, log);
    const failed = (error: unknown) => this.#troubled(troubleOf(error));
    this.#endRecords = new EndRecords({ ...options, directory: this.#folders.cdr, unclaimed, failed });
    this.#uploads = new Uploads({ ...options, directory: this.#folders.recordings, unclaimed, failed });
    const poll = (everyMs: number, look: () => Promise<void>) =>
      new Poll(clock, everyMs, look, (error) => {
        log.error({ err: error }, "The spool could not be looked through.");
        failed(error);
      });
    this.#polls = [
      poll(pollMs, () => this.#endRecords.sweep()),
      poll(pollMs, () => this.#uploads.sweepRows()),
      poll(sweepFilesEveryMs, () => this.#uploads.sweepFiles()),
      poll(measureDiskEveryMs, () => this.#measureDisk()),
    ];
  }

  async start(): Promise<void> {
    // Numbers and voices are inside. An operator whose switch runs as somebody else makes the folders beforehand.
    for (const folder of Object.values(this.#folders)) await mkdir(folder, { recursive: true, mode: 0o700 });
    // What ended while nobody was there is known before anybody else looks for it.
    await this.#endRecords.sweep();
    for (const poll of this.#polls) poll.start();
  }

  async stop(): Promise<void> {
    await Promise.all(this.#polls.map((poll) => poll.stop()));
    await Promise.all([this.#endRecords.stop(), this.#uploads.stop()]);
  }

  wake(): void {
    for (const poll of this.#polls.slice(0, 2)) poll.wake();
  }

  status(): SpoolStatus {
    return {
      endRecordsWaiting: this.#endRecords.size,
      recordingsWaiting: this.#uploads.size,
      freeBytes: this.#freeBytes,
      troubles: [...this.#troubles.values()]
        .filter((trouble) => this.#lasts(trouble))
        .map(({ kind, message }) => ({ kind, message })),
    };
  }

  async #measureDisk(): Promise<void> {
    const { bavail, bsize } = await statfs(this.#folders.recordings);
    this.#freeBytes = bavail * bsize;
    if (this.#freeBytes < freeBytesMin) {
      this.#troubled({ kind: "disk_low", message: `The spool's disk has ${this.#freeBytes} bytes left.` });
    }
  }

  #troubled(trouble: SpoolTrouble): void {
    const before = this.#troubles.get(trouble.kind);
    this.#troubles.set(trouble.kind, { ...trouble, untilMs: this.#options.clock.monotonicMs() + troubleMs });
    if (before !== undefined && this.#lasts(before)) return;
    this.#options.log.error({ trouble }, "The spool is in trouble.");
    this.#options.troubled?.(trouble);
  }

  #lasts({ untilMs }: { untilMs: number }): boolean {
    return this.#options.clock.monotonicMs() < untilMs;
  }
}

function troubleOf(error: unknown): SpoolTrouble {
  const message = error instanceof Error ? error.message : String(error);
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
  if (code === "ENOSPC" || code === "EDQUOT") return { kind: "disk_full", message };
  if (code === "EACCES" || code === "EPERM" || code === "EROFS") return { kind: "no_access", message };
  return { kind: "failing", message };
}
