import { readFileSync } from "node:fs";
import { aheadMs } from "../../../engine/east-africa-time.ts";
import type { WorkspaceId } from "../../../engine/ids.ts";
import type { BenchDatabase } from "./databases.ts";

/** `i` from 1 to `count`. */
const counted = (count: number) =>
  `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${count})`;
/** What is filled has ids of its own. */
const bases = { calls: 1_000_000_000, live: 2_000_000_000, credits: 3_000_000_000 } as const;
type Base = keyof typeof bases;
/** As long as ids are, and another for each workspace. */
const idOf = (prefix: string, workspaceId: WorkspaceId, base: Base) =>
  `'${prefix}_${workspaceId.slice(-16)}' || CAST(${bases[base]} + i AS TEXT)`;

/** `count` cents that were given one by one, as the ledger would have posted them. */
export async function fillCredits(
  database: BenchDatabase,
  workspaceId: WorkspaceId,
  { count, atMs }: { count: number; atMs: number },
): Promise<void> {
  const txn = idOf("txn", workspaceId, "credits");
  await database.byHand(
    `INSERT INTO ledger_transactions (id, reference, kind, description, workspace_id, created_at_ms)
     ${counted(count)} SELECT ${txn}, 'credit ' || ${txn}, 'credit', 'A cent', '${workspaceId}', ${atMs} FROM n`,
  );
  await enter(database, "wallet", { workspaceId, base: "credits", count, amountMinor: 1 });
  await enter(database, "adjustments", { workspaceId, base: "credits", count, amountMinor: -1 });
}

/** `count` calls of 47 seconds at KES 3.00, evenly from the one moment to the other, to three countries. */
export async function fillCalls(
  database: BenchDatabase,
  workspaceId: WorkspaceId,
  { count, fromMs, toMs }: { count: number; fromMs: number; toMs: number },
): Promise<void> {
  const [txn = "", call = "", leg = ""] = ["txn", "call", "leg"].map((prefix) =>
    idOf(prefix, workspaceId, "calls"),
  );
  const endedMs = `(${fromMs} + (i - 1) * ${Math.floor((toMs - fromMs) / count)})`;
  const answeredUs = `((${endedMs} - 47000) * 1000)`;
  const [from, to] = ["'+254200000001'", "'+25' || CAST(4 + i % 3 AS TEXT) || '712345678'"];
  const country = "CASE i % 3 WHEN 0 THEN 'KE' WHEN 1 THEN 'TZ' ELSE 'UG' END";
  for (const sql of [
    `INSERT INTO calls (id, workspace_id, direction, from_e164, to_e164, country, status, options, created_at_ms,
       answered_at_us, ended_at_us, updated_at_ms)
     ${counted(count)} SELECT ${call}, '${workspaceId}', 'outbound', ${from}, ${to}, ${country}, 'completed', '{}',
       ${endedMs} - 52000, ${answeredUs}, ${endedMs} * 1000, ${endedMs} FROM n`,
    `INSERT INTO legs (id, call_id, workspace_id, position, kind, direction, from_e164, to_e164, status, box,
       rate_micro_kes_per_minute, max_duration_seconds, cut_after_seconds, created_at_ms, answered_at_us, ended_at_us,
       billed_seconds, cost_minor)
     ${counted(count)} SELECT ${leg}, ${call}, '${workspaceId}', 0, 'pstn', 'outbound', ${from}, ${to}, 'completed', 'box',
       3000000, 14400, 14400, ${endedMs} - 52000, ${answeredUs}, ${endedMs} * 1000, 47, 235 FROM n`,
    `INSERT INTO cdrs (leg_id, call_id, workspace_id, from_e164, to_e164, direction, started_at_us, answered_at_us,
       ended_at_us, ring_us, talk_us, billed_seconds, rate_micro_kes_per_minute, cost_minor, hangup_cause, ended_by, created_at_ms)
     ${counted(count)} SELECT ${leg}, ${call}, '${workspaceId}', ${from}, ${to}, 'outbound', ${answeredUs} - 5000000,
       ${answeredUs}, ${endedMs} * 1000, 5000000, 47000000, 47, 3000000, 235, 'NORMAL_CLEARING', 'event', ${endedMs} FROM n`,
    `INSERT INTO ledger_transactions (id, reference, kind, description, workspace_id, created_at_ms)
     ${counted(count)} SELECT ${txn}, ${leg} || ' settled', 'call', 'Call to ' || ${to} || ', 47 s', '${workspaceId}',
       ${endedMs} FROM n`,
  ])
    await database.byHand(sql);
  await enter(database, "wallet", { workspaceId, base: "calls", count, amountMinor: -235 });
  await enter(database, "revenue_calls", { workspaceId, base: "calls", count, amountMinor: 203 });
  await enter(database, "vat", { workspaceId, base: "calls", count, amountMinor: 32 });
}

/** `count` calls that talk since `atMs`. */
export async function fillLiveCalls(
  database: BenchDatabase,
  workspaceId: WorkspaceId,
  { count, atMs }: { count: number; atMs: number },
): Promise<void> {
  const [call = "", leg = ""] = ["call", "leg"].map((prefix) => idOf(prefix, workspaceId, "live"));
  const [from, to] = ["'+254200000001'", "'+254712345678'"];
  await database.byHand(
    `INSERT INTO calls (id, workspace_id, direction, from_e164, to_e164, country, status, options, created_at_ms,
       answered_at_us, updated_at_ms)
     ${counted(count)} SELECT ${call}, '${workspaceId}', 'outbound', ${from}, ${to}, 'KE', 'answered', '{}', ${atMs},
       ${atMs} * 1000, ${atMs} FROM n`,
  );
  await database.byHand(
    `INSERT INTO legs (id, call_id, workspace_id, position, kind, direction, from_e164, to_e164, status, box,
       rate_micro_kes_per_minute, max_duration_seconds, cut_after_seconds, created_at_ms, answered_at_us)
     ${counted(count)} SELECT ${leg}, ${call}, '${workspaceId}', 0, 'pstn', 'outbound', ${from}, ${to}, 'answered', 'box',
       3000000, 14400, 14400, ${atMs}, ${atMs} * 1000 FROM n`,
  );
}

/** As the migration makes it of what is there, and what PostgreSQL knows of its tables by itself after a while. */
export async function settleIn(database: BenchDatabase): Promise<void> {
  const migration = new URL(
    "../../../engine/store/migrations/022-wallet-days-withdrawals.sql",
    import.meta.url,
  );
  const [, filled = ""] =
    /(INSERT INTO wallet_days[\s\S]*?WHERE kind = 'wallet';)/.exec(readFileSync(migration, "utf8")) ?? [];
  if (!filled.includes(String(aheadMs))) throw new Error("The migration makes no days any more.");
  await database.byHand("DELETE FROM wallet_days");
  await database.byHand(filled);
  if (database.name === "PostgreSQL") await database.byHand("ANALYZE");
}

/** One entry of that amount for each of the workspace's filled transactions, behind what the account has. */
async function enter(
  database: BenchDatabase,
  kind: string,
  {
    workspaceId,
    base,
    count,
    amountMinor,
  }: { workspaceId: WorkspaceId; base: Base; count: number; amountMinor: number },
): Promise<void> {
  const owner = kind === "wallet" ? `'${workspaceId}'` : "NULL";
  const which = `kind = '${kind}' AND workspace_id IS NOT DISTINCT FROM ${owner}`;
  await database.byHand(
    `INSERT INTO ledger_accounts (id, kind, workspace_id)
     VALUES ('acc_${kind === "wallet" ? workspaceId.slice(-16) : kind}', '${kind}', ${owner}) ON CONFLICT DO NOTHING`,
  );
  await database.byHand(
    `INSERT INTO ledger_entries (transaction_id, account_id, sequence, amount_minor, balance_after_minor)
     ${counted(count)} SELECT ${idOf("txn", workspaceId, base)}, a.id, a.last_sequence + i, ${amountMinor},
       a.balance_minor + i * ${amountMinor} FROM n, ledger_accounts a WHERE a.${which.replace("AND ", "AND a.")}`,
  );
  await database.byHand(
    `UPDATE ledger_accounts SET balance_minor = balance_minor + ${count * amountMinor},
       last_sequence = last_sequence + ${count} WHERE ${which}`,
  );
}
