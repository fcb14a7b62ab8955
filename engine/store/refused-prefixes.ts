import type { ReadTx, Tx } from "./store.ts";

/** Where nobody's calls go, by the operator's word. */
export interface RefusedPrefixRow {
  /** Digits after the +. */
  prefix: string;
  reason: string | null;
  createdAtMs: number;
}

/** The first of these that is refused. */
export const refusedPrefixAmong = (tx: ReadTx, prefixes: readonly string[]) =>
  tx.get<RefusedPrefixRow>(
    `SELECT * FROM refused_prefixes WHERE prefix IN (${prefixes.map(() => "?").join(", ")}) LIMIT 1`,
    prefixes,
  );

export const refusedPrefixes = (tx: ReadTx) =>
  tx.all<RefusedPrefixRow>("SELECT * FROM refused_prefixes ORDER BY prefix");

/** False: it was refused before. */
export async function insertRefusedPrefix(tx: Tx, row: RefusedPrefixRow): Promise<boolean> {
  const { changes } = await tx.run(
    "INSERT INTO refused_prefixes (prefix, reason, created_at_ms) VALUES (?, ?, ?) ON CONFLICT (prefix) DO NOTHING",
    [row.prefix, row.reason, row.createdAtMs],
  );
  return changes === 1;
}

/** The row that is no more; undefined: there was none. */
export const deleteRefusedPrefix = (tx: Tx, prefix: string) =>
  tx.get<RefusedPrefixRow>("DELETE FROM refused_prefixes WHERE prefix = ? RETURNING *", [prefix]);
