import type { RecordingId, TransactionId, WorkspaceId } from "../ids.ts";
import type { ReadTx, Tx } from "./store.ts";

/** Days are counted since 1970-01-01 in East Africa Time. */
export interface StorageMeterRow {
  workspaceId: WorkspaceId;
  /** The first day that is not metered. */
  nextDay: number;
  /** Months before this day are settled. */
  settledToDay: number;
  /** 1: something was stored or deleted since the threshold was looked at. */
  stirred: 0 | 1;
  /** 1: above what is free, and told so. */
  above: 0 | 1;
  /** What the storage has of the workspace's recordings now. */
  usedBytes: number;
}

/** Bytes times seconds, in two parts, since a double does not count that far. */
export interface ByteSeconds {
  /** Whole 10⁹ byte-seconds. */
  gbSeconds: number;
  /** What is left, below 10⁹. */
  byteSeconds: number;
}

export interface StorageMonthRow extends ByteSeconds {
  workspaceId: WorkspaceId;
  firstDay: number;
  lastDay: number;
  freeGb: number;
  gbMonthMinor: number;
  vatBasisPoints: number;
  amountMinor: number;
  transactionId: TransactionId | null;
  settledAtMs: number;
}

/** In the transaction that stores a recording: from its day on the workspace is metered, where it is not yet. */
export async function beginMeter(tx: Tx, id: RecordingId): Promise<void> {
  const day = "(stored_at_ms + 10800000) / 86400000";
  await tx.run(
    `INSERT INTO storage_meters (workspace_id, next_day, settled_to_day, used_bytes)
     SELECT workspace_id, ${day}, ${day}, size_bytes FROM recordings WHERE id = ?
     ON CONFLICT (workspace_id) DO UPDATE SET stirred = 1, used_bytes = storage_meters.used_bytes + excluded.used_bytes`,
    [id],
  );
}

/** In the transaction that deletes one; it may never have been stored. */
export async function stirMeter(tx: Tx, id: RecordingId): Promise<void> {
  await tx.run(
    `UPDATE storage_meters SET stirred = 1,
       used_bytes = used_bytes - (SELECT r.size_bytes FROM recordings r WHERE r.id = ?)
     WHERE workspace_id = (SELECT r.workspace_id FROM recordings r WHERE r.id = ? AND r.stored_at_ms IS NOT NULL)`,
    [id, id],
  );
}

/** A page of meters behind the last one of the page before, as it was then. */
export interface MeterPage {
  after: StorageMeterRow | null;
  limit: number;
}

export const meterOf = (tx: ReadTx, workspaceId: WorkspaceId) =>
  tx.get<StorageMeterRow>("SELECT * FROM storage_meters WHERE workspace_id = ?", [workspaceId]);

/** Meters of which a day before `day` is not metered yet, those furthest behind first, behind `after`. */
export const metersBefore = (tx: ReadTx, day: number, { after, limit }: MeterPage) =>
  tx.all<StorageMeterRow>(
    `SELECT * FROM storage_meters WHERE next_day < ?
       ${after === null ? "" : "AND (next_day > ? OR (next_day = ? AND workspace_id > ?))"}
     ORDER BY next_day, workspace_id LIMIT ?`,
    [day, ...(after === null ? [] : [after.nextDay, after.nextDay, after.workspaceId]), limit],
  );

/** Meters that are metered up to `day`, and not settled up to it, behind `after`. */
export const unsettledBefore = (tx: ReadTx, day: number, { after, limit }: MeterPage) =>
  tx.all<StorageMeterRow>(
    `SELECT * FROM storage_meters WHERE settled_to_day < ? AND next_day >= ?
       ${after === null ? "" : "AND (settled_to_day > ? OR (settled_to_day = ? AND workspace_id > ?))"}
     ORDER BY settled_to_day, workspace_id LIMIT ?`,
    [day, day, ...(after === null ? [] : [after.settledToDay, after.settledToDay, after.workspaceId]), limit],
  );

export const stirredMeters = (tx: ReadTx, { after, limit }: MeterPage) =>
  tx.all<StorageMeterRow>(
    "SELECT * FROM storage_meters WHERE stirred = 1 AND workspace_id > ? ORDER BY workspace_id LIMIT ?",
    [after?.workspaceId ?? "", limit],
  );

/** False: that day is metered already. With it the threshold is looked at again: what is free may be another. */
export async function nextDay(tx: Tx, workspaceId: WorkspaceId, day: number): Promise<boolean> {
  const { changes } = await tx.run(
    "UPDATE storage_meters SET next_day = next_day + 1, stirred = 1 WHERE workspace_id = ? AND next_day = ?",
    [workspaceId, day],
  );
  return changes === 1;
}

/** False: that month is settled already, or not metered yet. */
export async function settleTo(tx: Tx, meter: StorageMeterRow, day: number): Promise<boolean> {
  const { changes } = await tx.run(
    `UPDATE storage_meters SET settled_to_day = ?
     WHERE workspace_id = ? AND settled_to_day = ? AND next_day >= ?`,
    [day, meter.workspaceId, meter.settledToDay, day],
  );
  return changes === 1;
}

/** Takes up the threshold. Undefined: somebody else has. */
export const calmMeter = (tx: Tx, workspaceId: WorkspaceId) =>
  tx.get<StorageMeterRow>(
    "UPDATE storage_meters SET stirred = 0 WHERE workspace_id = ? AND stirred = 1 RETURNING *",
    [workspaceId],
  );

export async function setAbove(tx: Tx, workspaceId: WorkspaceId, above: 0 | 1): Promise<void> {
  await tx.run("UPDATE storage_meters SET above = ? WHERE workspace_id = ?", [above, workspaceId]);
}

/**
 * What a workspace stored between two moments, each recording from its storing to its deletion, in whole seconds. Reckoned
 * back from what there is now, so that only what was stored or deleted since is read.
 */
export async function byteSecondsBetween(
  tx: ReadTx,
  workspaceId: WorkspaceId,
  { fromSeconds, toSeconds }: { fromSeconds: number; toSeconds: number },
): Promise<ByteSeconds> {
  const notYet = "CASE WHEN r.stored_at_ms / 1000 < ? THEN r.stored_at_ms / 1000 ELSE ? END - ?";
  const still = "CASE WHEN r.deleted_at_ms / 1000 < ? THEN r.deleted_at_ms / 1000 ELSE ? END - ?";
  const times = [toSeconds, toSeconds, fromSeconds, fromSeconds * 1000];
  const row = await tx.get<ByteSeconds>(
    `SELECT total / 1000000000 AS gb_seconds, total % 1000000000 AS byte_seconds
     FROM (SELECT CAST(m.used_bytes * ?
         - COALESCE((SELECT SUM(r.size_bytes * (${notYet})) FROM recordings r
             WHERE r.workspace_id = m.workspace_id AND r.stored_at_ms >= ?), 0)
         + COALESCE((SELECT SUM(r.size_bytes * (${still})) FROM recordings r
             WHERE r.workspace_id = m.workspace_id AND r.stored_at_ms IS NOT NULL AND r.deleted_at_ms >= ?), 0)
         AS BIGINT) AS total
       FROM storage_meters m WHERE m.workspace_id = ?) AS summed`,
    [toSeconds - fromSeconds, ...times, ...times, workspaceId],
  );
  return row ?? { gbSeconds: 0, byteSeconds: 0 };
}

export async function insertStorageDay(
  tx: Tx,
  workspaceId: WorkspaceId,
  day: number,
  { gbSeconds, byteSeconds }: ByteSeconds,
): Promise<void> {
  await tx.run("INSERT INTO storage_days (workspace_id, day, gb_seconds, byte_seconds) VALUES (?, ?, ?, ?)", [
    ...[workspaceId, day, gbSeconds, byteSeconds],
  ]);
}

/** Of the days that are metered, the first and the last among them. */
export async function byteSecondsOfDays(
  tx: ReadTx,
  workspaceId: WorkspaceId,
  firstDay: number,
  lastDay: number,
): Promise<ByteSeconds> {
  const row = await tx.get<ByteSeconds>(
    `SELECT gb + bytes / 1000000000 AS gb_seconds, bytes % 1000000000 AS byte_seconds
     FROM (SELECT CAST(COALESCE(SUM(gb_seconds), 0) AS BIGINT) AS gb,
         CAST(COALESCE(SUM(byte_seconds), 0) AS BIGINT) AS bytes
       FROM storage_days WHERE workspace_id = ? AND day BETWEEN ? AND ?) AS summed`,
    [workspaceId, firstDay, lastDay],
  );
  return row ?? { gbSeconds: 0, byteSeconds: 0 };
}

export async function insertStorageMonth(tx: Tx, row: StorageMonthRow): Promise<void> {
  await tx.run(
    `INSERT INTO storage_months (workspace_id, first_day, last_day, gb_seconds, byte_seconds, free_gb,
       gb_month_minor, vat_basis_points, amount_minor, transaction_id, settled_at_ms)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    [
      ...[row.workspaceId, row.firstDay, row.lastDay, row.gbSeconds, row.byteSeconds, row.freeGb],
      ...[row.gbMonthMinor, row.vatBasisPoints, row.amountMinor, row.transactionId, row.settledAtMs],
    ],
  );
}
