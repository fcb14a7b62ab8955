import type { CallId, LegId, WorkspaceId } from "../ids.ts";
import type { ReadTx, Tx } from "./store.ts";

/** The record of one finished leg: facts, written once. */
export interface Cdr {
  legId: LegId;
  callId: CallId;
  workspaceId: WorkspaceId;
  fromE164: string;
  toE164: string;
  direction: "outbound" | "inbound";
  startedAtUs: number;
  ringingAtUs: number | null;
  answeredAtUs: number | null;
  endedAtUs: number;
  /** From the first ring to the answer, or to the end. */
  ringUs: number;
  /** From the answer to the end. */
  talkUs: number;
  billedSeconds: number;
  rateMicroKesPerMinute: number;
  costMinor: number;
  hangupCause: string;
  sipStatus: number | null;
  /** How the end is known: event, end_record, job, last_proven, controller. */
  endedBy: string;
  createdAtMs: number;
}

/** False: the leg has its record already, nothing was stored. */
export async function insertCdr(tx: Tx, cdr: Cdr): Promise<boolean> {
  const { changes } = await tx.run(
    `INSERT INTO cdrs (leg_id, call_id, workspace_id, from_e164, to_e164, direction,
       started_at_us, ringing_at_us, answered_at_us, ended_at_us, ring_us, talk_us,
       billed_seconds, rate_micro_kes_per_minute, cost_minor, hangup_cause, sip_status, ended_by, created_at_ms)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (leg_id) DO NOTHING`,
    [
      cdr.legId,
      cdr.callId,
      cdr.workspaceId,
      cdr.fromE164,
      cdr.toE164,
      cdr.direction,
      cdr.startedAtUs,
      cdr.ringingAtUs,
      cdr.answeredAtUs,
      cdr.endedAtUs,
      cdr.ringUs,
      cdr.talkUs,
      cdr.billedSeconds,
      cdr.rateMicroKesPerMinute,
      cdr.costMinor,
      cdr.hangupCause,
      cdr.sipStatus,
      cdr.endedBy,
      cdr.createdAtMs,
    ],
  );
  return changes === 1;
}

export async function cdrOfLeg(tx: ReadTx, legId: LegId): Promise<Cdr | undefined> {
  return tx.get("SELECT * FROM cdrs WHERE leg_id = ?", [legId]);
}

/** What legs that were settled since then have cost, KES cents. Read from the index `cdrs_paid` alone. */
export async function costSince(tx: ReadTx, workspaceId: WorkspaceId, sinceMs: number): Promise<number> {
  const row = await tx.get<{ costMinor: number }>(
    `SELECT CAST(COALESCE(SUM(cost_minor), 0) AS BIGINT) AS cost_minor FROM cdrs
     WHERE workspace_id = ? AND created_at_ms >= ? AND cost_minor > 0`,
    [workspaceId, sinceMs],
  );
  return row?.costMinor ?? 0;
}
