import { callView, eventView, sipMessageView } from "../calls/call-view.ts";
import { rfc3339Ms, type Clock } from "../clock.ts";
import type { CallId, RecordingId } from "../ids.ts";
import type { JsonObject } from "../json.ts";
import { callById, eventsPage, legsOfCall, type CallEventRow } from "../store/calls.ts";
import { callsWithParty, type ExportRow } from "../store/privacy-exports.ts";
import { byCall, type RecordingRow } from "../store/recordings.ts";
import { sipMessagesOfCall, type SipMessageRow } from "../store/sip-messages.ts";
import type { Store } from "../store/store.ts";
import { attemptsOfCalls } from "../store/trunks.ts";
import type { Archive } from "./archive.ts";

export interface ExportContents {
  calls: number;
  events: number;
  recordings: number;
  recordingIds: RecordingId[];
}

/** What one ZIP holds at most: the disk must have room for it twice, and somebody has to open it. */
export const exportMax = { calls: 10_000, bytes: 4_000_000_000 } as const;

/** It would hold more: trying again is of no use. */
export class TooLarge extends Error {}

interface Sources {
  store: Store;
  storage: {
    /** False: there is no such object. */
    getFile(key: string, file: string, bytes: number): Promise<boolean>;
  };
  recordingKey: (recording: RecordingRow) => string;
  clock: Clock;
}

/** Puts in all that is held of the person; a call at a time is in memory, and a page of its SIP. `goOn` throws to leave it. Throws `TooLarge`. */
export async function fill(
  archive: Archive,
  row: ExportRow & { e164: string },
  sources: Sources,
  goOn: () => void,
): Promise<ExportContents> {
  const contents: ExportContents = { calls: 0, events: 0, recordings: 0, recordingIds: [] };
  const ids = await sources.store.read((tx) => callsWithParty(tx, row, exportMax.calls + 1));
  if (ids.length > exportMax.calls) throw new TooLarge();
  for (const id of ids) {
    goOn();
    await addCall(archive, id, contents, sources);
  }
  return contents;
}

async function addCall(
  archive: Archive,
  id: CallId,
  contents: ExportContents,
  { store, storage, clock, recordingKey }: Sources,
): Promise<void> {
  const { call, legs, recordings, attempts } = await store.read(async (tx) => {
    const call = await callById(tx, id);
    if (!call) throw new Error(`${id} was there, and is gone`);
    const recordings = await byCall(tx, call.workspaceId, id);
    const attempts = await attemptsOfCalls(tx, [id]);
    return { call, legs: await legsOfCall(tx, id), recordings, attempts };
  });
  const byLeg = new Map(
    legs.map((leg) => [leg.id, recordings.filter((row) => row.legId === leg.id).map((row) => row.id)]),
  );
  await archive.add(
    "calls",
    callView({ call, legs, events: [], recordings: byLeg, attempts }, clock.nowUs()),
  );
  contents.calls++;
  contents.events += await addPages<CallEventRow>(
    archive,
    "events",
    eventsAtOnce,
    (after) => store.read((tx) => eventsPage(tx, id, eventsAtOnce, after)),
    eventView,
  );
  await addPages<SipMessageRow>(
    archive,
    "sip-trace",
    sipMessagesAtOnce,
    (after) => store.read((tx) => sipMessagesOfCall(tx, id, sipMessagesAtOnce, after)),
    sipMessageView,
  );
  for (const recording of recordings) {
    const name = `audio/${recording.id}.wav`;
    const bytes = recording.sizeBytes ?? 0;
    const ready = recording.status === "ready";
    if (ready) requireRoom(archive, bytes);
    const stored = ready && (await storage.getFile(recordingKey(recording), archive.place(name), bytes));
    if (stored) {
      archive.take(name, bytes);
      contents.recordingIds.push(recording.id);
    }
    await archive.add("recordings", recordingFacts(recording, stored ? name : null));
    contents.recordings++;
  }
}

const eventsAtOnce = 500;
const sipMessagesAtOnce = 100;

/** How many there were. `next`: a page of `pageRows`, behind a row of the one before. */
async function addPages<Row extends { id: string }>(
  archive: Archive,
  name: Parameters<Archive["add"]>[0],
  pageRows: number,
  next: (after: Row["id"] | null) => Promise<Row[]>,
  view: (row: Row) => JsonObject,
): Promise<number> {
  let count = 0;
  for (let after: Row["id"] | null = null, more = true; more;) {
    const rows: Row[] = await next(after);
    for (const row of rows) await archive.add(name, view(row));
    requireRoom(archive, 0);
    count += rows.length;
    after = rows.at(-1)?.id ?? null;
    more = rows.length === pageRows;
  }
  return count;
}

function requireRoom(archive: Archive, bytes: number): void {
  if (archive.bytes + bytes > exportMax.bytes) throw new TooLarge();
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
