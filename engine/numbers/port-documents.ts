import { dayMs, type Clock } from "../clock.ts";
import { SautikitError } from "../errors.ts";
import { sha256Of } from "../media/sha256.ts";
import type { PortId, WorkspaceId } from "../ids.ts";
import {
  portToChange,
  portsToForget,
  updatePortDocument,
  type PortDocumentFacts,
  type PortRow,
} from "../store/ports.ts";
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

/** Of recordings/storage.ts, as much as this takes. */
export interface DocumentStorage {
  putBytes(bytes: Uint8Array, key: string, contentType: string): Promise<void>;
  presignGet(
    key: string,
    options: { expiresInSeconds: number; fileName: string; contentType?: string },
  ): Promise<{ url: string }>;
  delete(key: string): Promise<void>;
}

/** The account confirmations of porting requests: one a request, in the object storage under a key of its ids. */
export class PortDocuments {
  readonly #parts: { store: Store; storage: DocumentStorage; clock: Clock };

  constructor(parts: { store: Store; storage: DocumentStorage; clock: Clock }) {
    this.#parts = parts;
  }

  /**
   * Puts the file where the request's is; `keep` writes it down. A crash between the two leaves the object where the next
   * upload goes. Throws `ports.not_found`, `ports.closed`, `ports.document_unsupported`, `storage.unavailable`.
   */
  async put(workspaceId: WorkspaceId, id: PortId, bytes: Uint8Array): Promise<PortDocumentFacts> {
    const { store, storage, clock } = this.#parts;
    const documentType = typeOf(bytes);
    if (documentType === null) throw new SautikitError("ports.document_unsupported");
    const port = await store.read((tx) => requirePort(tx, workspaceId, id));
    if (!isOpen(port.status)) throw new SautikitError("ports.closed");
    await storage.putBytes(bytes, documentKey(port), documentType);
    const documentSha256 = await sha256Of(bytes);
    return { documentType, documentBytes: bytes.length, documentSha256, documentAtMs: clock.nowMs() };
  }

  /** Throws `ports.not_found`. */
  async keep(tx: Tx, workspaceId: WorkspaceId, id: PortId, facts: PortDocumentFacts): Promise<PortRow> {
    const port = await portToChange(tx, id);
    if (port?.workspaceId !== workspaceId) throw new SautikitError("ports.not_found");
    await updatePortDocument(tx, id, facts);
    return { ...port, ...facts };
  }

  /** A link of an hour that asks for no key; null: there is no document. */
  link(port: PortRow): Promise<string | null> {
    return documentLink(this.#parts.storage, port);
  }

  /** Removes those of requests that have ended long ago. Repeatable. */
  async sweep(): Promise<void> {
    const { store, storage, clock } = this.#parts;
    const beforeMs = clock.nowMs() - keptMs;
    for (let more = true; more;) {
      const old = await store.read((tx) => portsToForget(tx, beforeMs, forgottenAtOnce));
      for (const port of old) {
        await storage.delete(documentKey(port));
        await store.write((tx) => updatePortDocument(tx, port.id, nothing));
      }
      more = old.length === forgottenAtOnce;
    }
  }
}

export async function documentLink(
  storage: Pick<DocumentStorage, "presignGet">,
  port: PortRow,
): Promise<string | null> {
  const contentType = documentTypes.find((type) => type === port.documentType);
  if (contentType === undefined) return null;
  const fileName = `${port.id}.${endings[contentType]}`;
  return (
    await storage.presignGet(documentKey(port), { expiresInSeconds: linkSeconds, fileName, contentType })
  ).url;
}

const documentKey = ({ workspaceId, id }: Pick<PortRow, "workspaceId" | "id">) =>
  `${workspaceId}/ports/${id}`;

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
  documentType: null,
  documentBytes: null,
  documentSha256: null,
  documentAtMs: null,
};
