import type { SipId, WorkspaceId } from "../ids.ts";
import type { ReadTx } from "./store.ts";

/** What a workspace's calls are doing, counted from rows; each count reads so many index entries at most, and no more. */
export interface CallPace {
  /** Calls that are under way. */
  live: number;
  /** Outbound calls that were placed lately. */
  placed: number;
  /** Short talks that ended lately, `shortMax` at most. */
  short: number;
}

/** What the index `cdrs_short` holds. Less than 6 s. */
const isShort =
  "direction = 'outbound' AND rate_micro_kes_per_minute > 0 AND talk_us > 0 AND talk_us < 6000000";

export async function callPace(
  tx: ReadTx,
  workspaceId: WorkspaceId,
  {
    placedAfterMs,
    shortAfterMs,
    shortMax,
  }: { placedAfterMs: number; shortAfterMs: number; shortMax: number },
): Promise<CallPace> {
  const pace = await tx.get<CallPace>(
    `SELECT (SELECT COUNT(*) FROM calls WHERE workspace_id = ? AND ended_at_us IS NULL) AS live,
       (SELECT COUNT(*) FROM calls WHERE workspace_id = ? AND created_at_ms > ? AND direction = 'outbound') AS placed,
       (SELECT COUNT(*) FROM (SELECT 1 AS one FROM cdrs
         WHERE workspace_id = ? AND created_at_ms > ? AND ${isShort} LIMIT ?) AS few) AS short`,
    [workspaceId, workspaceId, placedAfterMs, workspaceId, shortAfterMs, shortMax],
  );
  return pace ?? { live: 0, placed: 0, short: 0 };
}

/** Calls that a credential's devices have under way, and placed lately. */
export async function credentialPace(
  tx: ReadTx,
  id: SipId,
  placedAfterMs: number,
): Promise<Pick<CallPace, "live" | "placed">> {
  const pace = await tx.get<Pick<CallPace, "live" | "placed">>(
    `SELECT (SELECT COUNT(*) FROM calls WHERE sip_credential_id = ? AND ended_at_us IS NULL) AS live,
       (SELECT COUNT(*) FROM calls WHERE sip_credential_id = ? AND created_at_ms > ?) AS placed`,
    [id, id, placedAfterMs],
  );
  return pace ?? { live: 0, placed: 0 };
}

/** How many of the newest talks that cost something were short. */
export async function shortAmongNewest(
  tx: ReadTx,
  workspaceId: WorkspaceId,
  { afterMs, newest }: { afterMs: number; newest: number },
): Promise<number> {
  const row = await tx.get<{ short: number }>(
    `SELECT COUNT(*) AS short FROM (SELECT talk_us FROM cdrs WHERE workspace_id = ? AND created_at_ms > ?
       AND direction = 'outbound' AND rate_micro_kes_per_minute > 0 AND talk_us > 0
       ORDER BY created_at_ms DESC LIMIT ?) AS newest WHERE talk_us < 6000000`,
    [workspaceId, afterMs, newest],
  );
  return row?.short ?? 0;
}

/** A range has so many numbers; more legs than that in one are calls to the same ones. */
const legsOfRangeMax = 2_000;

/** The numbers of one range, all but the last three digits, that legs were dialled to lately. */
export async function numbersDialled(
  tx: ReadTx,
  workspaceId: WorkspaceId,
  range: string,
  afterMs: number,
): Promise<string[]> {
  const rows = await tx.all<{ toE164: string }>(
    `SELECT DISTINCT to_e164 FROM (SELECT to_e164 FROM legs
       WHERE workspace_id = ? AND substr(to_e164, 1, length(to_e164) - 3) = ? AND direction = 'outbound'
         AND created_at_ms > ? ORDER BY created_at_ms DESC LIMIT ${legsOfRangeMax}) AS lately`,
    [workspaceId, range, afterMs],
  );
  return rows.map(({ toE164 }) => toE164);
}

/** When a leg was first dialled to a foreign country; null: never. */
export async function firstDialledAtMs(
  tx: ReadTx,
  workspaceId: WorkspaceId,
  country: string,
): Promise<number | null> {
  const row = await tx.get<{ atMs: number | null }>(
    `SELECT MIN(created_at_ms) AS at_ms FROM legs
     WHERE workspace_id = ? AND country = ? AND direction = 'outbound' AND country <> 'KE'`,
    [workspaceId, country],
  );
  return row?.atMs ?? null;
}

/** Whether a leg to that country is under way. */
export async function isCalling(tx: ReadTx, workspaceId: WorkspaceId, country: string): Promise<boolean> {
  const row = await tx.get(
    `SELECT id FROM legs WHERE workspace_id = ? AND ended_at_us IS NULL AND direction = 'outbound' AND country = ?
     LIMIT 1`,
    [workspaceId, country],
  );
  return row !== undefined;
}
