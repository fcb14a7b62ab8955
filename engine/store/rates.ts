import type { WorkspaceId } from "../ids.ts";
import type { ReadTx, Tx } from "./store.ts";

export type LegKind = "pstn" | "sip" | "browser";
export type Direction = "outbound" | "inbound";

export interface RateRow {
  id: string;
  /** Null: everybody's. */
  workspaceId: WorkspaceId | null;
  legKind: LegKind;
  direction: Direction;
  /** Digits after the +; empty matches all. */
  prefix: string;
  country: string | null;
  description: string;
  microKesPerMinute: number;
  effectiveAtMs: number;
  /** 1: not sold from then on. */
  ended: 0 | 1;
}

export type NewRate = Omit<RateRow, "ended"> & { ended?: 0 | 1 };

export interface RateQuestion {
  /** Null: what everybody pays. */
  workspaceId: WorkspaceId | null;
  legKind: LegKind;
  direction: Direction;
  /** Longest first; the first that has a rate wins. */
  prefixes: readonly string[];
  atMs: number;
}

/** That no later row of the same owner and prefix has come into effect. Takes a time. */
const stillInEffect = `NOT EXISTS (SELECT 1 FROM rates n
    WHERE n.leg_kind = r.leg_kind AND n.direction = r.direction AND n.prefix = r.prefix
      AND n.workspace_id IS NOT DISTINCT FROM r.workspace_id
      AND n.effective_at_ms > r.effective_at_ms AND n.effective_at_ms <= ?)`;

export async function findRate(tx: ReadTx, question: RateQuestion): Promise<RateRow | undefined> {
  const { workspaceId, legKind, direction, prefixes, atMs } = question;
  return tx.get(
    `SELECT r.* FROM rates r
     WHERE r.leg_kind = ? AND r.direction = ? AND r.prefix IN (${prefixes.map(() => "?").join(", ")})
       AND r.effective_at_ms <= ? AND (r.workspace_id IS NULL OR r.workspace_id = ?)
       AND r.ended = 0 AND ${stillInEffect}
     ORDER BY LENGTH(r.prefix) DESC, CASE WHEN r.workspace_id IS NULL THEN 1 ELSE 0 END LIMIT 1`,
    [legKind, direction, ...prefixes, atMs, workspaceId, atMs],
  );
}

/** When, after that time, rates of these prefixes come into effect or end; the soonest first. */
export async function rateDates(tx: ReadTx, question: RateQuestion): Promise<number[]> {
  const { workspaceId, legKind, direction, prefixes, atMs } = question;
  const rows = await tx.all<{ effectiveAtMs: number }>(
    `SELECT DISTINCT effective_at_ms FROM rates
     WHERE leg_kind = ? AND direction = ? AND prefix IN (${prefixes.map(() => "?").join(", ")})
       AND effective_at_ms > ? AND (workspace_id IS NULL OR workspace_id = ?)
     ORDER BY effective_at_ms`,
    [legKind, direction, ...prefixes, atMs, workspaceId],
  );
  return rows.map((row) => row.effectiveAtMs);
}

/** Where a page of the deck begins: behind this row. */
export type RatePlace = Pick<RateRow, "legKind" | "direction" | "prefix">;

/** The deck as a workspace pays it, its own rates in place of everybody's; by kind, direction and prefix. */
export async function ratesOf(
  tx: ReadTx,
  workspaceId: WorkspaceId,
  page: { atMs: number; after: RatePlace | null; limit: number },
): Promise<RateRow[]> {
  const { atMs, after, limit } = page;
  const behind = after === null ? "" : "AND (r.leg_kind, r.direction, r.prefix) > (?, ?, ?)";
  return tx.all(
    `SELECT r.* FROM rates r
     WHERE r.effective_at_ms <= ? AND (r.workspace_id IS NULL OR r.workspace_id = ?)
       AND r.ended = 0 AND ${stillInEffect} ${behind}
       AND (r.workspace_id IS NOT NULL OR NOT EXISTS (SELECT 1 FROM rates o
         WHERE o.workspace_id = ? AND o.leg_kind = r.leg_kind AND o.direction = r.direction
           AND o.prefix = r.prefix AND o.effective_at_ms <= ? AND o.ended = 0
           AND NOT EXISTS (SELECT 1 FROM rates m WHERE m.workspace_id = o.workspace_id
             AND m.leg_kind = o.leg_kind AND m.direction = o.direction AND m.prefix = o.prefix
             AND m.effective_at_ms > o.effective_at_ms AND m.effective_at_ms <= ?)))
     ORDER BY r.leg_kind, r.direction, r.prefix LIMIT ?`,
    [
      ...[atMs, workspaceId, atMs],
      ...(after === null ? [] : [after.legKind, after.direction, after.prefix]),
      ...[workspaceId, atMs, atMs, limit],
    ],
  );
}

const rowsOfOwner = (owner: WorkspaceId | null) =>
  `SELECT * FROM rates WHERE workspace_id ${owner === null ? "IS NULL" : "= ?"}
   ORDER BY leg_kind, direction, prefix, effective_at_ms`;

/** Every row of one owner's (null: everybody's), past, present and to come. */
export const allRates = (tx: ReadTx, owner: WorkspaceId | null) =>
  tx.all<RateRow>(rowsOfOwner(owner), owner === null ? [] : [owner]);

/** The same, kept until the end of the transaction: who changes the deck changes what they have seen. */
export async function keepRates(tx: Tx, owner: WorkspaceId | null): Promise<RateRow[]> {
  const keep = () =>
    tx.all<RateRow>(`${rowsOfOwner(owner)} FOR NO KEY UPDATE`, owner === null ? [] : [owner]);
  // Who waited for somebody else's change sees the rows that it brought at a second look.
  await keep();
  return keep();
}

/** Takes back what has not come into effect yet. */
export async function deleteRate(tx: Tx, id: string): Promise<void> {
  await tx.run("DELETE FROM rates WHERE id = ?", [id]);
}

export async function describeRate(
  tx: Tx,
  id: string,
  { country, description }: Pick<RateRow, "country" | "description">,
): Promise<void> {
  await tx.run("UPDATE rates SET country = ?, description = ? WHERE id = ?", [country, description, id]);
}

/** False: there is a rate of the same owner, prefix and date already, nothing was stored. */
export async function insertRate(tx: Tx, rate: NewRate): Promise<boolean> {
  const { changes } = await tx.run(
    `INSERT INTO rates (id, workspace_id, leg_kind, direction, prefix, country, description,
       micro_kes_per_minute, effective_at_ms, ended)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
    [
      rate.id,
      rate.workspaceId,
      rate.legKind,
      rate.direction,
      rate.prefix,
      rate.country,
      rate.description,
      rate.microKesPerMinute,
      rate.effectiveAtMs,
      rate.ended ?? 0,
    ],
  );
  return changes === 1;
}

export async function hasDeck(tx: ReadTx): Promise<boolean> {
  return (await tx.get("SELECT 1 AS one FROM rates WHERE workspace_id IS NULL LIMIT 1")) !== undefined;
}

/** Cents, except where the name says another unit. */
export const priceNames = [
  "number_monthly",
  "vat_basis_points",
  "recording_free_gb",
  "recording_gb_month",
] as const;
export type PriceName = (typeof priceNames)[number];

export interface Price {
  amount: number;
  effectiveAtMs: number;
}

export async function findPrice(tx: ReadTx, name: PriceName, atMs: number): Promise<Price | undefined> {
  return tx.get(
    `SELECT amount, effective_at_ms FROM prices WHERE name = ? AND effective_at_ms <= ?
     ORDER BY effective_at_ms DESC LIMIT 1`,
    [name, atMs],
  );
}

/** Stores a price unless the name has one of that date. */
export async function insertPrice(tx: Tx, name: PriceName, price: Price): Promise<boolean> {
  const { changes } = await tx.run(
    "INSERT INTO prices (name, amount, effective_at_ms) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
    [name, price.amount, price.effectiveAtMs],
  );
  return changes === 1;
}

export async function hasPrice(tx: ReadTx, name: PriceName): Promise<boolean> {
  return (await tx.get("SELECT 1 AS one FROM prices WHERE name = ? LIMIT 1", [name])) !== undefined;
}

/** Each price with its dates, the oldest first; kept until the end of the transaction. */
export async function keepPrices(tx: Tx, name: PriceName): Promise<Price[]> {
  const keep = () =>
    tx.all<Price>(
      "SELECT amount, effective_at_ms FROM prices WHERE name = ? ORDER BY effective_at_ms FOR NO KEY UPDATE",
      [name],
    );
  // As keepRates. The oldest row is never taken back, so that whoever comes waits there.
  await keep();
  return keep();
}

export const allPrices = (tx: ReadTx) =>
  tx.all<Price & { name: PriceName }>("SELECT * FROM prices ORDER BY name, effective_at_ms");

/** Takes back what has not come into effect yet. */
export async function deletePrice(tx: Tx, name: PriceName, effectiveAtMs: number): Promise<void> {
  await tx.run("DELETE FROM prices WHERE name = ? AND effective_at_ms = ?", [name, effectiveAtMs]);
}
