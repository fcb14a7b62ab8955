import type { LegRow, RecordingRow } from "./books.ts";
import type { StoredObject } from "./bucket.ts";
import { lostRace, type EndRecord } from "./end-records.ts";
import { deathOf, type Evidence } from "./evidence.ts";

/** How far a recording's length may be from the clock on the wall. */
const lengthMsMax = 100;
const frameMs = 20;

/** No request takes so long. */
const clockStepUsMin = 600_000_000n;

/** What was to be recorded of an answered leg is in the bucket, whole and as long as the leg; and nothing else is. */
export function checkRecordings(evidence: Evidence): string[] {
  const { books, objects } = evidence;
  const keys = new Set(books.recordings.filter(({ status }) => status === "ready").map(keyOf));
  const going = new Set(
    books.recordings
      .filter((row) => row.status === "deleted" && row.object_removed_at_ms === null)
      .map(keyOf),
  );
  return [
    ...checkAskedFor(evidence),
    ...books.recordings.flatMap((row) => checkRow(evidence, row)),
    ...[...objects.keys()]
      .filter((key) => !keys.has(key) && !going.has(key))
      .map((key) => `${key} is in the bucket, and no recording's row says so`),
  ];
}

const keyOf = (row: RecordingRow) => `${row.workspace_id}/${row.call_id}/${row.id}.wav`;

interface Asked {
  record?: unknown;
}

/** By the call's own options for its first leg, by what the switch was told for each. */
function checkAskedFor({ books, records }: Evidence): string[] {
  const rows = new Map(books.recordings.map((row) => [row.id, row]));
  const findings: string[] = [];
  for (const leg of books.legs) {
    const record = records.get(leg.id);
    for (const { id } of record?.recordings ?? [])
      if (rows.get(id)?.leg_id !== leg.id)
        findings.push(`${id}: the switch was told to record it of ${leg.id}, and the leg has no such row`);
    const options = books.calls.find(({ id }) => id === leg.call_id)?.options ?? "{}";
    // Who calls in is recorded from the answer, and has no recording before it.
    const isThere = leg.direction === "outbound" || (leg.answered_at_us ?? 0n) > 0n;
    const asked = isThere && leg.position === 0n && Boolean((JSON.parse(options) as Asked).record);
    if (asked && !books.recordings.some((row) => row.leg_id === leg.id))
      findings.push(`${leg.id} (of ${leg.call_id}) was to be recorded, and has no recording`);
  }
  return findings;
}

function checkRow(evidence: Evidence, row: RecordingRow): string[] {
  const { books, objects, records } = evidence;
  const of = (finding: string) => `${row.id} (of ${row.leg_id}, ${row.call_id}): ${finding}`;
  const leg = books.legs.find(({ id }) => id === row.leg_id);
  if (!leg) return [of("a recording of a leg that is not there")];
  const object = objects.get(keyOf(row));
  if (row.status === "deleted")
    return object && row.object_removed_at_ms !== null ? [of("deleted, and its object is still there")] : [];
  const record = records.get(leg.id);
  // It lost to another that rang with it, or was hung up before it was dialled.
  if (record ? record.cause === lostRace : leg.dialled_at_ms === null)
    return row.status === "empty" ? [] : [of(`${row.status}, while its leg was never talked with`)];
  const spanMs = wallMs(evidence, row, leg, record);
  if (row.status === "empty" || row.status === "missing")
    return spanMs === null || statesGap(evidence, row, leg, `recording.${row.status}`, spanMs)
      ? []
      : [of(`${row.status}, while its leg had ${Math.round(spanMs)} ms to be recorded`)];
  if (row.status !== "ready") return [of(`still ${row.status}`)];
  return [
    ...(object ? checkObject(row, object) : [`its object ${keyOf(row)} is not in the bucket`]),
    ...(object && spanMs !== null ? checkLength(evidence, row, leg, object, spanMs) : []),
    ...checkReady(evidence, row),
  ].map(of);
}

function checkObject(row: RecordingRow, object: StoredObject): string[] {
  const findings: string[] = [];
  if (object.sha256 !== row.sha256)
    findings.push(`its object's SHA-256 is ${object.sha256}, and its row says ${row.sha256}`);
  if (BigInt(object.sizeBytes) !== row.size_bytes)
    findings.push(`its object has ${object.sizeBytes} bytes, and its row says ${row.size_bytes}`);
  if (row.object_key !== object.key) findings.push(`its row says that it is at ${row.object_key}`);
  if (object.durationMs === null)
    findings.push("its object is no WAV file of the length that its header says");
  else if (Math.abs(object.durationMs - Number(row.duration_ms)) > 1)
    findings.push(`its object lasts ${object.durationMs} ms, and its row says ${row.duration_ms}`);
  return findings;
}

/** As long as the wall clock says; or shorter, and its event says by how much. */
function checkLength(
  evidence: Evidence,
  row: RecordingRow,
  leg: LegRow,
  { durationMs }: StoredObject,
  spanMs: number,
): string[] {
  if (durationMs === null) return [];
  // The switch itself may say that it closed the file a moment after the leg's end.
  const closedMs = spanMs + Math.max(0, Number((row.ended_at_us ?? 0n) - (leg.ended_at_us ?? 0n)) / 1000);
  const said = `lasts ${Math.round(durationMs)} ms, and ${Math.round(spanMs)} ms were to be recorded`;
  const beyondMs = beyondProvenMs(evidence, leg) + lateMs(evidence.records.get(leg.id));
  if (durationMs - closedMs > lengthMsMax + beyondMs) return [said];
  if (isUntold(evidence, row, leg)) return [];
  return [spanMs, closedMs].some((ms) =>
    statesGap(evidence, row, leg, "call.recording.ready", ms - durationMs),
  )
    ? []
    : [`${said}, and its event states no such gap`];
}

interface ToldLength {
  recording_id: string;
  gap_ms: number | null;
  trimmed_ms?: number;
}

/** A gap that can be heard is told, to the tenth of a second. */
function statesGap(
  { books, records }: Evidence,
  row: RecordingRow,
  leg: LegRow,
  kind: string,
  gapMs: number,
): boolean {
  const told = books.events
    .filter((event) => event.kind === kind && event.call_id === row.call_id)
    .map(({ payload }) => JSON.parse(payload) as ToldLength)
    .find(({ recording_id }) => recording_id === row.id);
  // Silence may be missing where somebody asked for that, and nowhere else.
  const trimmedMs = row.trim === 1n ? (told?.trimmed_ms ?? 0) : 0;
  // Where the product says that it does not know, it does not know of this either.
  const unbegunMs = told?.gap_ms === null ? 0 : callersUnbegunMs(books, row, leg, records.get(leg.id));
  const untoldMs = gapMs + unbegunMs - trimmedMs;
  return untoldMs <= lengthMsMax || Math.abs(untoldMs - (told?.gap_ms ?? 0)) <= lengthMsMax;
}

/** Who calls in is recorded from the answer, by a command that comes after it: later, where a controller died in between. */
function callersUnbegunMs(
  books: Evidence["books"],
  row: RecordingRow,
  leg: LegRow,
  record: EndRecord | undefined,
): number {
  const options = books.calls.find(({ id }) => id === leg.call_id)?.options ?? "{}";
  const asked =
    leg.direction === "inbound" && leg.position === 0n && Boolean((JSON.parse(options) as Asked).record);
  const isFirst = books.recordings.every(({ id, leg_id }) => leg_id !== leg.id || id >= row.id);
  const answeredUs = record?.answeredUs ?? leg.answered_at_us ?? 0n;
  if (!asked || !isFirst || row.started_at_us === null || answeredUs === 0n) return 0;
  return Math.max(0, Number(row.started_at_us - answeredUs) / 1000);
}

/** The one call.recording.ready of it says what is in the bucket. */
function checkReady({ books }: Evidence, row: RecordingRow): string[] {
  const told = books.events
    .filter(({ kind, call_id }) => kind === "call.recording.ready" && call_id === row.call_id)
    .map(({ payload }) => JSON.parse(payload) as Record<string, unknown>)
    .filter((payload) => payload["recording_id"] === row.id);
  if (told.length !== 1) return [`ready, and told so ${told.length} times`];
  const [{ sha256, size_bytes }] = told as [Record<string, unknown>];
  return sha256 === row.sha256 && BigInt(Number(size_bytes)) === row.size_bytes
    ? []
    : [`told as ${String(size_bytes)} bytes of SHA-256 ${String(sha256)}`];
}

/** How long was to be recorded, by the switch's stamps where it has them. Null: it died, and nobody knows. */
function wallMs(
  { books }: Evidence,
  row: RecordingRow,
  leg: LegRow,
  record: EndRecord | undefined,
): number | null {
  const legEndedUs = record?.endedUs ?? leg.ended_at_us ?? 0n;
  const stoppedUs = isStopped(books, row) ? (row.ended_at_us ?? legEndedUs) : legEndedUs;
  // One that was told to stop as its leg ended is closed a moment later.
  const toUs = legEndedUs > 0n && legEndedUs < stoppedUs ? legEndedUs : stoppedUs;
  const fromUs = beginUs(row, leg, record);
  if (fromUs === 0n) return record ? 0 : null;
  // Asked for by a process whose clock was stepped, and its start told to nobody.
  const isOfLeg = fromUs < legEndedUs + clockStepUsMin && fromUs > (leg.started_at_us ?? 0n) - clockStepUsMin;
  if (row.started_at_us === null && !isOfLeg) return null;
  return Math.max(0, Number(toUs - fromUs) / 1000);
}

/** It ended in mid-call: the customer wanted it, or it was a `record` action's. */
const isStopped = (books: Evidence["books"], row: RecordingRow): boolean =>
  books.events
    .filter(({ kind }) => kind === "recording.stopping" || kind === "call.recorded")
    .map(({ payload }) => JSON.parse(payload) as { recording_id: string; reason?: string })
    .some(({ recording_id, reason }) => recording_id === row.id && reason !== "hangup");

/** Its start or stop in mid-call was told while nobody listened: within its bounds, how long it was only the file knows. */
function isUntold({ books, records }: Evidence, row: RecordingRow, leg: LegRow): boolean {
  const byItself = records.get(row.leg_id)?.recordings.some(({ id }) => id === row.id) === true;
  // A stop that nobody heard is stored as the leg's own end.
  const stopIsKnown = row.ended_at_us !== null && row.ended_at_us !== leg.ended_at_us;
  return (!byItself && row.started_at_us === null) || (isStopped(books, row) && !stopIsKnown);
}

/** The answer, or the first media; or when it was asked for later. 0: it never came to that. */
function beginUs(row: RecordingRow, leg: LegRow, record: EndRecord | undefined): bigint {
  const asked = record?.recordings.find(({ id }) => id === row.id);
  if (record && asked) return (asked.from === "media" && record.earlyMediaUs) || record.answeredUs;
  const atDialling = !record && leg.dialled_at_ms !== null && row.created_at_ms <= leg.dialled_at_ms;
  if (!atDialling) return row.started_at_us ?? row.created_at_ms * 1000n;
  const answeredUs = leg.answered_at_us ?? 0n;
  return row.started_at_us !== null && row.started_at_us < answeredUs ? row.started_at_us : answeredUs;
}

/**
 * What a party sends late is in its file twice: as the silence that the switch made up when it was due, and as the sound when it came, with
 * which a bridge catches up by reading more often than every 20 ms. That is as many frames as the switch read beyond those that the
 * leg had time for, and no more than it made up.
 */
function lateMs(record: EndRecord | undefined): number {
  if (!record) return 0;
  const { frames, earlyMediaUs, answeredUs, endedUs } = record;
  const dueFrames = Number(endedUs - (earlyMediaUs || answeredUs)) / 1000 / frameMs;
  return frameMs * Math.max(0, Math.min(frames.madeUp, frames.heard + frames.madeUp - dueFrames));
}

/** Where the switch died, its file may hold what came after the last second that was proven. */
function beyondProvenMs({ history, records }: Evidence, leg: LegRow): number {
  const death = records.has(leg.id) ? undefined : deathOf(history, leg);
  return death ? Math.max(0, death.toMs - Number(leg.ended_at_us) / 1000) : 0;
}
