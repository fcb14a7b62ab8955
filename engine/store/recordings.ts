import { dayMs } from "../clock.ts";
import type { CallId, LegId, RecordingId, WorkspaceId } from "../ids.ts";
import { beginMeter, stirMeter } from "./storage-usage.ts";
import type { ReadTx, Tx } from "./store.ts";

/**
 *   starting ──▶ recording ◀──▶ paused          on the switch
 *       └───────────┴── stopping ──┘
 *                       │
 *                   uploading                    closed, or its leg is gone: the spool's now
 *          ┌────────────┼────────────┐
 *        ready        empty       missing ──▶ ready, should the file turn up after all
 *          └────────────┴── deleted ─┘
 */
export type RecordingStatus = LiveStatus | "uploading" | "ready" | "empty" | "missing" | "deleted";
/** The switch has the file open, as far as we know. */
export type LiveStatus = "starting" | "recording" | "paused" | "stopping";

export interface RecordingRow {
  id: RecordingId;
  callId: CallId;
  legId: LegId;
  workspaceId: WorkspaceId;
  /** Whose spool has the file until it is ready. */
  box: string;
  status: RecordingStatus;
  createdAtMs: number;
  startedAtUs: number | null;
  endedAtUs: number | null;
  durationMs: number | null;
  /** How long there was something to record; null: not known, or not finished. */
  talkMs: number | null;
  /** 1: in the middle of the call; 0: with the leg, as a whole; null: of a version that did not say. */
  askedInCall: 0 | 1 | null;
  /** 1: much of the talk is missing. */
  short: 0 | 1;
  /** 1: the silence at both ends is cut off before it is stored. */
  trim: 0 | 1;
  /** What was cut off; null: nothing was to be, or it is not ready. */
  trimmedMs: number | null;
  sizeBytes: number | null;
  /** Hex. */
  sha256: string | null;
  /** Where the storage may have it, from before the first byte is sent; null: no upload has begun. */
  objectKey: string | null;
  /** An upload that began has ended by then, one way or another; null: none is under way. */
  putUntilMs: number | null;
  storedAtMs: number | null;
  deletedAtMs: number | null;
  deleteReason: DeleteReason | null;
  objectRemovedAtMs: number | null;
}

/** erasure: of the person who is heard in it. */
export type DeleteReason = "requested" | "retention" | "erasure";

export const liveStatuses: readonly LiveStatus[] = ["starting", "recording", "paused", "stopping"];

/** From which a recording may still become ready. */
const beforeReady: readonly RecordingStatus[] = [...liveStatuses, "uploading", "missing"];

/** As in the index recordings_to_expire. */
const expirable = "r.status IN ('uploading', 'ready', 'empty', 'missing') AND r.object_key IS NOT NULL";

/** Written as in the index recordings_unfinished, without which SQLite does not use it. */
const unfinished = "r.status IN ('starting', 'recording', 'paused', 'stopping', 'uploading')";

export interface NewRecording {
  id: RecordingId;
  callId: CallId;
  legId: LegId;
  workspaceId: WorkspaceId;
  box: string;
  status: "starting";
  /** False: with the leg, as a whole. */
  askedInCall: boolean;
  trim?: boolean;
  createdAtMs: number;
}

/** In the transaction that decides to record, so that the switch never has a file that we do not know. */
export async function insert(tx: Tx, recording: NewRecording): Promise<void> {
  const { id, callId, legId, workspaceId, box, status, askedInCall, trim = false, createdAtMs } = recording;
  await tx.run(
    `INSERT INTO recordings (id, call_id, leg_id, workspace_id, box, status, asked_in_call, trim, created_at_ms)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    [id, callId, legId, workspaceId, box, status, askedInCall ? 1 : 0, trim ? 1 : 0, createdAtMs],
  );
}

export async function hasStarted(tx: ReadTx, id: RecordingId): Promise<boolean> {
  const row = await tx.get("SELECT 1 AS one FROM recordings WHERE id = ? AND started_at_us IS NOT NULL", [
    id,
  ]);
  return row !== undefined;
}

/** The switch began to write. False: known already. A pause or a stop that came first is left standing. */
export async function markStarted(tx: Tx, id: RecordingId, atUs: number): Promise<boolean> {
  const { changes } = await tx.run(
    `UPDATE recordings SET started_at_us = ?, status = CASE status WHEN 'starting' THEN 'recording' ELSE status END
     WHERE id = ? AND started_at_us IS NULL`,
    [atUs, id],
  );
  return changes === 1;
}

/** Moves a recording on; `atUs` is kept as its end with `uploading`. False: it was in none of the states `from`. */
export async function markStatus(
  tx: Tx,
  id: RecordingId,
  from: readonly RecordingStatus[],
  to: LiveStatus | "uploading",
  atUs: number | null = null,
): Promise<boolean> {
  const { changes } = await tx.run(
    `UPDATE recordings SET status = ?, ended_at_us = COALESCE(ended_at_us, ?)
     WHERE id = ? AND status IN (${marks(from)})`,
    [to, to === "uploading" ? atUs : null, id, ...from],
  );
  return changes === 1;
}

/** The leg has ended, so the switch closed whatever it recorded of it. Answers how many recordings that was. */
export async function finishForLeg(tx: Tx, legId: LegId, endedAtUs: number): Promise<number> {
  const { changes } = await tx.run(
    `UPDATE recordings SET status = 'uploading', ended_at_us = COALESCE(ended_at_us, ?)
     WHERE leg_id = ? AND status IN (${marks(liveStatuses)})`,
    [endedAtUs, legId, ...liveStatuses],
  );
  return changes;
}

/** How much of the talk the recording has. */
export interface Coverage {
  talkMs: number | null;
  short: 0 | 1;
}

export interface StoredFile extends Coverage {
  durationMs: number;
  trimmedMs: number | null;
  sizeBytes: number;
  sha256: string;
  objectKey: string;
  storedAtMs: number;
}

/** Before the first byte is sent, so that the object is known whatever comes. False: there is nothing to be stored any more. */
export async function markPut(
  tx: Tx,
  id: RecordingId,
  { objectKey, putUntilMs }: { objectKey: string; putUntilMs: number },
): Promise<boolean> {
  const { changes } = await tx.run(
    `UPDATE recordings SET object_key = ?, put_until_ms = ? WHERE id = ? AND status IN (${marks(beforeReady)})`,
    [objectKey, putUntilMs, id, ...beforeReady],
  );
  return changes === 1;
}

/** The upload is over, and nobody wants what it brought. */
export async function endPut(tx: Tx, id: RecordingId): Promise<void> {
  await tx.run("UPDATE recordings SET put_until_ms = NULL WHERE id = ?", [id]);
}

/** The storage was seen to hold the whole file. False: ready already, or deleted meanwhile. */
export async function markReady(tx: Tx, id: RecordingId, file: StoredFile): Promise<boolean> {
  const { durationMs, trimmedMs, talkMs, short, sizeBytes, sha256, objectKey, storedAtMs } = file;
  const { changes } = await tx.run(
    `UPDATE recordings
     SET status = 'ready', duration_ms = ?, trimmed_ms = ?, talk_ms = ?, short = ?, size_bytes = ?, sha256 = ?,
       object_key = ?, put_until_ms = NULL, stored_at_ms = ?
     WHERE id = ? AND status IN (${marks(beforeReady)})`,
    [durationMs, trimmedMs, talkMs, short, sizeBytes, sha256, objectKey, storedAtMs, id, ...beforeReady],
  );
  if (changes === 1) await beginMeter(tx, id);
  return changes === 1;
}

/** There is nothing to upload: no audio in the file, or no file. False: it has moved on already. */
export async function markWithoutAudio(
  tx: Tx,
  id: RecordingId,
  status: "empty" | "missing",
  { talkMs, short }: Coverage,
): Promise<boolean> {
  const from: RecordingStatus[] = [
    ...liveStatuses,
    "uploading",
    ...(status === "empty" ? ["missing" as const] : []),
  ];
  const { changes } = await tx.run(
    `UPDATE recordings SET status = ?, duration_ms = 0, talk_ms = ?, short = ?
     WHERE id = ? AND status IN (${marks(from)})`,
    [status, talkMs, short, id, ...from],
  );
  return changes === 1;
}

/** False: deleted before, or the switch still writes it. What the storage holds is removed afterwards. */
export async function markDeleted(
  tx: Tx,
  id: RecordingId,
  reason: DeleteReason,
  atMs: number,
): Promise<boolean> {
  const { changes } = await tx.run(
    `UPDATE recordings SET status = 'deleted', delete_reason = ?,
       deleted_at_ms = CASE WHEN stored_at_ms > ? THEN stored_at_ms ELSE ? END
     WHERE id = ? AND status IN ('uploading', 'ready', 'empty', 'missing')`,
    // Two machines' clocks: nothing is gone before it came.
    [reason, atMs, atMs, id],
  );
  if (changes === 1) await stirMeter(tx, id);
  return changes === 1;
}

/** The storage has nothing of it. False: an upload may be under way that brings it again; remove it once that is over. */
export async function markObjectRemoved(tx: Tx, id: RecordingId, atMs: number): Promise<boolean> {
  const { changes } = await tx.run(
    `UPDATE recordings SET object_removed_at_ms = COALESCE(object_removed_at_ms, ?), put_until_ms = NULL
     WHERE id = ? AND (put_until_ms IS NULL OR put_until_ms <= ?)`,
    [atMs, id, atMs],
  );
  return changes === 1;
}

export function byId(
  tx: ReadTx,
  workspaceId: WorkspaceId,
  id: RecordingId,
): Promise<RecordingRow | undefined> {
  return tx.get("SELECT * FROM recordings WHERE workspace_id = ? AND id = ?", [workspaceId, id]);
}

/** The first leg's first, each leg's oldest first. */
export function byCall(tx: ReadTx, workspaceId: WorkspaceId, callId: CallId): Promise<RecordingRow[]> {
  return tx.all(
    `SELECT r.* FROM recordings r JOIN legs l ON l.id = r.leg_id
     WHERE r.workspace_id = ? AND r.call_id = ? ORDER BY l.position, r.id`,
    [workspaceId, callId],
  );
}

export function byLeg(tx: ReadTx, legId: LegId): Promise<RecordingRow[]> {
  return tx.all("SELECT * FROM recordings WHERE leg_id = ? ORDER BY id", [legId]);
}

/** Newest first, those older than `before`. */
export function byWorkspace(
  tx: ReadTx,
  workspaceId: WorkspaceId,
  page: { limit: number; before: RecordingId | null },
): Promise<RecordingRow[]> {
  const older = page.before === null ? "" : "AND id < ?";
  return tx.all(`SELECT * FROM recordings WHERE workspace_id = ? ${older} ORDER BY id DESC LIMIT ?`, [
    workspaceId,
    ...(page.before === null ? [] : [page.before]),
    page.limit,
  ]);
}

export interface SpooledRow extends RecordingRow {
  legDialledAtMs: number | null;
  legAnsweredAtUs: number | null;
  legEndedAtUs: number | null;
  legHangupCause: string | null;
  /** 1: of those that were dialled with it one has the call, perhaps; which, its own end says, or theirs. */
  legMayLose: 0 | 1;
}

/** Of whichever workspace: for the spool alone. */
export function spooledById(tx: ReadTx, id: RecordingId): Promise<SpooledRow | undefined> {
  return tx.get(
    `SELECT r.*, l.dialled_at_ms AS leg_dialled_at_ms, l.answered_at_us AS leg_answered_at_us,
       l.ended_at_us AS leg_ended_at_us, l.hangup_cause AS leg_hangup_cause,
       CASE WHEN EXISTS (
         SELECT 1 FROM legs o WHERE o.call_id = l.call_id AND o.id <> l.id AND o.dialled_at_ms = l.dialled_at_ms
           AND (o.ended_at_us IS NULL OR o.answered_at_us IS NOT NULL)
       ) THEN 1 ELSE 0 END AS leg_may_lose
     FROM recordings r JOIN legs l ON l.id = r.leg_id WHERE r.id = ?`,
    [id],
  );
}

/**
 * What the boxes' spool has to take up, oldest first: closed files, and those whose leg ended before `legEndedBeforeUs`
 * though nobody said that they were closed.
 */
export async function finishedOfBoxes(
  tx: ReadTx,
  boxes: readonly string[],
  legEndedBeforeUs: number,
  limit: number,
): Promise<RecordingId[]> {
  const rows = await tx.all<{ id: RecordingId }>(
    `SELECT r.id FROM recordings r JOIN legs l ON l.id = r.leg_id
     WHERE r.box IN (${boxes.map(() => "?").join(", ")}) AND ${unfinished} AND (r.status = 'uploading' OR l.ended_at_us < ?) ORDER BY r.id LIMIT ?`,
    [...boxes, legEndedBeforeUs, limit],
  );
  return rows.map((row) => row.id);
}

export interface ExpiredRow {
  id: RecordingId;
  workspaceId: WorkspaceId;
}

/**
 * Recordings that their workspace's retention has run out for, ready or not, where the storage has or may have something of
 * them; by workspace, from that of `from` on. It looks once into each workspace, however many recordings there are: CROSS
 * JOIN is SQLite's word for that order.
 */
export const pastRetention = (
  tx: ReadTx,
  { nowMs, from, limit }: { nowMs: number; from: WorkspaceId | null; limit: number },
): Promise<ExpiredRow[]> =>
  tx.all(
    `SELECT r.id, r.workspace_id FROM workspaces w CROSS JOIN recordings r
     WHERE r.workspace_id = w.id AND ${expirable} AND r.created_at_ms <= ? - w.recording_retention_days * ${dayMs}
       AND w.id >= ? ORDER BY w.id LIMIT ?`,
    [nowMs, from ?? "", limit],
  );

/** Deleted recordings whose object may still be in the storage, but those that an upload may bring there just now. */
export function toRemove(tx: ReadTx, nowMs: number, limit: number): Promise<RecordingRow[]> {
  return tx.all(
    `SELECT * FROM recordings WHERE deleted_at_ms IS NOT NULL AND object_removed_at_ms IS NULL
       AND (put_until_ms IS NULL OR put_until_ms <= ?) ORDER BY deleted_at_ms LIMIT ?`,
    [nowMs, limit],
  );
}

/** Recordings, of every workspace, that lack much of the talk. */
export async function countShort(tx: ReadTx): Promise<number> {
  const row = await tx.get<{ recordings: number }>(
    "SELECT COUNT(*) AS recordings FROM recordings WHERE short = 1",
  );
  return row?.recordings ?? 0;
}

const marks = (values: readonly unknown[]) => values.map(() => "?").join(", ");
