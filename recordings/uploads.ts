import { rename } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import type { Clock } from "../engine/clock.ts";
import { isId, type RecordingId } from "../engine/ids.ts";
import type { Log } from "../engine/log.ts";
import { removeSurely } from "../engine/object-removal.ts";
import * as recordings from "../engine/store/recordings.ts";
import type { Coverage, RecordingRow, SpooledRow } from "../engine/store/recordings.ts";
import type { Store, Tx } from "../engine/store/store.ts";
import { exists, filesIn, remove, statOrNull } from "./files.ts";
import { fingerprint, fingerprintFile, type Fingerprint } from "./fingerprint.ts";
import { isShort, talkMsOf } from "./gap.ts";
import { objectKey } from "./object-key.ts";
import { RepeatedWork } from "./repeated-work.ts";
import { putMsMax, type Storage } from "./storage.ts";
import { trimmed } from "./trim.ts";
import type { Unclaimed } from "./unclaimed.ts";
import { readWav, repairWav, type WavFile } from "./wav-file.ts";

/** Called in the transaction that gives the row its last state, once for each recording. */
export interface RecordingEvents {
  recordingReady: (tx: Tx, recording: RecordingRow) => Promise<void>;
  recordingEmpty: (tx: Tx, recording: RecordingRow) => Promise<void>;
  recordingMissing: (tx: Tx, recording: RecordingRow) => Promise<void>;
}

export interface UploadsOptions extends RecordingEvents {
  directory: string;
  boxes: readonly string[];
  store: Store;
  storage: Storage;
  clock: Clock;
  log: Log;
  unclaimed: Unclaimed;
  /** Told about each failure, for the box's health. */
  failed: (error: unknown) => void;
}

/** Files at once. */
const concurrency = 4;
/** Rows asked for at a time; the rest comes with the next look. */
const rowsMax = 500;
/** By then the engine has said that a leg's recordings are closed, unless it missed that. */
const legEndedGraceUs = 5_000_000;
/** A file that a row speaks of has had this long to appear. */
const missingAfterMs = 15_000;
/** A file without audio may be one that has only just been made. */
const nothingYetMs = 2000;
/** Rows are there before their file, so one without is no race; this is for clocks that differ. */
const orphanAfterMs = 60_000;

/**
 * Brings closed recordings from the spool to the storage. What to do with a file is read from its row, every time
 * anew; a file goes only after the commit that says where its audio is.
 */
export class Uploads {
  readonly #options: UploadsOptions;
  readonly #work: RepeatedWork;
  /** Since when, monotonic ms, a finished row's file has been looked for in vain. */
  readonly #absentSinceMs = new Map<RecordingId, number>();

  constructor(options: UploadsOptions) {
    this.#options = options;
    this.#work = new RepeatedWork({
      clock: options.clock,
      concurrency,
      retryMsMin: 1000,
      retryMsMax: 30_000,
      failed: (recording, error, failures) => {
        options.log.error({ recording, failures, err: error }, "A recording could not be stored yet.");
        options.failed(error);
      },
    });
  }

  /** How many recordings wait. */
  get size(): number {
    return this.#work.size;
  }

  /** Takes up what the rows say is finished: one cheap query, for every poll. */
  async sweepRows(): Promise<void> {
    const { store, boxes, clock } = this.#options;
    const before = clock.nowUs() - legEndedGraceUs;
    const ids = await store.read((tx) => recordings.finishedOfBoxes(tx, boxes, before, rowsMax));
    for (const id of ids) this.#work.offer(id, () => this.#settle(id));
  }

  /** Looks at every file there is: leftovers of a crash, and files that no row speaks of. */
  async sweepFiles(): Promise<void> {
    for (const name of (await filesIn(this.#options.directory)) ?? []) {
      const id = name.slice(0, -".wav".length);
      if (name.endsWith(".wav") && isId("rec", id)) this.#work.offer(id, () => this.#settle(id));
      else this.#work.offer(name, () => this.#setAside(join(this.#options.directory, name)));
    }
  }

  stop(): Promise<void> {
    return this.#work.stop();
  }

  async #settle(id: RecordingId): Promise<void> {
    const row = await this.#options.store.read((tx) => recordings.spooledById(tx, id));
    const path = join(this.#options.directory, `${id}.wav`);
    if (!row) return this.#setAside(path);
    switch (row.status) {
      case "starting":
      case "recording":
      case "paused":
      case "stopping":
        return this.#isAbandoned(row) ? this.#finish(row, path) : undefined;
      case "uploading":
      case "missing":
        return this.#finish(row, path);
      case "ready":
      case "empty":
        return this.#removeCopy(row, path);
      case "deleted":
        return this.#removeDeleted(row, path);
    }
  }

  /** Nobody said that the file is closed, but its leg is long gone. */
  #isAbandoned(row: SpooledRow): boolean {
    return row.legEndedAtUs !== null && row.legEndedAtUs < this.#options.clock.nowUs() - legEndedGraceUs;
  }

  async #finish(row: SpooledRow, path: string): Promise<void> {
    // Its age is that of when it was looked at: by the time that it is read it may have been written to.
    const lookedMs = this.#options.clock.nowMs();
    const before = await statOrNull(path);
    if (isOfLoser(row)) return this.#finishOfLoser(row, path);
    if (!before) return this.#absent(row);
    this.#absentSinceMs.delete(row.id);
    if (await this.#hasMoreStored(row, path, before.size)) return this.#settle(row.id);
    const wav = before.size === 0 ? emptyWav : await repairWav(path);
    // Nothing in it, yet: who finishes recordings may have been mistaken about this one.
    if (!wav?.dataBytes && lookedMs - before.mtimeMs < nothingYetMs) return;
    if (!wav) {
      await this.#lose(row);
      return this.#options.unclaimed.take(path, `recording ${row.id}: not a WAV file`);
    }
    if (wav.dataBytes === 0) return this.#finishEmpty(row, path);
    // The file is closed before the end is heard that may say that another has the call; then there is to be none.
    if (row.legEndedAtUs === null && row.legMayLose === 1) return;
    const audio = await audioOf(row, path, wav);
    const key = objectKey(row);
    // Deleted a moment ago, it is to be looked at as such.
    if (!(await this.#announce(row, key, audio.file.sizeBytes))) return this.#settle(row.id);
    await this.#options.storage.put(audio.read ?? path, key, audio.file);
    // The header's repair changed the file's time, not its length.
    const now = await statOrNull(path);
    if (now?.size !== before.size || (!audio.read && audio.file.sizeBytes !== before.size)) {
      throw new Error("The recording grew while it was uploaded; its writer is not done.");
    }
    if ((await this.#commitReady(row, wav, audio, key)) === "gone") return this.#removeDeleted(row, path);
    // What was written all the same is set aside by the look at every file: it differs from what is stored.
    if ((await statOrNull(path))?.size === before.size) await remove(path);
  }

  /** The row says where the object will be before it is there: deleted from then on, it is found whatever dies. */
  #announce(row: SpooledRow, key: string, sizeBytes: number): Promise<boolean> {
    const { store, clock } = this.#options;
    const put = { objectKey: key, putUntilMs: clock.nowMs() + putMsMax(sizeBytes) };
    return store.write((tx) => recordings.markPut(tx, row.id, put));
  }

  /** One transaction: the row is ready, and the engine tells it. */
  #commitReady(row: SpooledRow, wav: WavFile, audio: Audio, key: string): Promise<"ready" | "gone"> {
    const { store, clock, recordingReady } = this.#options;
    const stored = {
      durationMs: audio.durationMs,
      trimmedMs: audio.trimmedMs,
      // Of what the switch wrote: silence that was cut off is no gap.
      ...this.#coverage(row, wav.durationMs),
      sizeBytes: audio.file.sizeBytes,
      sha256: audio.file.sha256,
      objectKey: key,
      storedAtMs: clock.nowMs(),
    };
    return store.write(async (tx) => {
      if (await recordings.markReady(tx, row.id, stored)) {
        await recordingReady(tx, await fresh(tx, row));
        return "ready";
      }
      if ((await fresh(tx, row)).status !== "deleted") return "ready";
      await recordings.endPut(tx, row.id);
      return "gone";
    });
  }

  /** How much of the talk is there; what is missing, whoever looks after the switch hears of. */
  #coverage(row: SpooledRow, durationMs: number): Coverage {
    const talkMs = talkMsOf(row);
    if (!isShort(durationMs, talkMs)) return { talkMs, short: 0 };
    this.#options.log.warn(
      { recording: row.id, leg: row.legId, talkMs, durationMs },
      "A recording is shorter than the talk.",
    );
    return { talkMs, short: 1 };
  }

  async #finishEmpty(row: SpooledRow, path: string): Promise<void> {
    await this.#commitEmpty(row);
    await this.#removeCopy({ ...row, status: "empty" }, path);
  }

  /** Another of those that rang has the call: nothing was recorded, or a frame of somebody who picked up as well. */
  async #finishOfLoser(row: SpooledRow, path: string): Promise<void> {
    await this.#commitEmpty(row);
    await remove(path);
  }

  async #absent(row: SpooledRow): Promise<void> {
    const { clock, directory } = this.#options;
    if (row.status === "missing") return;
    // A spool that is not mounted says nothing about its files.
    if (!(await exists(directory))) throw new Error(`The spool's folder ${directory} is not there.`);
    const since = this.#absentSinceMs.get(row.id);
    if (since === undefined) this.#absentSinceMs.set(row.id, clock.monotonicMs());
    if (since === undefined || clock.monotonicMs() - since < missingAfterMs) return;
    if (await this.#fetchedBack(row)) return this.#settle(row.id);
    // A leg that nobody answered was never recorded at all; of one that was recorded for a moment the switch may keep no file.
    const begun = row.startedAtUs !== null;
    const talkMs = talkMsOf(row);
    const nothingSaid = talkMs !== null && !isShort(0, talkMs);
    if (nothingSaid || (!begun && row.legAnsweredAtUs === null)) await this.#commitEmpty(row);
    else if (begun) await this.#lose(row);
    else await this.#neverBegun(row);
    this.#absentSinceMs.delete(row.id);
  }

  /**
   * A database that was restored may be from before the upload, and the spool from after it: then the storage has the audio, and is
   * what it is taken from. False: it has none.
   */
  async #fetchedBack(row: SpooledRow): Promise<boolean> {
    const { storage, directory, log } = this.#options;
    const key = objectKey(row);
    const stored = await storage.head(key);
    if (!stored) return false;
    const incoming = join(directory, `${row.id}.part`);
    if (!(await storage.getFile(key, incoming, stored.sizeBytes))) return false;
    await rename(incoming, join(directory, `${row.id}.wav`));
    log.warn({ recording: row.id }, "A recording's file was taken back from the storage.");
    return true;
  }

  /** A spool that was restored with its database has the beginning of what was recorded; what was stored of it since is not overwritten. */
  async #hasMoreStored(row: SpooledRow, path: string, sizeBytes: number): Promise<boolean> {
    if (sizeBytes === 0 || (await readWav(path))?.closed !== false) return false;
    const stored = await this.#options.storage.head(objectKey(row));
    return stored !== null && stored.sizeBytes > sizeBytes && (await this.#fetchedBack(row));
  }

  #commitEmpty(row: SpooledRow): Promise<void> {
    const coverage = this.#coverage(row, 0);
    return this.#options.store.write(async (tx) => {
      if (!(await recordings.markWithoutAudio(tx, row.id, "empty", coverage))) return;
      await this.#options.recordingEmpty(tx, await fresh(tx, row));
    });
  }

  async #lose(row: SpooledRow): Promise<void> {
    this.#options.log.error({ recording: row.id, leg: row.legId }, "A recording's file is missing.");
    await this.#commitMissing(row);
  }

  /** The switch refused it, which was told then, or the leg ended before it heard of it. */
  async #neverBegun(row: SpooledRow): Promise<void> {
    this.#options.log.warn({ recording: row.id, leg: row.legId }, "A recording was never begun.");
    await this.#commitMissing(row);
  }

  async #commitMissing(row: SpooledRow): Promise<void> {
    const coverage = this.#coverage(row, 0);
    await this.#options.store.write(async (tx) => {
      if (!(await recordings.markWithoutAudio(tx, row.id, "missing", coverage))) return;
      await this.#options.recordingMissing(tx, await fresh(tx, row));
    });
  }

  /** A crash came between the commit and the removal; but a file that differs from what was stored is kept. */
  async #removeCopy(row: SpooledRow, path: string): Promise<void> {
    const file = await statOrNull(path);
    if (!file) return;
    const same = isOfLoser(row)
      ? true
      : row.status === "ready"
        ? await isStored(row, path)
        : file.size === 0 || (await readWav(path))?.dataBytes === 0;
    if (same) await remove(path);
    else
      await this.#options.unclaimed.take(path, `recording ${row.id} is ${row.status}, this is another file`);
  }

  /**
   * Deleted before it was stored. Of an upload whose end nobody saw the row goes on to say that the object may come yet: the
   * sweep of what was deleted removes it once it cannot.
   */
  async #removeDeleted(row: RecordingRow, path: string): Promise<void> {
    const { storage, store, clock } = this.#options;
    await removeSurely(storage, objectKey(row), { unfinished: true });
    await store.write((tx) => recordings.markObjectRemoved(tx, row.id, clock.nowMs()));
    await remove(path);
  }

  async #setAside(path: string): Promise<void> {
    const file = await statOrNull(path);
    if (!file || this.#options.clock.nowMs() - file.mtimeMs < orphanAfterMs) return;
    await this.#options.unclaimed.take(path, "no recording of that name");
  }
}

/** What is stored of a file. */
interface Audio {
  file: Fingerprint;
  durationMs: number;
  trimmedMs: number | null;
  /** Absent: the file as it is. */
  read?: () => Readable;
}

async function audioOf({ trim }: SpooledRow, path: string, wav: WavFile): Promise<Audio> {
  const cut = trim === 1 ? await trimmed(path) : null;
  if (cut) return { ...cut, file: await fingerprint(cut.read()) };
  const file = await fingerprintFile(path);
  return { file, durationMs: wav.durationMs, trimmedMs: trim === 1 ? 0 : null };
}

/** Whether the file is the one whose audio was stored. */
async function isStored(row: SpooledRow, path: string): Promise<boolean> {
  const wav = await readWav(path);
  return wav !== null && (await audioOf(row, path, wav)).file.sha256 === row.sha256;
}

const isOfLoser = ({ legHangupCause }: SpooledRow): boolean => legHangupCause === "lose_race";

const emptyWav: WavFile = { closed: true, dataBytes: 0, durationMs: 0 };

async function fresh(tx: Tx, row: RecordingRow): Promise<RecordingRow> {
  const now = await recordings.byId(tx, row.workspaceId, row.id);
  if (!now) throw new Error(`Recording ${row.id} has lost its row.`);
  return now;
}
