import { mkdir, mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { recordChange, type Actor } from "../audit/audit.ts";
import { rfc3339Ms, rfc3339Seconds, type Clock } from "../clock.ts";
import { SautikitError } from "../errors.ts";
import { isId, type Ids, type WorkspaceId } from "../ids.ts";
import type { Log } from "../log.ts";
import { removeSurely } from "../object-removal.ts";
import type { MailQueue } from "../mail/mail-queue.ts";
import { Poll } from "../poll.ts";
import type { Secrets } from "../secrets.ts";
import { memberById } from "../store/members.ts";
import {
  expireExports,
  exportById,
  exportsOf,
  exportsToRemove,
  failExport,
  insertExport,
  markExportReady,
  markExportRemoved,
  nextExport,
  putOffExport,
  takeExport,
  withdrawExports,
  withdrawExportsOf,
  type ExportRow,
} from "../store/privacy-exports.ts";
import type { RecordingRow } from "../store/recordings.ts";
import type { ReadTx, Store, Tx } from "../store/store.ts";
import { recordAccesses } from "./accesses.ts";
import { pseudonymOf, requireOthers } from "./data-subject.ts";
import { Archive } from "./archive.ts";
import { exportMax, fill, TooLarge, type ExportContents } from "./export-contents.ts";
import { Hold, leaseMs, NotOurs } from "./export-hold.ts";

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
  /** Also when there is no such object. `unfinished`: and what uploads have left there that never ended. */
  delete(key: string, options?: { unfinished: boolean }): Promise<void>;
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
  mails: MailQueue;
  clock: Clock;
  ids: Ids;
  log: Log;
  /** Called after the commit of what is asked for. Default: this very one looks, where it is started. */
  wanted?: () => void;
}

export type PrivacyExport = Omit<ExportRow, "contents"> & { contents: ExportContents | null };

/** Made whole, a ZIP is kept for so long; a link to it lives for an hour. */
const keptMs = 7 * 24 * 3_600_000;
const linkSeconds = 3600;
const batch = 50;
const lookEveryMs = 60_000;
const accessesAtOnce = 500;
/** At once, and of one workspace one: a long one holds up its own workspace's. */
const atOnce = 3;
/** From one try to the next; after the last one it is given up. In all two days of the seven that the law leaves. */
const pausesMs = [1, 5, 15, 60, 180, 360, 720, 1440].map((minutes) => minutes * 60_000);
/** Longer than a lease: nobody writes into a folder that was not touched for so long. */
const folderMs = 3_600_000;
const folderName = /^export-[A-Za-z0-9]{6}$/;

/** What is held of a person, by phone number: asked for as a row, made in the background, kept for seven days. */
export class Exports {
  readonly #parts: ExportsParts;
  readonly #poll: Poll;
  readonly #makers = new Set<Promise<void>>();
  readonly #stopping = new AbortController();

  constructor(parts: ExportsParts) {
    this.#parts = parts;
    const failed = (error: unknown) =>
      parts.log.error({ err: error }, "An export could not be made, or removed, yet; it is tried again.");
    // A look does not wait for those who make one: what is asked for meanwhile is seen.
    this.#poll = new Poll(parts.clock, lookEveryMs, () => this.#look(failed).then(() => undefined), failed);
  }

  start(): void {
    this.#poll.start();
  }

  /** Something was asked for. */
  wake(): void {
    this.#poll.wake();
  }

  /** What is being made is left, and made anew by who comes next. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#poll.stop();
    await Promise.all(this.#makers);
  }

  /** Throws `privacy.own_number`. */
  async request(
    tx: Tx,
    asked: Pick<ExportRow, "workspaceId" | "requestedBy" | "fromMs" | "toMs"> & { e164: string },
  ): Promise<PrivacyExport> {
    const { secrets, ids, clock } = this.#parts;
    await requireOthers(tx, asked.workspaceId, asked.e164);
    const id = ids.next("exp");
    const pseudonym = pseudonymOf(secrets, asked.workspaceId, asked.e164);
    await insertExport(tx, { ...asked, id, pseudonym, createdAtMs: clock.nowMs() });
    tx.afterCommit(this.#parts.wanted ?? (() => this.wake()));
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
    const access = { workspaceId, kind: "export" as const, actor };
    // Some at a time: other writers wait for each.
    for (let at = 0; at < recordingIds.length; at += accessesAtOnce) {
      const some = recordingIds.slice(at, at + accessesAtOnce);
      await store.write((tx) => recordAccesses(tx, this.#parts, { ...access, recordingIds: some }));
    }
    const stands = await store.write(async (tx) => {
      // Somebody may have been erased since it was looked at.
      if ((await exportById(tx, workspaceId, row.id))?.status !== "ready") return false;
      const shown = { before: null, after: { link_seconds: linkSeconds } };
      await recordChange(tx, this.#parts, {
        workspaceId,
        actor,
        action: "linkExport",
        subject: row.id,
        ...shown,
      });
      return true;
    });
    if (!stands) return null;
    return storage.presignGet(keyOf(row), {
      // Not beyond the day on which it goes.
      expiresInSeconds: Math.min(linkSeconds, Math.ceil((expiresAtMs - clock.nowMs()) / 1000)),
      fileName: `${row.id}.zip`,
      contentType: "application/zip",
    });
  }

  /**
   * In an erasure's transaction: withdraws whatever of the workspace may name that person, theirs and those of others who
   * may have talked with them, and tells who asked for these.
   */
  async withdraw(tx: Tx, workspaceId: WorkspaceId, pseudonym: string): Promise<void> {
    await withdrawExportsOf(tx, workspaceId, pseudonym);
    for (const row of await withdrawExports(tx, workspaceId))
      await this.#tell(tx, row, "is withdrawn", withdrawnText);
  }

  /** Makes what is due, and removes what has had its time. One that cannot be made holds back no other. */
  async run(): Promise<void> {
    const faults: unknown[] = [];
    const fault = (error: unknown) => void faults.push(error);
    // One that is made may have held up the next of its workspace.
    while (await this.#look(fault)) await Promise.all(this.#makers);
    await this.removeExpired().catch(fault);
    if (faults.length > 0) throw faults[0];
  }

  /** Gone is what the storage says that it does not have. */
  async removeExpired(): Promise<void> {
    const { store, clock } = this.#parts;
    await store.write((tx) => expireExports(tx, clock.nowMs()));
    const faults: unknown[] = [];
    let after: ExportRow["id"] | null = null;
    for (;;) {
      const page: { limit: number; after: ExportRow["id"] | null } = { limit: batch, after };
      const rows: ExportRow[] = await store.read((tx) => exportsToRemove(tx, clock.nowMs(), page));
      for (const row of rows) await this.#remove(row).catch((error: unknown) => faults.push(error));
      after = rows.at(-1)?.id ?? null;
      if (rows.length < batch) break;
    }
    if (faults.length > 0) throw faults[0];
  }

  async #remove(row: ExportRow): Promise<void> {
    const { store, storage, clock } = this.#parts;
    // Of a try that was killed, parts.
    await removeSurely(storage, keyOf(row), { unfinished: true });
    await store.write((tx) => markExportRemoved(tx, row.id, clock.nowMs()));
  }

  /** Begins to make what is due, as far as there is room. False: nothing is being made. */
  async #look(fault: (error: unknown) => void): Promise<boolean> {
    await this.#sweepFolders().catch(fault);
    await this.removeExpired().catch(fault);
    while (this.#makers.size < atOnce && !this.#stopping.signal.aborted) {
      const taken = await this.#take();
      if (!taken) break;
      const maker = this.#make(taken)
        .catch(fault)
        .finally(() => {
          this.#makers.delete(maker);
          this.#poll.wake();
        });
      this.#makers.add(maker);
    }
    return this.#makers.size > 0;
  }

  /** The next one, ours until the lease ends. Undefined: none is due. */
  async #take(): Promise<ExportRow | undefined> {
    const { store, clock } = this.#parts;
    const nowMs = clock.nowMs();
    for (;;) {
      const next = await store.read((tx) => nextExport(tx, nowMs));
      // Its last try died with its process, and maybe the process of it.
      if (next && next.attempts > pausesMs.length) {
        await store.write((tx) => this.#giveUp(tx, next, "not_made"));
        continue;
      }
      return next && (await store.write((tx) => takeExport(tx, next, nowMs, nowMs + leaseMs)));
    }
  }

  /** Whoever dies in between leaves it pending; it is made anew, onto the same key. */
  async #make(row: ExportRow): Promise<void> {
    const { store, clock, directory } = this.#parts;
    const hold = new Hold(row, this.#parts, this.#stopping.signal);
    try {
      await mkdir(directory, { recursive: true, mode: 0o700 });
      const folder = await mkdtemp(join(directory, "export-"));
      hold.begin(folder);
      try {
        await this.#makeIn(folder, row, hold);
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    } catch (error) {
      if (error instanceof NotOurs) return;
      if (error instanceof TooLarge) return await store.write((tx) => this.#giveUp(tx, row, "too_large"));
      const pauseMs = pausesMs[row.attempts - 1];
      await store.write((tx) =>
        pauseMs === undefined
          ? this.#giveUp(tx, row, "not_made")
          : putOffExport(tx, row, clock.nowMs() + pauseMs),
      );
      throw error;
    } finally {
      await hold.end();
    }
  }

  async #makeIn(folder: string, row: ExportRow, hold: Hold): Promise<void> {
    const { store, storage, clock } = this.#parts;
    const { e164 } = row;
    if (e164 === null) throw new NotOurs();
    const archive = new Archive(folder, rfc3339Ms(row.createdAtMs));
    const contents = await fill(archive, { ...row, e164 }, this.#parts, () => hold.checkFast());
    await archive.close(join(folder, "export.zip"));
    await hold.check();
    const sizeBytes = await storage.putFile(join(folder, "export.zip"), keyOf(row), "application/zip");
    const nowMs = clock.nowMs();
    const { id, attempts } = row;
    const ready = { id, attempts, readyAtMs: nowMs, expiresAtMs: nowMs + keptMs, sizeBytes };
    // Where somebody was erased meanwhile it is not, and what was stored is removed by the next look.
    await store.write((tx) => markExportReady(tx, { ...ready, contents: JSON.stringify(contents) }));
  }

  async #giveUp(tx: Tx, row: ExportRow, endedBy: "too_large" | "not_made"): Promise<void> {
    if (await failExport(tx, row, endedBy))
      await this.#tell(tx, row, "could not be made", failedText[endedBy]);
  }

  /** Where a member asked for it; of a key's, or the operator's, `GET` says it. */
  async #tell(tx: Tx, row: ExportRow, what: string, text: string): Promise<void> {
    if (!isId("usr", row.requestedBy)) return;
    const member = await memberById(tx, row.workspaceId, row.requestedBy);
    if (!member) return;
    await this.#parts.mails.send(tx, {
      key: `export ${row.id} ${what}`,
      workspaceId: row.workspaceId,
      to: [member.email],
      subject: `An export that you asked for ${what}`,
      text: `The export ${row.id}, which you asked for at ${rfc3339Seconds(row.createdAtMs)}, ${what}.\n\n${text}\n`,
    });
  }

  /** What a process that was killed left behind: of folders that we named, those that nobody has touched for long. */
  async #sweepFolders(): Promise<void> {
    const { directory, clock } = this.#parts;
    const there = await readdir(directory, { withFileTypes: true }).catch(ifMissing([]));
    for (const entry of there) {
      if (!entry.isDirectory() || !folderName.test(entry.name)) continue;
      const folder = join(directory, entry.name);
      const found = await stat(folder).catch(ifMissing(null));
      if (found && found.mtimeMs < clock.nowMs() - folderMs)
        await rm(folder, { recursive: true, force: true });
    }
  }
}

/** In place of what is not there. */
const ifMissing =
  <T>(instead: T) =>
  (error: unknown): T => {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return instead;
    throw error;
  };

const withdrawnText =
  "Somebody who may be on its calls has asked to be erased, and the file, which could name them, is deleted. Ask for it again, " +
  "and it is made without them.";
const failedText = {
  too_large:
    `It would hold more than ${exportMax.calls} calls, or more than ${exportMax.bytes / 1e9} GB. Ask for it in parts, ` +
    "with `from` and `to`.",
  not_made:
    "It was tried for two days. Ask for it again; where it fails again, tell who runs this server, who has it in the log.",
} as const;

const keyOf = ({ workspaceId, id }: Pick<ExportRow, "workspaceId" | "id">) =>
  `${workspaceId}/privacy/${id}.zip`;

const exportOf = (row: ExportRow): PrivacyExport => ({
  ...row,
  contents: row.contents === null ? null : (JSON.parse(row.contents) as ExportContents),
});
