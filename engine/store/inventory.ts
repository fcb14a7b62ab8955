import type { InventoryId } from "../ids.ts";
import type { ReadTx, SqlValue, Tx } from "./store.ts";

/** A number that may be claimed here, whoever holds it just now. */
export interface InventoryRow {
  id: InventoryId;
  e164: string;
  /** ISO 3166 alpha-2, lower case. */
  country: string;
  /** A released one rests until then. */
  availableAtMs: number;
  importedAtMs: number;
}

/** False: it is there already. */
export async function insertInventory(tx: Tx, row: InventoryRow): Promise<boolean> {
  const { changes } = await tx.run(
    `INSERT INTO number_inventory (id, e164, country, available_at_ms, imported_at_ms) VALUES (?, ?, ?, ?, ?)
     ON CONFLICT (e164) DO NOTHING`,
    [row.id, row.e164, row.country, row.availableAtMs, row.importedAtMs],
  );
  return changes === 1;
}

/** Those of the numbers that are in it, and whether somebody holds them. So many as a query takes. */
export async function inventoryOf(tx: ReadTx, e164s: readonly string[]): Promise<Map<string, boolean>> {
  const rows = await tx.all<{ e164: string; held: number }>(
    `SELECT i.e164, CASE WHEN n.id IS NULL THEN 0 ELSE 1 END AS held
     FROM number_inventory i LEFT JOIN numbers n ON n.held_e164 = i.e164 WHERE i.e164 IN (${marks(e164s)})`,
    e164s,
  );
  return new Map(rows.map(({ e164, held }) => [e164, held === 1]));
}

export async function countInventory(tx: ReadTx): Promise<number> {
  const row = await tx.get<{ numbers: number }>(
    "SELECT CAST(COUNT(*) AS BIGINT) AS numbers FROM number_inventory",
  );
  return row?.numbers ?? 0;
}

export interface AvailableFilter {
  country?: string | undefined;
  /** Digits after the +. */
  prefix?: string | undefined;
  /** Digits anywhere. */
  contains?: string | undefined;
  after: InventoryId | null;
}

/** What nobody holds and does not rest, in the order in which it was imported. */
export function availableInventory(
  tx: ReadTx,
  { country, prefix, contains, after }: AvailableFilter,
  nowMs: number,
  limit: number,
): Promise<InventoryRow[]> {
  const conditions: [string, SqlValue | undefined][] = [
    ["i.available_at_ms <= ?", nowMs],
    ["i.country = ?", country],
    ["i.e164 LIKE ?", prefix === undefined ? undefined : `+${prefix}%`],
    ["i.e164 LIKE ?", contains === undefined ? undefined : `%${contains}%`],
    ["i.id > ?", after ?? undefined],
  ];
  const asked = conditions.filter((entry): entry is [string, SqlValue] => entry[1] !== undefined);
  return tx.all(
    `SELECT * FROM number_inventory i WHERE ${asked.map(([condition]) => condition).join(" AND ")}
       AND NOT EXISTS (SELECT 1 FROM numbers n WHERE n.held_e164 = i.e164)
     ORDER BY i.id LIMIT ?`,
    [...asked.map(([, value]) => value), limit],
  );
}

/** The row as it is now: claims and releases of one number come one after another. */
export const keepInventory = (tx: Tx, which: { id: InventoryId } | { e164: string }) =>
  "id" in which
    ? tx.get<InventoryRow>("SELECT * FROM number_inventory WHERE id = ? FOR NO KEY UPDATE", [which.id])
    : tx.get<InventoryRow>("SELECT * FROM number_inventory WHERE e164 = ? FOR NO KEY UPDATE", [which.e164]);

export async function restInventory(tx: Tx, e164: string, availableAtMs: number): Promise<void> {
  await tx.run("UPDATE number_inventory SET available_at_ms = ? WHERE e164 = ?", [availableAtMs, e164]);
}

/** It is ours to give no more. */
export async function deleteInventory(tx: Tx, e164: string): Promise<void> {
  await tx.run("DELETE FROM number_inventory WHERE e164 = ?", [e164]);
}

export async function hasInventory(tx: ReadTx): Promise<boolean> {
  return (await tx.get("SELECT 1 AS one FROM number_inventory LIMIT 1")) !== undefined;
}

/** Of each of these numbers that somebody had: its latest release. So many as a query takes. */
export async function lastReleases(
  tx: ReadTx,
  e164s: readonly string[],
): Promise<Map<string, { releasedAtMs: number; releaseReason: string }>> {
  const rows = await tx.all<{ e164: string; releasedAtMs: number; releaseReason: string }>(
    `SELECT e164, released_at_ms, release_reason FROM numbers
     WHERE status = 'released' AND e164 IN (${marks(e164s)}) ORDER BY released_at_ms, id`,
    e164s,
  );
  return new Map(rows.map(({ e164, ...release }) => [e164, release]));
}

/** Of none NULL, which nothing is: PostgreSQL takes no empty list. */
const marks = (values: readonly unknown[]) =>
  values.length === 0 ? "NULL" : values.map(() => "?").join(", ");
