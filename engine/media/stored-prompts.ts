import type { Clock } from "../clock.ts";
import { SautikitError, type ErrorCode } from "../errors.ts";
import type { Ids, MediaId, WorkspaceId } from "../ids.ts";
import * as rows from "../store/media.ts";
import type { MediaRow } from "../store/media.ts";
import { removeEach } from "../object-removal.ts";
import type { Store, Tx } from "../store/store.ts";
import { keepWorkspace } from "../store/workspaces.ts";
import { Converter } from "./converter.ts";
import { isWav } from "./wav-source.ts";
import { MediaError, type MediaFault } from "./media-error.ts";
import { sha256Of } from "./sha256.ts";
import type { PromptUrls } from "./prompt-urls.ts";

/** The object storage, as far as prompts need it. Every method throws `storage.unavailable`. */
export interface PromptStorage {
  /** Returns once the storage was seen to hold exactly those bytes. */
  putBytes(bytes: Uint8Array, key: string, contentType: string): Promise<void>;
  /** Null: there is no such object. One that is larger is no object of ours. */
  get(key: string, bytesMax: number): Promise<Uint8Array | null>;
  presignGet(
    key: string,
    options: { expiresInSeconds: number; fileName: string; contentType: string },
  ): Promise<{ url: string }>;
  /** Also when there is no such object. `unfinished`: and what uploads have left there that never ended. */
  delete(key: string, options?: { unfinished: boolean }): Promise<void>;
}

export interface StoredPromptsParts {
  store: Store;
  storage: PromptStorage;
  urls: PromptUrls;
  clock: Clock;
  ids: Ids;
}

export interface Upload {
  bytes: Uint8Array;
  name: string | null;
}

export const uploadBytesMax = 10 * 1024 * 1024;
const audioSecondsMax = 3600;
/** Of one workspace, until storage is metered. */
const promptsMax = 1000;
const workspaceBytesMax = 200_000_000;
const linkSeconds = 3600;
/** Longer than the storage's own limits let a put take. */
const reservedMsMax = 15 * 60_000;
const removedAtOnce = 100;

/**
 * Prompts that customers have uploaded: the file in the object storage, a row that says so. The row is there first, seen
 * by nobody, so that an object without one never is; whoever dies in between leaves a row that `sweep` clears away.
 */
export class StoredPrompts {
  readonly urls: PromptUrls;
  readonly #parts: StoredPromptsParts;
  readonly #converter: Converter;

  constructor(parts: StoredPromptsParts) {
    this.urls = parts.urls;
    this.#parts = parts;
    this.#converter = new Converter({ clock: parts.clock, secondsMax: audioSecondsMax });
  }

  /**
   * Looks whether it can be played, by converting it, and puts it into the storage; `publish` makes it a prompt. Throws
   * `media.unsupported`, `media.too_long`, `media.busy`, `media.storage_full`, `storage.unavailable`.
   */
  async put(workspaceId: WorkspaceId, { bytes, name }: Upload): Promise<MediaRow> {
    const { store, storage, clock, ids } = this.#parts;
    const { durationMs } = await this.#converter.check(bytes).catch((error: unknown) => {
      throw error instanceof MediaError ? refusal(error) : error;
    });
    const id = ids.next("med");
    const row = {
      ...{ id, workspaceId, name, durationMs, sizeBytes: bytes.length, sha256: await sha256Of(bytes) },
      contentType: isWav(bytes) ? "audio/wav" : "audio/mpeg",
      objectKey: `${workspaceId}/media/${id}`,
      createdAtMs: clock.nowMs(),
    };
    await store.write((tx) => reserveRoom(tx, row));
    try {
      await storage.putBytes(bytes, row.objectKey, row.contentType);
    } catch (error) {
      await store.write((tx) => rows.giveUp(tx, id, clock.nowMs()));
      throw error;
    }
    return { ...row, storedAtMs: clock.nowMs(), deletedAtMs: null };
  }

  /** From here on it is the workspace's. Throws `storage.unavailable` where it took so long that it was given up. */
  async publish(tx: Tx, row: MediaRow): Promise<void> {
    if (await rows.markStored(tx, row.id, row.storedAtMs ?? 0)) return;
    throw new SautikitError("storage.unavailable", "Storing it took too long.", { retryAfterSeconds: 5 });
  }

  get(workspaceId: WorkspaceId, id: MediaId): Promise<MediaRow | undefined> {
    return this.#parts.store.read((tx) => rows.byId(tx, workspaceId, id));
  }

  list(workspaceId: WorkspaceId, page: { limit: number; before: MediaId | null }): Promise<MediaRow[]> {
    return this.#parts.store.read((tx) => rows.byWorkspace(tx, workspaceId, page));
  }

  /** For good; a call that plays it plays it to its end. Throws `media.not_found`. */
  async delete(tx: Tx, workspaceId: WorkspaceId, id: MediaId): Promise<void> {
    if (!(await rows.markDeleted(tx, workspaceId, id, this.#parts.clock.nowMs())))
      throw new SautikitError("media.not_found");
  }

  /** A link of an hour that asks for no key. */
  async link({ id, objectKey, contentType }: MediaRow): Promise<string> {
    const fileName = `${id}.${contentType === "audio/wav" ? "wav" : "mp3"}`;
    const options = { expiresInSeconds: linkSeconds, fileName, contentType };
    return (await this.#parts.storage.presignGet(objectKey, options)).url;
  }

  /** The file itself, as it was uploaded. Throws MediaError. */
  async read({ objectKey, sizeBytes, sha256 }: MediaRow): Promise<Uint8Array> {
    let bytes: Uint8Array | null;
    try {
      bytes = await this.#parts.storage.get(objectKey, sizeBytes);
    } catch (cause) {
      throw new MediaError("storage_failed", "The prompt could not be read from the storage.", { cause });
    }
    if (!bytes || (await sha256Of(bytes)) !== sha256)
      throw new MediaError("storage_failed", "The storage does not hold the prompt that was uploaded.");
    return bytes;
  }

  /** Removes what was deleted, and what a process that died has left. Repeatable. */
  async sweep(): Promise<void> {
    const { store, storage, clock } = this.#parts;
    const nowMs = clock.nowMs();
    const settledMs = nowMs - reservedMsMax;
    await store.write((tx) => rows.giveUpReservedBefore(tx, settledMs, nowMs));
    await removeEach(
      removedAtOnce,
      () => store.read((tx) => rows.toRemove(tx, settledMs, removedAtOnce)),
      async ({ id, objectKey }) => {
        await storage.delete(objectKey, { unfinished: true });
        await store.write((tx) => rows.forget(tx, id));
      },
    );
  }

  /** Ends what is being converted. */
  close(): Promise<void> {
    return this.#converter.close();
  }
}

async function reserveRoom(tx: Tx, row: Parameters<typeof rows.reserve>[1]): Promise<void> {
  await keepWorkspace(tx, row.workspaceId);
  const { count, bytes } = await rows.usage(tx, row.workspaceId);
  if (count >= promptsMax || bytes + row.sizeBytes > workspaceBytesMax)
    throw new SautikitError("media.storage_full", `There are ${count} prompts of ${bytes} bytes.`);
  await rows.reserve(tx, row);
}

const codes: Partial<Record<MediaFault, ErrorCode>> = { too_long: "media.too_long", busy: "media.busy" };

function refusal({ code, message }: MediaError): SautikitError {
  const known = codes[code] ?? "media.unsupported";
  return new SautikitError(known, message, known === "media.busy" ? { retryAfterSeconds: 5 } : {});
}
