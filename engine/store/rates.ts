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
}

export interface RateQuestion {
  /** Null: what everybody pays. */
  workspaceId: WorkspaceId | null;
  legKind: LegKind;
  direction: Direction;
  /** Longest first; the first that has a rate wins. */
  prefixes: readonly string[];
  atMs: number;
}

export async function findRate(tx: ReadTx, question: RateQuestion): Promise<RateRow | undefined> {
  return tx.get(
    `SELECT * FROM rates
     WHERE leg_kind = ? AND direction = ? AND prefix IN (${question.prefixes.map(() => "?").join(", ")})
       AND effective_at_ms <= ? AND (workspace_id IS NULL OR workspace_id = ?)
     ORDER BY LENGTH(prefix) DESC, CASE WHEN workspace_id IS NULL THEN 1 ELSE 0 END, effective_at_ms DESC
     LIMIT 1`,
    [question.legKind, question.direction, ...question.prefixes, question.atMs, question.workspaceId],
  );
}

/** False: there is a rate of the same owner, prefix and date already, nothing was stored. */
export async function insertRate(tx: Tx, rate: RateRow): Promise<boolean> {
  const { changes } = await tx.run(
    `INSERT INTO rates (id, workspace_id, leg_kind, direction, prefix, country, description,
       micro_kes_per_minute, effective_at_ms)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
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
    ],
  );
  return changes === 1;
}

export async function hasDeck(tx: ReadTx): Promise<boolean> {
  return (await tx.get("SELECT 1 AS one FROM rates WHERE workspace_id IS NULL LIMIT 1")) !== undefined;
}

/** Cents, except where the name says another unit. */
export type PriceName = "number_monthly" | "vat_basis_points" | "recording_free_gb" | "recording_gb_month";

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
