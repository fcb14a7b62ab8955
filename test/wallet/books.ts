import { systemClock } from "../../engine/clock.ts";
import { type CallId, type WorkspaceId, systemIds } from "../../engine/ids.ts";
import { seedShippedDeck } from "../../engine/metering/rates.ts";
import { type SettledLeg, createSettlement } from "../../engine/metering/settlement.ts";
import type { Store, Tx } from "../../engine/store/store.ts";
import { createLedger } from "../../engine/wallet/ledger.ts";
import { createWallet } from "../../engine/wallet/wallet.ts";
import { testDatabase, type TestDatabase } from "../store/test-database.ts";

/** A morning in Nairobi, when every call of these tests starts. */
export const startedAtUs = Date.UTC(2026, 6, 1, 6) * 1000;
export const nowMs = startedAtUs / 1000;
export const seconds = (count: number) => count * 1_000_000;
export const threeShillings = 3_000_000;

export const ids = systemIds(systemClock);
export const ledger = createLedger({ ids });
export const wallet = createWallet({ ledger });
const settlement = createSettlement({ ledger });

/** A database of its own, with the shipped deck. */
export interface Books {
  store: Store;
  database: TestDatabase;
  /** Closes, and removes the database. */
  close(): Promise<void>;
}

export async function openBooks(): Promise<Books> {
  const database = await testDatabase();
  const store = await database.open();
  await store.write((tx) => seedShippedDeck(tx, ids, nowMs));
  return {
    store,
    database,
    async close() {
      await store.close();
      await database.remove();
    },
  };
}

export async function workspace(tx: Tx, name = "Wanjiru's shop"): Promise<WorkspaceId> {
  const id = ids.next("ws");
  await tx.run("INSERT INTO workspaces (id, name, created_at_ms, mpesa_account_ref) VALUES (?, ?, ?, ?)", [
    id,
    name,
    nowMs,
    id.slice(-10).toUpperCase(),
  ]);
  return id;
}

/** A call's row; ended, unless it is `live`. */
export async function call(tx: Tx, workspaceId: WorkspaceId, { live = false } = {}): Promise<CallId> {
  const id = ids.next("call");
  await tx.run(
    `INSERT INTO calls (id, workspace_id, direction, from_e164, to_e164, status, options, created_at_ms,
       ended_at_us, updated_at_ms)
     VALUES (?, ?, 'outbound', '+254200000001', '+254712345678', 'completed', '{}', ?, ?, ?)`,
    [id, workspaceId, nowMs, live ? null : startedAtUs + seconds(600), nowMs],
  );
  return id;
}

type LegFacts = Partial<Omit<SettledLeg, "endedAtUs">> & {
  workspaceId: WorkspaceId;
  endedAtUs?: number | null;
};

/** Wanjiru calls Otieno: rings after 2 s, is answered after 5, talks for 47, at KES 3.00 a minute. */
export async function leg(tx: Tx, facts: LegFacts): Promise<SettledLeg> {
  const endedAtUs = facts.endedAtUs === undefined ? startedAtUs + seconds(52) : facts.endedAtUs;
  const live = endedAtUs === null;
  const settled: SettledLeg = {
    legId: ids.next("leg"),
    callId: facts.callId ?? (await call(tx, facts.workspaceId, { live })),
    direction: "outbound",
    fromE164: "+254200000001",
    toE164: "+254712345678",
    startedAtUs,
    ringingAtUs: startedAtUs + seconds(2),
    answeredAtUs: startedAtUs + seconds(5),
    rateMicroKesPerMinute: threeShillings,
    hangupCause: "NORMAL_CLEARING",
    sipStatus: 200,
    endedBy: "event",
    ...facts,
    endedAtUs: endedAtUs ?? 0,
  };
  await tx.run(
    `INSERT INTO legs (id, call_id, workspace_id, position, kind, direction, from_e164, to_e164, status, box,
       rate_micro_kes_per_minute, max_duration_seconds, cut_after_seconds, created_at_ms, answered_at_us, ended_at_us)
     VALUES (?, ?, ?, 0, 'pstn', ?, ?, ?, 'completed', 'box-1', ?, 14400, 14400, ?, ?, ?)`,
    [
      settled.legId,
      settled.callId,
      settled.workspaceId,
      settled.direction,
      settled.fromE164,
      settled.toE164,
      settled.rateMicroKesPerMinute,
      nowMs,
      settled.answeredAtUs,
      endedAtUs,
    ],
  );
  return settled;
}

/** Settles, and shows on the leg's row what that came to, as the call's state machine does. */
export async function settle(tx: Tx, settled: SettledLeg) {
  const result = await settlement.settleLeg(tx, settled, nowMs);
  await tx.run("UPDATE legs SET billed_seconds = ?, cost_minor = ? WHERE id = ?", [
    result.billedSeconds,
    result.costMinor,
    settled.legId,
  ]);
  return result;
}

let credits = 0;

/** The operator puts shillings into the wallet. */
export async function giveKes(
  tx: Tx,
  workspaceId: WorkspaceId,
  kes: number,
  reference = `gift ${++credits}`,
) {
  return wallet.credit(tx, {
    workspaceId,
    amountMinor: kes * 100,
    reference,
    description: "Welcome",
    kind: "credit",
    createdAtMs: nowMs,
  });
}
