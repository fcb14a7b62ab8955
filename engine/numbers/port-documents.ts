import { dayMs, type Clock } from "../clock.ts";
import { SautikitError } from "../errors.ts";
import { sha256Of } from "../media/sha256.ts";
import type { Ids, PortId, WorkspaceId } from "../ids.ts";
import {
  deletePaper,
  forgetPaper,
  givePapersUp,
  keepPaper,
  papersToRemove,
  portToChange,
  portsToForget,
  reservePaper,
  updatePortDocument,
  type PortDocumentFacts,
  type PortRow,
} from "../store/ports.ts";
import { removeEach } from "../object-removal.ts";
import type { Store, Tx } from "../store/store.ts";
import { isOpen } from "./port-state.ts";
import { requirePort } from "./ports.ts";

export const documentBytesMax = 10 * 1024 * 1024;
export const documentTypes = ["application/pdf", "image/jpeg", "image/png"] as const;
type DocumentType = (typeof documentTypes)[number];

/** An hour, as recordings have. */
const linkSeconds = 3600;
/** What somebody proved their account with is kept for so long after the request has ended. */
const keptMs = 90 * dayMs;
const forgottenAtOnce = 100;
/** Longer than the storage's own limits let a put of 10 MiB, and its answer, take. */
const reservedMsMax = 15 * 60_000;

/** Of recordings/storage.ts, as much as this takes. */
export interface DocumentStorage {
  putBytes(bytes: Uint8Array, key: string, contentType: string): Promise<void>;
  presignGet(
    key: string,
    options: { expiresInSeconds: number; fileName: string; contentType?: string },
  ): Promise<{ url: string }>;
  delete(key: string, options?: { unfinished: boolean }): Promise<void>;
}

export interface PortDocumentsParts {
  store: Store;
  storage: DocumentStorage;
  clock: Clock;
  ids: Ids;
}

/**
 * The account confirmations of porting requests: one a request, in the object storage under a key of ids. Each object has a
 * row of its own first, so that none without one ever is; whoever dies in between leaves a row that `sweep` clears away.
 */
export class PortDocuments {
  readonly #parts: PortDocumentsParts;

  constructor(parts: PortDocumentsParts) {
    this.#parts = parts;
  }

  /**
   * Puts the file into the storage; `keep` makes it the request's. Throws `ports.not_found`, `ports.closed`,
   * `ports.document_unsupported`, `storage.unavailable`.
   */
  async put(workspaceId: WorkspaceId, id: PortId, bytes: Uint8Array): Promise<PortDocumentFacts> {
    const { store, storage, clock, ids } = this.#parts;
    const documentType = typeOf(bytes);
    if (documentType === null) throw new SautikitError("ports.document_unsupported");
    const documentKey = `${workspaceId}/ports/${id}/${ids.next("doc")}`;
    await store.write(async (tx) => {
      const port = await requirePort(tx, workspaceId, id);
      if (!isOpen(port.status)) throw new SautikitError("ports.closed");
      await reservePaper(tx, { objectKey: documentKey, portId: id, createdAtMs: clock.nowMs() });
    });
    // One whose answer was lost may arrive yet: the sweep gives it up later, and not at once.
    await storage.putBytes(bytes, documentKey, documentType);
    const documentSha256 = await sha256Of(bytes);
    const documentAtMs = clock.nowMs();
    return { documentKey, documentType, documentBytes: bytes.length, documentSha256, documentAtMs };
  }

  /**
   * In the place of the one before, which is deleted. Throws `ports.not_found`, `ports.closed`, and `storage.unavailable` where
   * it took so long that it was given up.
   */
  async keep(tx: Tx, workspaceId: WorkspaceId, id: PortId, facts: PortDocumentFacts): Promise<PortRow> {
    const { clock } = this.#parts;
    const port = await portToChange(tx, id);
    if (port?.workspaceId !== workspaceId) throw new SautikitError("ports.not_found");
    // Left to the sweep, as that of a process which died.
    if (!isOpen(port.status)) throw new SautikitError("ports.closed");
    if (!(await keepPaper(tx, facts.documentKey, clock.nowMs())))
      throw new SautikitError("storage.unavailable", "Storing it took too long.", { retryAfterSeconds: 5 });
    if (port.documentKey !== null) await deletePaper(tx, port.documentKey, clock.nowMs());
    await updatePortDocument(tx, id, facts);
    return { ...port, ...facts };
  }

  /** A link of an hour that asks for no key; null: there is no document. */
  link(port: PortRow): Promise<string | null> {
    return documentLink(this.#parts.storage, port);
  }

  /** Removes those of requests that have ended long ago, and what nobody has kept. Repeatable. */
  async sweep(): Promise<void> {
    const { store, storage, clock } = this.#parts;
    const nowMs = clock.nowMs();
    for (let more = true; more;) {
      const old = await store.read((tx) => portsToForget(tx, nowMs - keptMs, forgottenAtOnce));
      for (const port of old)
        await store.write(async (tx) => {
          if (port.documentKey !== null) await deletePaper(tx, port.documentKey, nowMs);
          await updatePortDocument(tx, port.id, nothing);
        });
      more = old.length === forgottenAtOnce;
    }
    await store.write((tx) => givePapersUp(tx, nowMs - reservedMsMax, nowMs));
    await removeEach(
      forgottenAtOnce,
      () => store.read((tx) => papersToRemove(tx, forgottenAtOnce)),
      async ({ objectKey }) => {
        await storage.delete(objectKey, { unfinished: true });
        await store.write((tx) => forgetPaper(tx, objectKey));
      },
    );
  }
}

export async function documentLink(
  storage: Pick<DocumentStorage, "presignGet">,
  port: PortRow,
): Promise<string | null> {
  const contentType = documentTypes.find((type) => type === port.documentType);
  if (contentType === undefined || port.documentKey === null) return null;
  const options = {
    expiresInSeconds: linkSeconds,
    fileName: `${port.id}.${endings[contentType]}`,
    contentType,
  };
  return (await storage.presignGet(port.documentKey, options)).url;
}

const endings: Record<DocumentType, string> = {
  "application/pdf": "pdf",
  "image/jpeg": "jpg",
  "image/png": "png",
};

const beginnings: Record<DocumentType, Buffer> = {
  "application/pdf": Buffer.from("%PDF-"),
  "image/jpeg": Buffer.from([0xff, 0xd8, 0xff]),
  "image/png": Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
};

/** By its content: what the client calls it proves nothing. */
const typeOf = (bytes: Uint8Array): DocumentType | null =>
  documentTypes.find((type) => beginnings[type].equals(bytes.subarray(0, beginnings[type].length))) ?? null;

const nothing: PortDocumentFacts = {
  documentKey: null,
  documentType: null,
  documentBytes: null,
  documentSha256: null,
  documentAtMs: null,
};
