import type { Clock } from "../engine/clock.ts";
import type { RecordingRow } from "../engine/store/recordings.ts";
import type { Store } from "../engine/store/store.ts";
import {
  ownersNamed,
  recordingsAfter,
  recordingsNamed,
  type OtherOwner,
} from "../engine/store/stored-objects.ts";
import { objectKey } from "./object-key.ts";
import type { Storage, StoredObject } from "./storage.ts";

/** Where the rows and the bucket say different things. */
export interface RecordingFinding {
  /** missing, size, checksum: of a recording that is ready. not_removed: of a deleted one. orphan: of none. */
  finding: "missing" | "size" | "checksum" | "not_removed" | "orphan";
  objectKey: string;
  recording: RecordingRow | null;
  /** Of the object; null: there is none. */
  sizeBytes: number | null;
  sha256?: string;
}

export interface Verified {
  recordings: number;
  ready: number;
  /** Objects of ours, of whatever kind. */
  objects: number;
  bytes: number;
  findings: number;
}

interface VerifyParts {
  store: Store;
  storage: Storage;
  clock: Clock;
  /** Reads each object, too. */
  checksums: boolean;
  tell: (finding: RecordingFinding) => void;
}

/** Rows, and objects, at a time. */
const batch = 100;
const requestsAtOnce = 8;
/** What was deleted so lately may be on its way out. */
const removalMsMax = 10 * 60_000;

/** Holds every recording's row against the bucket, and the bucket against the rows, so many at a time. Changes nothing. */
export async function verifyRecordings(parts: VerifyParts): Promise<Verified> {
  const seen: Verified = { recordings: 0, ready: 0, objects: 0, bytes: 0, findings: 0 };
  const tell = (finding: RecordingFinding) => {
    seen.findings++;
    parts.tell(finding);
  };
  for (let after: RecordingRow["id"] | "" = ""; ;) {
    const rows: RecordingRow[] = await parts.store.read((tx) => recordingsAfter(tx, after, batch));
    const ready = rows.filter(({ status }) => status === "ready");
    seen.recordings += rows.length;
    seen.ready += ready.length;
    for (let at = 0; at < ready.length; at += requestsAtOnce)
      for (const finding of await Promise.all(
        ready.slice(at, at + requestsAtOnce).map((row) => ofReady(parts, row)),
      ))
        if (finding) tell(finding);
    const last = rows.at(-1);
    if (!last || rows.length < batch) break;
    after = last.id;
  }
  for (let after = ""; ;) {
    const objects: StoredObject[] = await parts.storage.list("ws_", after, batch);
    seen.objects += objects.length;
    for (const { sizeBytes } of objects) seen.bytes += sizeBytes;
    for (const finding of await ofObjects(parts, objects)) tell(finding);
    const last = objects.at(-1);
    // A page may be short of what was asked for, and yet not the last.
    if (!last) return seen;
    after = last.key;
  }
}

async function ofReady(
  { store, storage, checksums }: VerifyParts,
  row: RecordingRow,
): Promise<RecordingFinding | null> {
  const key = row.objectKey ?? objectKey(row);
  const found = { objectKey: key, recording: row };
  const head = await storage.head(key);
  const finding = await (async (): Promise<RecordingFinding | null> => {
    if (!head) return { finding: "missing", ...found, sizeBytes: null };
    if (head.sizeBytes !== row.sizeBytes) return { finding: "size", ...found, ...head };
    if (!checksums) return null;
    const read = await storage.read(key, head.sizeBytes);
    if (!read) return { finding: "missing", ...found, sizeBytes: null };
    return read.sha256 === row.sha256
      ? null
      : { finding: "checksum", ...found, sizeBytes: read.sizeBytes, sha256: read.sha256 };
  })();
  // It may have been deleted since the row was read.
  const now = finding && (await store.read((tx) => recordingsNamed(tx, [row.id])))[0];
  return now?.status === "ready" ? finding : null;
}

async function ofObjects(
  { store, clock }: VerifyParts,
  objects: readonly StoredObject[],
): Promise<RecordingFinding[]> {
  const owners = objects.map((object) => ({ object, owner: ownerOf(object.key) }));
  const idsIn = (table: Owner["table"]) =>
    owners.flatMap(({ owner }) => (owner?.table === table ? [owner.id] : []));
  const { rows, others } = await store.read(async (tx) => ({
    rows: new Map<string, RecordingRow>(
      (await recordingsNamed(tx, idsIn("recordings"))).map((row) => [row.id, row]),
    ),
    others: new Set([
      ...(await ownersNamed(tx, "media", idsIn("media"))),
      ...(await ownersNamed(tx, "privacy_exports", idsIn("privacy_exports"))),
      ...(await ownersNamed(tx, "ports", idsIn("ports"))),
    ]),
  }));
  return owners.flatMap(({ object: { key, sizeBytes }, owner }): RecordingFinding[] => {
    const row = owner?.table === "recordings" ? rows.get(owner.id) : undefined;
    if (row?.status === "deleted") {
      const leaving = row.objectRemovedAtMs === null && clock.nowMs() - (row.deletedAtMs ?? 0) < removalMsMax;
      return leaving ? [] : [{ finding: "not_removed", objectKey: key, recording: row, sizeBytes }];
    }
    const known = row ? row.status !== "empty" : owner !== null && others.has(owner.id);
    return known ? [] : [{ finding: "orphan", objectKey: key, recording: row ?? null, sizeBytes }];
  });
}

interface Owner {
  table: OtherOwner | "recordings";
  id: string;
}

/** The row that a key names; null: none of ours is called so. */
function ownerOf(key: string): Owner | null {
  const [, folder = "", name = ""] = key.split("/");
  if (folder === "media") return { table: "media", id: name };
  if (folder === "ports") return { table: "ports", id: name };
  if (folder === "privacy") return { table: "privacy_exports", id: name.replace(/\.zip$/, "") };
  if (folder.startsWith("call_") && name.endsWith(".wav"))
    return { table: "recordings", id: name.slice(0, -4) };
  return null;
}
