import type { Clock } from "../engine/clock.ts";
import { SautikitError } from "../engine/errors.ts";
import type { CallId, RecordingId, WorkspaceId } from "../engine/ids.ts";
import type { Log } from "../engine/log.ts";
import { removeSurely } from "../engine/object-removal.ts";
import * as rows from "../engine/store/recordings.ts";
import type { RecordingRow } from "../engine/store/recordings.ts";
import type { Store, Tx } from "../engine/store/store.ts";
import { objectKey } from "./object-key.ts";
import { Poll } from "../engine/poll.ts";
import type { PresignedUrl, Storage } from "./storage.ts";

/** What customers can do with their recordings: list, fetch by a presigned link, delete. */
export interface Recordings {
  /**
   * A link to a recording of the call: that one, else the first recorded leg's earliest that has, or will have, audio.
   * `count` is how many such recordings the call has.
   */
  forCall(workspaceId: WorkspaceId, callId: CallId, recordingId?: RecordingId): Promise<RecordingLink>;
  /** A call's, first leg's earliest first, those behind `after`; `next` is the `after` of the page that follows. */
  listForCall(
    workspaceId: WorkspaceId,
    callId: CallId,
    page: { limit: number; after: RecordingId | null },
  ): Promise<{ data: LinkedRecording[]; next: RecordingId | null }>;
  /** A workspace's, newest first, those older than `before`; `next` is the `before` of the page after. */
  list(
    workspaceId: WorkspaceId,
    page: { limit: number; before: RecordingId | null },
  ): Promise<{ data: LinkedRecording[]; next: RecordingId | null }>;
  /** Null: the workspace has no such recording. */
  get(workspaceId: WorkspaceId, id: RecordingId): Promise<LinkedRecording | null>;
  /**
   * Deletes it, for good; its audio goes after the commit. Again: changes nothing. Throws `recordings.not_found`, and
   * `calls.recording_state` while it is being made.
   */
  delete(tx: Tx, workspaceId: WorkspaceId, id: RecordingId): Promise<RecordingRow>;
  /** Begins to remove what was deleted, or is past its workspace's retention. */
  start(): void;
  stop(): Promise<void>;
}

export type RecordingLink =
  | ({ kind: "ready"; recording: RecordingRow; count: number } & PresignedUrl)
  | { kind: "pending"; retryAfterSeconds: number; count: number }
  | { kind: "notFound" }
  /** It exists, and holds no audio: nothing was said, or the switch left no file. */
  | { kind: "withoutAudio"; recording: RecordingRow }
  /** Deleted, by the customer or at the end of its retention. */
  | { kind: "expired"; recording: RecordingRow };

export interface LinkedRecording {
  recording: RecordingRow;
  /** Null unless it is ready. */
  link: PresignedUrl | null;
}

export interface RecordingsOptions {
  store: Store;
  storage: Storage;
  clock: Clock;
  log: Log;
}

const linkSeconds = 3600;
const retryAfterSeconds = 2;
const sweepEveryMs = 60_000;
const batch = 100;

export function createRecordings(options: RecordingsOptions): Recordings {
  return new StoredRecordings(options);
}

class StoredRecordings implements Recordings {
  readonly #store: Store;
  readonly #storage: Storage;
  readonly #clock: Clock;
  readonly #sweep: Poll;

  constructor({ store, storage, clock, log }: RecordingsOptions) {
    this.#store = store;
    this.#storage = storage;
    this.#clock = clock;
    this.#sweep = new Poll(
      clock,
      sweepEveryMs,
      () => this.#expireAndRemove(),
      (error) => {
        log.error({ err: error }, "Deleted recordings could not be removed from the storage yet.");
      },
    );
  }

  async forCall(workspaceId: WorkspaceId, callId: CallId, recordingId?: RecordingId): Promise<RecordingLink> {
    const all = await this.#store.read((tx) => rows.byCall(tx, workspaceId, callId));
    const audible = all.filter(hasAudioOrWill);
    // Of the first leg that was recorded, and never of another: that would be somebody else's voice.
    const firstLeg = all.filter((row) => row.legId === all[0]?.legId);
    const recording =
      recordingId === undefined
        ? (firstLeg.find(hasAudioOrWill) ?? firstLeg[0])
        : all.find((row) => row.id === recordingId);
    if (!recording) return { kind: "notFound" };
    switch (recording.status) {
      case "ready":
        return { kind: "ready", recording, count: audible.length, ...(await this.#sign(recording)) };
      case "empty":
      case "missing":
        return { kind: "withoutAudio", recording };
      case "deleted":
        return { kind: "expired", recording };
      case "starting":
      case "recording":
      case "paused":
      case "stopping":
      case "uploading":
        return { kind: "pending", retryAfterSeconds, count: audible.length };
    }
  }

  async listForCall(
    workspaceId: WorkspaceId,
    callId: CallId,
    { limit, after }: { limit: number; after: RecordingId | null },
  ) {
    const all = await this.#store.read((tx) => rows.byCall(tx, workspaceId, callId));
    const place = after === null ? -1 : all.findIndex(({ id }) => id === after);
    const behind = after !== null && place === -1 ? [] : all.slice(place + 1);
    const page = behind.slice(0, limit);
    return {
      data: await this.#linked(page),
      next: behind.length > limit ? (page.at(-1)?.id ?? null) : null,
    };
  }

  async list(workspaceId: WorkspaceId, { limit, before }: { limit: number; before: RecordingId | null }) {
    const found = await this.#store.read((tx) =>
      rows.byWorkspace(tx, workspaceId, { limit: limit + 1, before }),
    );
    const page = found.slice(0, limit);
    return {
      data: await this.#linked(page),
      next: found.length > limit ? (page.at(-1)?.id ?? null) : null,
    };
  }

  async get(workspaceId: WorkspaceId, id: RecordingId): Promise<LinkedRecording | null> {
    const recording = await this.#store.read((tx) => rows.byId(tx, workspaceId, id));
    return recording ? this.#link(recording) : null;
  }

  async delete(tx: Tx, workspaceId: WorkspaceId, id: RecordingId): Promise<RecordingRow> {
    const found = await rows.byId(tx, workspaceId, id);
    if (!found) throw new SautikitError("recordings.not_found");
    const deleted = await rows.markDeleted(tx, id, "requested", this.#clock.nowMs());
    if (!deleted && found.status !== "deleted") {
      throw new SautikitError("calls.recording_state", "The recording is still being made: stop it first.");
    }
    tx.afterCommit(() => this.#sweep.wake());
    return (await rows.byId(tx, workspaceId, id)) ?? found;
  }

  start(): void {
    this.#sweep.start();
  }

  stop(): Promise<void> {
    return this.#sweep.stop();
  }

  #linked(recordings: RecordingRow[]): Promise<LinkedRecording[]> {
    return Promise.all(recordings.map((recording) => this.#link(recording)));
  }

  async #link(recording: RecordingRow): Promise<LinkedRecording> {
    return { recording, link: recording.status === "ready" ? await this.#sign(recording) : null };
  }

  #sign(recording: RecordingRow): Promise<PresignedUrl> {
    return this.#storage.presignGet(recording.objectKey ?? objectKey(recording), {
      expiresInSeconds: linkSeconds,
      fileName: `${recording.id}.wav`,
    });
  }

  async #expireAndRemove(): Promise<void> {
    const nowMs = this.#clock.nowMs();
    // What is deleted is gone for good: a clock that was set forward by a month, by mistake, must not have all of it deleted.
    const expiryMs = Math.min(nowMs, this.#clock.steadyMs());
    for (let from: WorkspaceId | null = null, more = true; more;) {
      const page: Parameters<typeof rows.pastRetention>[1] = { nowMs: expiryMs, from, limit: batch };
      const expired = await this.#store.read((tx) => rows.pastRetention(tx, page));
      await this.#store.write(async (tx) => {
        for (const { id } of expired) await rows.markDeleted(tx, id, "retention", nowMs);
      });
      more = expired.length === batch;
      from = expired.at(-1)?.workspaceId ?? null;
    }
    // One that cannot be removed keeps no other: it is told once all that can be are.
    const faults: unknown[] = [];
    for (let more = true; more;) {
      const deleted = await this.#store.read((tx) => rows.toRemove(tx, nowMs, batch));
      const before = faults.length;
      for (const row of deleted) await this.#remove(row).catch((error: unknown) => faults.push(error));
      more = deleted.length === batch && faults.length === before;
    }
    if (faults.length > 0) throw faults[0];
  }

  /** Repeatable: a crash in between removes an object again that is gone. */
  async #remove(row: RecordingRow): Promise<void> {
    // Without a key no upload has begun, and none will: it has at most a file on the spool, which goes with its own object.
    const unfinished = row.storedAtMs === null;
    // An erasure takes the row's word for it.
    if (row.objectKey !== null) await removeSurely(this.#storage, row.objectKey, { unfinished });
    await this.#store.write((tx) => rows.markObjectRemoved(tx, row.id, this.#clock.nowMs()));
  }
}

const hasAudioOrWill = ({ status }: RecordingRow) =>
  status !== "empty" && status !== "missing" && status !== "deleted";
