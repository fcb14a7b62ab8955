import type { WorkspaceId } from "../ids.ts";
import { insertRow } from "./rows.ts";
import type { ReadTx, Tx } from "./store.ts";

export type BanKind = "address" | "credential";

/** An IPv4 address, or a credential's id. */
export interface BanSubject {
  kind: BanKind;
  subject: string;
}

export interface SipBanRow extends BanSubject {
  workspaceId: WorkspaceId | null;
  reason: "failed_logins" | "operator";
  note: string | null;
  failures: number;
  round: number;
  sinceMs: number;
  untilMs: number;
  liftedAtMs: number | null;
  /** JSON text. */
  spared: string;
}

/** Of a minute since the epoch. */
export async function addLoginFailures(
  tx: Tx,
  { kind, subject, minute, count }: BanSubject & { minute: number; count: number },
): Promise<void> {
  await tx.run(
    `INSERT INTO sip_login_failures (kind, subject, minute, count) VALUES (?, ?, ?, ?)
     ON CONFLICT (kind, subject, minute) DO UPDATE SET count = sip_login_failures.count + excluded.count`,
    [kind, subject, minute, count],
  );
}

/** From that minute on. */
export async function loginFailuresSince(
  tx: ReadTx,
  { kind, subject }: BanSubject,
  minute: number,
): Promise<number> {
  const row = await tx.get<{ count: number | null }>(
    "SELECT CAST(SUM(count) AS BIGINT) AS count FROM sip_login_failures WHERE kind = ? AND subject = ? AND minute >= ?",
    [kind, subject, minute],
  );
  return row?.count ?? 0;
}

/** Rows, not failures. */
export async function countLoginFailureRows(tx: ReadTx): Promise<number> {
  const row = await tx.get<{ count: number }>("SELECT COUNT(*) AS count FROM sip_login_failures");
  return row?.count ?? 0;
}

export async function forgetLoginFailures(tx: Tx, { kind, subject }: BanSubject): Promise<void> {
  await tx.run("DELETE FROM sip_login_failures WHERE kind = ? AND subject = ?", [kind, subject]);
}

/**
 * What no time that is counted reaches any more, and bans that make no next one longer: those that ended before then, and of
 * addresses all but the last `endedMax` that are over.
 */
export async function sweepBans(
  tx: Tx,
  {
    nowMs,
    beforeMinute,
    endedBeforeMs,
    endedMax,
  }: { nowMs: number; beforeMinute: number; endedBeforeMs: number; endedMax: number },
): Promise<void> {
  await tx.run("DELETE FROM sip_login_failures WHERE minute < ?", [beforeMinute]);
  await tx.run("DELETE FROM sip_bans WHERE until_ms < ? OR lifted_at_ms < ?", [endedBeforeMs, endedBeforeMs]);
  await tx.run(
    `DELETE FROM sip_bans WHERE kind = 'address' AND until_ms <= (SELECT until_ms FROM sip_bans
       WHERE kind = 'address' AND until_ms <= ? ORDER BY until_ms DESC LIMIT 1 OFFSET ?)`,
    [nowMs, endedMax],
  );
}

/** The last one, whether it stands or is over. */
export const banOf = (tx: ReadTx, { kind, subject }: BanSubject) =>
  tx.get<SipBanRow>("SELECT * FROM sip_bans WHERE kind = ? AND subject = ?", [kind, subject]);

/** In the place of the one before. */
export async function saveBan(tx: Tx, row: SipBanRow): Promise<void> {
  await insertRow(
    tx,
    "sip_bans",
    row,
    `ON CONFLICT (kind, subject) DO UPDATE SET workspace_id = excluded.workspace_id, reason = excluded.reason,
       note = excluded.note, failures = excluded.failures, round = excluded.round, since_ms = excluded.since_ms,
       until_ms = excluded.until_ms, lifted_at_ms = excluded.lifted_at_ms, spared = excluded.spared`,
  );
}

/** Takes a time. */
const stands = "lifted_at_ms IS NULL AND until_ms > ?";

/** Undefined: there is none, or it is over. */
export const standingBanOf = (tx: ReadTx, subject: BanSubject, nowMs: number) =>
  tx.get<SipBanRow>(`SELECT * FROM sip_bans WHERE kind = ? AND subject = ? AND ${stands}`, [
    subject.kind,
    subject.subject,
    nowMs,
  ]);

/** Those that stand, the latest to begin first. */
export const standingBans = (tx: ReadTx, nowMs: number, limit: number, kind: BanKind | null = null) =>
  tx.all<SipBanRow>(
    `SELECT * FROM sip_bans WHERE ${stands} ${kind === null ? "" : "AND kind = ?"}
     ORDER BY since_ms DESC, kind, subject LIMIT ?`,
    [nowMs, ...(kind === null ? [] : [kind]), limit],
  );

export async function countStandingBans(tx: ReadTx, nowMs: number): Promise<Record<BanKind, number>> {
  const rows = await tx.all<{ kind: BanKind; count: number }>(
    `SELECT kind, COUNT(*) AS count FROM sip_bans WHERE ${stands} GROUP BY kind`,
    [nowMs],
  );
  const count = (kind: BanKind) => rows.find((row) => row.kind === kind)?.count ?? 0;
  return { address: count("address"), credential: count("credential") };
}
