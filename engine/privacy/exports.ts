import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { recordChange, type Actor } from "../audit/audit.ts";
import { callView, eventView } from "../calls/call-view.ts";
import { rfc3339Ms, type Clock } from "../clock.ts";
import { SautikitError } from "../errors.ts";
import type { CallId, Ids, KeyId, RecordingId, UserId, WorkspaceId } from "../ids.ts";
import type { JsonObject } from "../json.ts";
import type { Log } from "../log.ts";
import { Poll } from "../poll.ts";
import type { Secrets } from "../secrets.ts";
import { eventsOfCall, legsOfCall, type CallRow } from "../store/calls.ts";
import {
  callsWithParty,
  expireExports,
  exportById,
  exportsOf,
  exportsToRemove,
  insertExport,
  markExportReady,
  markExportRemoved,
  pendingExports,
  type ExportRow,
} from "../store/privacy-exports.ts";
import { byCall, type RecordingRow } from "../store/recordings.ts";
import type { ReadTx, Store, Tx } from "../store/store.ts";
import { recordAccesses } from "./accesses.ts";
import { pseudonymOf, requireOthers } from "./data-subject.ts";
import { Archive } from "./archive.ts";

/** The object storage, as far as exports need it. Every method throws `storage.unavailable`. */
export interface ExportStorage {
  /** Returns, with its size, once the storage was seen to hold exactly that file. */
  putFile(file: string, key: string, contentType: string): Promise<number>;
  /** False: there is no such object. */
  getFile(key: string, file: string, bytes: number): Promise<boolean>;
  presignGet(
    key: string,
    options: { expiresInSeconds: number; fileName: string; contentType: string },
  ): Promise<{ url: string; expiresAtMs: number }>;
  /** Also when there is no such object. */
  delete(key: string): Promise<void>;
  /** Null: there is no such object. */
  head(key: string): Promise<{ sizeBytes: number } | null>;
}

export interface ExportsParts {
  store: Store;
  storage: ExportStorage;
  recordingKey: (recording: RecordingRow) => string;
  /** Where ZIPs are made, before they go to the storage. */
  directory: string;
  secrets: Secrets;
  clock: Clock;
  ids: Ids;
  log: Log;
}

export interface ExportContents {
  calls: number;
  events: number;
  recordings: number;
  recordingIds: RecordingId[];
}

export type PrivacyExport = Omit<ExportRow, "contents"> & { contents: ExportContents | null };

/** Made whole, a ZIP is kept for so long; a link to it lives for an hour. */
const keptMs = 7 * 24 * 3_600_000;
const linkSeconds = 3600;
const batch = 50;
const lookEveryMs = 60_000;

/** What is held of a person, by phone number: asked for as a row, made in the background, kept for seven days. */
export class Exports {
  readonly #parts: ExportsParts;
  readonly #poll: Poll;

  constructor(parts: ExportsParts) {
    this.#parts = parts;
    this.#poll = new Poll(
      parts.clock,
      lookEveryMs,
      () => this.run(),
      (error) =>
        parts.log.error({ err: error }, "An export could not be made, or removed, yet; it is tried again."),
    );
  }

  start(): void {
    this.#poll.start();
  }

  stop(): Promise<void> {
    return this.#poll.stop();
  }

  /** Throws `privacy.own_number`. */
  async request(
    tx: Tx,
    asked: { workspaceId: WorkspaceId; e164: string; requestedBy: KeyId | UserId | null },
  ): Promise<PrivacyExport> {
    const { secrets, ids, clock } = this.#parts;
    await requireOthers(tx, asked.workspaceId, asked.e164);
    const id = ids.next("exp");
    const pseudonym = pseudonymOf(secrets, asked.workspaceId, asked.e164);
    await insertExport(tx, { ...asked, id, pseudonym, createdAtMs: clock.nowMs() });
    tx.afterCommit(() => this.#poll.wake());
    return this.get(tx, asked.workspaceId, id);
  }

  async get(tx: ReadTx, workspaceId: WorkspaceId, id: ExportRow["id"]): Promise<PrivacyExport> {
    const row = await exportById(tx, workspaceId, id);
    if (!row) throw new SautikitError("privacy.export_not_found");
    return exportOf(row);
  }

  async list(
    tx: ReadTx,
    workspaceId: WorkspaceId,
    page: { limit: number; before: ExportRow["id"] | null },
  ): Promise<PrivacyExport[]> {
    return (await exportsOf(tx, workspaceId, page)).map(exportOf);
  }

  /** A link, written down first as an access to each recording that is in it. Null: it is not ready, or gone. */
  async link(row: PrivacyExport, actor: Actor): Promise<{ url: string; expiresAtMs: number } | null> {
    const { store, storage, clock } = this.#parts;
    const { status, expiresAtMs, contents, workspaceId } = row;
    if (status !== "ready" || expiresAtMs === null || expiresAtMs <= clock.nowMs()) return null;
    const recordingIds = contents?.recordingIds ?? [];
    const access = { workspaceId, recordingIds, kind: "export" as const, actor };
    await store.write(async (tx) => {
      await recordAccesses(tx, this.#parts, access);
      const shown = { before: null, after: { link_seconds: linkSeconds } };
      await recordChange(tx, this.#parts, {
        workspaceId,
        actor,
        action: "linkExport",
        subject: row.id,
        ...shown,
      });
    });
    return storage.presignGet(keyOf(row), {
      // Not beyond the day on which it goes.
      expiresInSeconds: Math.min(linkSeconds, Math.ceil((expiresAtMs - clock.nowMs()) / 1000)),
      fileName: `${row.id}.zip`,
      contentType: "application/zip",
    });
  }

  /** Makes what is asked for, and removes what has had its time. One that cannot be made holds back no other. */
  async run(): Promise<void> {
    const { store } = this.#parts;
    const faults: unknown[] = [];
    for (const row of await store.read((tx) => pendingExports(tx, batch)))
      await this.#make(row).catch((error: unknown) => faults.push(error));
    await this.removeExpired().catch((error: unknown) => faults.push(error));
    if (faults.length > 0) throw faults[0];
  }

  /** Gone is what the storage says that it does not have. */
  async removeExpired(): Promise<void> {
    const { store, storage, clock } = this.#parts;
    await store.write((tx) => expireExports(tx, clock.nowMs()));
    for (let more = true; more;) {
      const rows = await store.read((tx) => exportsToRemove(tx, batch));
      for (const row of rows) {
        await storage.delete(keyOf(row));
        if (await storage.head(keyOf(row)))
          throw new SautikitError("storage.unavailable", `The storage still holds ${keyOf(row)}.`);
        await store.write((tx) => markExportRemoved(tx, row.id, clock.nowMs()));
      }
      more = rows.length === batch;
    }
  }

  /** Whoever dies in between leaves it pending; it is made anew, onto the same key. */
  async #make(row: ExportRow): Promise<void> {
    const { store, storage, clock, directory } = this.#parts;
    if (row.e164 === null) return;
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const folder = await mkdtemp(join(directory, "export-"));
    try {
      const archive = new Archive(folder, rfc3339Ms(row.createdAtMs));
      const contents = await this.#fill(archive, row.workspaceId, row.e164);
      await archive.close(join(folder, "export.zip"));
      const sizeBytes = await storage.putFile(join(folder, "export.zip"), keyOf(row), "application/zip");
      const nowMs = clock.nowMs();
      const ready = { readyAtMs: nowMs, expiresAtMs: nowMs + keptMs, contents: JSON.stringify(contents) };
      const made = await store.write((tx) => markExportReady(tx, { id: row.id, sizeBytes, ...ready }));
      // Its number was erased while it was made, and with it what had been stored by then.
      if (!made && (await store.read((tx) => exportById(tx, row.workspaceId, row.id)))?.status === "expired")
        await storage.delete(keyOf(row));
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }

  async #fill(archive: Archive, workspaceId: WorkspaceId, e164: string): Promise<ExportContents> {
    const contents: ExportContents = { calls: 0, events: 0, recordings: 0, recordingIds: [] };
    let after: CallId | null = null;
    for (;;) {
      const calls: CallRow[] = await this.#parts.store.read((tx) =>
        callsWithParty(tx, workspaceId, e164, { limit: batch, after }),
      );
      for (const call of calls) await this.#addCall(archive, call, contents);
      after = calls.at(-1)?.id ?? null;
      if (calls.length < batch) break;
    }
    return contents;
  }

  async #addCall(archive: Archive, call: CallRow, contents: ExportContents): Promise<void> {
    const { store, storage, clock, recordingKey } = this.#parts;
    const { legs, events, recordings } = await store.read(async (tx) => ({
      legs: await legsOfCall(tx, call.id),
      events: await eventsOfCall(tx, call.id),
      recordings: await byCall(tx, call.workspaceId, call.id),
    }));
    const byLeg = new Map(
      legs.map((leg) => [leg.id, recordings.filter((row) => row.legId === leg.id).map((row) => row.id)]),
    );
    await archive.add("calls", callView({ call, legs, events: [], recordings: byLeg }, clock.nowUs()));
    contents.calls++;
    for (const event of events) await archive.add("events", eventView(event));
    contents.events += events.length;
    for (const recording of recordings) {
      const name = `audio/${recording.id}.wav`;
      const stored =
        recording.status === "ready" &&
        (await storage.getFile(recordingKey(recording), archive.place(name), recording.sizeBytes ?? 0));
      if (stored) {
        archive.take(name);
        contents.recordingIds.push(recording.id);
      }
      await archive.add("recordings", recordingFacts(recording, stored ? name : null));
      contents.recordings++;
    }
  }
}

const recordingFacts = (row: RecordingRow, file: string | null): JsonObject => ({
  id: row.id,
  call_id: row.callId,
  leg_id: row.legId,
  status: row.status,
  created_at: rfc3339Ms(row.createdAtMs),
  duration_seconds: row.durationMs === null ? null : row.durationMs / 1000,
  size_bytes: row.sizeBytes,
  sha256: row.sha256,
  deleted_at: row.deletedAtMs === null ? null : rfc3339Ms(row.deletedAtMs),
  delete_reason: row.deleteReason,
  file,
});

const keyOf = ({ workspaceId, id }: Pick<ExportRow, "workspaceId" | "id">) =>
  `${workspaceId}/privacy/${id}.zip`;

const exportOf = (row: ExportRow): PrivacyExport => ({
  ...row,
  contents: row.contents === null ? null : (JSON.parse(row.contents) as ExportContents),
});
