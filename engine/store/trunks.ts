import type { CallId, LegId } from "../ids.ts";
import { ofStrays, type Strays } from "./calls.ts";
import { insertRow } from "./rows.ts";
import type { ReadTx, Tx } from "./store.ts";

/** One time that a leg was dialled over a trunk. */
export interface AttemptRow {
  legId: LegId;
  ordinal: number;
  trunk: string;
  /** As that trunk wants the number. */
  dialled: string;
  startedAtUs: number;
  endedAtUs: number | null;
  sipStatus: number | null;
  q850: number | null;
  hangupCause: string | null;
  /** Of its dialog; null: it has not ended, or came to none. */
  sipCallId: string | null;
}

export const attemptsOfLeg = (tx: ReadTx, leg: LegId) =>
  tx.all<AttemptRow>("SELECT * FROM leg_attempts WHERE leg_id = ? ORDER BY ordinal", [leg]);

/** Each leg's attempts, in their order. */
export async function attemptsOfCalls(
  tx: ReadTx,
  callIds: readonly CallId[],
): Promise<Map<string, AttemptRow[]>> {
  // PostgreSQL knows no empty list.
  if (callIds.length === 0) return new Map();
  const rows = await tx.all<AttemptRow>(
    `SELECT a.* FROM leg_attempts a JOIN legs l ON l.id = a.leg_id
     WHERE l.call_id IN (${callIds.map(() => "?").join(", ")}) ORDER BY a.leg_id, a.ordinal`,
    callIds,
  );
  return Map.groupBy(rows, (row) => row.legId);
}

export const insertAttempt = (tx: Tx, row: AttemptRow) => insertRow(tx, "leg_attempts", row);

/** One that was not made after all. */
export const deleteAttempt = (tx: Tx, leg: LegId, ordinal: number) =>
  tx.run("DELETE FROM leg_attempts WHERE leg_id = ? AND ordinal = ?", [leg, ordinal]);

/** Of the leg's last one, if it has not ended. */
export async function endAttempt(
  tx: Tx,
  leg: LegId,
  end: Pick<AttemptRow, "endedAtUs" | "sipStatus" | "q850" | "hangupCause" | "sipCallId">,
): Promise<void> {
  await tx.run(
    `UPDATE leg_attempts SET ended_at_us = ?, sip_status = ?, q850 = ?, hangup_cause = ?, sip_call_id = ?
     WHERE leg_id = ? AND ended_at_us IS NULL`,
    [end.endedAtUs, end.sipStatus, end.q850, end.hangupCause, end.sipCallId, leg],
  );
}

/** How many legs each trunk carries just now. */
export async function liveLegsByTrunk(tx: ReadTx): Promise<Map<string, number>> {
  const rows = await tx.all<{ trunk: string; live: number }>(
    "SELECT trunk, COUNT(*) AS live FROM legs WHERE ended_at_us IS NULL AND trunk IS NOT NULL GROUP BY trunk",
  );
  return new Map(rows.map(({ trunk, live }) => [trunk, live]));
}

/** A trunk as one media server has it. */
export interface TrunkGatewayRow {
  box: string;
  trunk: string;
  /** Null: it is to go. */
  writtenSha256: string | null;
  /** Null: it is to be loaded. */
  loadedSha256: string | null;
  /** Null: nobody knows. */
  up: 0 | 1 | null;
  changedAtMs: number | null;
}

export const trunkGateways = (tx: ReadTx) =>
  tx.all<TrunkGatewayRow>("SELECT * FROM trunk_gateways ORDER BY trunk, box");

export const trunkGatewaysOfBox = (tx: ReadTx, box: string) =>
  tx.all<TrunkGatewayRow>("SELECT * FROM trunk_gateways WHERE box = ? ORDER BY trunk", [box]);

/** Those of all boxes, and nobody else, at whichever of them, counts on them until the end of the transaction. */
export const keepTrunkGateways = (tx: Tx) =>
  tx.all<TrunkGatewayRow>("SELECT * FROM trunk_gateways ORDER BY trunk, box FOR NO KEY UPDATE");

/** Null: it is in the file no more. */
export async function gatewayWritten(
  tx: Tx,
  box: string,
  trunk: string,
  sha256: string | null,
): Promise<void> {
  await tx.run(
    `INSERT INTO trunk_gateways (box, trunk, written_sha256) VALUES (?, ?, ?)
     ON CONFLICT (box, trunk) DO UPDATE SET written_sha256 = excluded.written_sha256`,
    [box, trunk, sha256],
  );
}

/** Null: the media server has it no more, or is being told so. */
export async function gatewayLoaded(
  tx: Tx,
  box: string,
  trunk: string,
  sha256: string | null,
): Promise<void> {
  await tx.run(
    "UPDATE trunk_gateways SET loaded_sha256 = ?, up = NULL, changed_at_ms = NULL WHERE box = ? AND trunk = ?",
    [sha256, box, trunk],
  );
}

/** They are to be loaded anew, and whoever needs one waits for that. */
export async function renewGateways(tx: Tx, box: string, trunks: readonly string[]): Promise<void> {
  // PostgreSQL knows no empty list.
  if (trunks.length === 0) return;
  const { changes } = await tx.run(
    `UPDATE trunk_gateways SET loaded_sha256 = NULL, up = NULL, changed_at_ms = NULL
     WHERE box = ? AND trunk IN (${trunks.map(() => "?").join(", ")})`,
    [box, ...trunks],
  );
  if (changes > 0) await tx.run("UPDATE trunk_files SET loaded_sha256 = NULL WHERE box = ?", [box]);
}

export async function deleteGateway(tx: Tx, box: string, trunk: string): Promise<void> {
  await tx.run("DELETE FROM trunk_gateways WHERE box = ? AND trunk = ? AND written_sha256 IS NULL", [
    box,
    trunk,
  ]);
}

/** True: it was told otherwise before. */
export async function saveGatewayUp(
  tx: Tx,
  box: string,
  trunk: string,
  up: boolean | null,
  nowMs: number,
): Promise<boolean> {
  const value = up === null ? null : up ? 1 : 0;
  const { changes } = await tx.run(
    `UPDATE trunk_gateways SET up = ?, changed_at_ms = ?
     WHERE box = ? AND trunk = ? AND ${value === null ? "up IS NOT NULL" : "(up IS NULL OR up <> ?)"}`,
    [value, nowMs, box, trunk, ...(value === null ? [] : [value])],
  );
  return changes === 1;
}

export interface TrunkFilesRow {
  box: string;
  writtenSha256: string;
  loadedSha256: string | null;
  /** JSON. */
  faults: string | null;
}

export const trunkFilesOfBox = (tx: ReadTx, box: string) =>
  tx.get<TrunkFilesRow>("SELECT * FROM trunk_files WHERE box = ?", [box]);

/** Are to be read, whatever they were before. */
export async function trunkFilesWritten(tx: Tx, box: string, sha256: string): Promise<void> {
  await tx.run(
    `INSERT INTO trunk_files (box, written_sha256) VALUES (?, ?)
     ON CONFLICT (box) DO UPDATE SET written_sha256 = excluded.written_sha256, loaded_sha256 = NULL`,
    [box, sha256],
  );
}

export async function trunkFilesLoaded(tx: Tx, box: string, sha256: string): Promise<void> {
  await tx.run("UPDATE trunk_files SET loaded_sha256 = ? WHERE box = ? AND written_sha256 = ?", [
    sha256,
    box,
    sha256,
  ]);
}

export async function saveTrunkFaults(tx: Tx, box: string, faults: string | null): Promise<void> {
  await tx.run("UPDATE trunk_files SET faults = ? WHERE box = ?", [faults, box]);
}

/** Their own processes, if they come back, write them anew. */
export async function forgetTrunksOfStrays(tx: Tx, strays: Strays): Promise<void> {
  const { condition, params } = ofStrays(strays, "box");
  await tx.run(`DELETE FROM trunk_gateways WHERE ${condition}`, params);
  await tx.run(`DELETE FROM trunk_files WHERE ${condition}`, params);
}
