import type { ReadTx } from "./store.ts";

/** What waits to be done, and since when its oldest has, ms; null: nothing does. */
export interface Backlog {
  count: number;
  oldestAtMs: number | null;
}

/**
 * Each is one look into an index of what is not done yet, or into a table whose rows go when they are: its cost follows the
 * backlog, never what has been done before.
 */
export const backlogs = {
  /** Intents that no box has been told yet. A row lives until it is carried out. */
  intents:
    "SELECT COUNT(*) AS count, MIN(created_at_ms) AS oldest_at_ms FROM intents WHERE sent_at_ms IS NULL",
  /** Webhooks that were never tried; what waits for its next try is late by the customer's doing. (deliveries_due has their ids.) */
  webhooks: `SELECT untried.count, d.created_at_ms AS oldest_at_ms
    FROM (SELECT COUNT(*) AS count, MIN(id) AS id FROM deliveries WHERE next_attempt_at_ms = 0) AS untried
    LEFT JOIN deliveries d ON d.id = untried.id`,
  /** (mails_due) */
  mails:
    "SELECT COUNT(*) AS count, MIN(created_at_ms) AS oldest_at_ms FROM mails WHERE next_attempt_at_ms IS NOT NULL",
  /** Closed recordings that the storage does not have. (recordings_unfinished) */
  recordings: `SELECT COUNT(*) AS count, MIN(ended_at_us) / 1000 AS oldest_at_ms FROM recordings
    WHERE status IN ('starting', 'recording', 'paused', 'stopping', 'uploading') AND status = 'uploading'`,
  /** Payments that nobody could be credited with. (mpesa_payments_in_suspense) */
  suspense:
    "SELECT COUNT(*) AS count, MIN(created_at_ms) AS oldest_at_ms FROM mpesa_payments WHERE workspace_id IS NULL",
  /** Top-ups that wait for the phone, or for Safaricom's record, not for longer than they are shown as open. (topups_overdue) */
  top_ups: `SELECT COUNT(*) AS count, MIN(created_at_ms) AS oldest_at_ms FROM topups
    WHERE state IN ('pending', 'unknown') AND expired_at_ms IS NULL`,
  /** What Safaricom told us and nobody has worked off. (mpesa_notices_due) */
  mpesa_notices:
    "SELECT COUNT(*) AS count, MIN(received_at_ms) AS oldest_at_ms FROM mpesa_notices WHERE due_at_ms IS NOT NULL",
} as const;

export type BacklogName = keyof typeof backlogs;

export async function backlogOf(tx: ReadTx, name: BacklogName): Promise<Backlog> {
  return (await tx.get<Backlog>(backlogs[name])) ?? { count: 0, oldestAtMs: null };
}

/** Legs that live in the store and that no media server has shown since then: nobody knows what they cost. (legs_live) */
export const countUnseenLegs = (tx: ReadTx, beforeUs: number) => count(tx, unseenLegs, [beforeUs, beforeUs]);

export const unseenLegs = `SELECT COUNT(*) AS count FROM legs
  WHERE ended_at_us IS NULL AND created_at_ms * 1000 < ? AND COALESCE(seen_at_us, 0) < ?`;

/** KES cents of the payments in suspense. */
export async function suspenseMinor(tx: ReadTx): Promise<number> {
  const row = await tx.get<{ amount: number }>(
    "SELECT COALESCE(CAST(SUM(amount_minor) AS BIGINT), 0) AS amount FROM mpesa_payments WHERE workspace_id IS NULL",
  );
  return row?.amount ?? 0;
}

/** What Safaricom told and nobody could read. (mpesa_notices_unreadable) */
export const countUnreadableNotices = (tx: ReadTx) =>
  count(tx, "SELECT COUNT(*) AS count FROM mpesa_notices WHERE outcome = 'unreadable'");

async function count(tx: ReadTx, sql: string, params: number[] = []): Promise<number> {
  return (await tx.get<{ count: number }>(sql, params))?.count ?? 0;
}
