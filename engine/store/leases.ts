import type { ReadTx, Tx } from "./store.ts";

export interface LeaseRow {
  name: string;
  holder: string | null;
  fence: number;
  renewals: number;
}

export interface ControllerRow {
  id: string;
  host: string;
  pid: number;
  beats: number;
  /** JSON array of names. */
  boxes: string;
  draining: 0 | 1;
  startedAtMs: number;
}

/** One term of one holder. */
export interface Term {
  name: string;
  holder: string;
  fence: number;
}

export const leases = (tx: ReadTx) => tx.all<LeaseRow>("SELECT * FROM leases ORDER BY name");

export const controllers = (tx: ReadTx) => tx.all<ControllerRow>("SELECT * FROM controllers ORDER BY id");

/** Still there, or there again; its beats go on. */
export const beat = (tx: Tx, row: Omit<ControllerRow, "beats">) =>
  tx.run(
    `INSERT INTO controllers (id, host, pid, beats, boxes, draining, started_at_ms) VALUES (?, ?, ?, 1, ?, ?, ?)
     ON CONFLICT (id) DO UPDATE SET host = excluded.host, pid = excluded.pid, beats = controllers.beats + 1,
       boxes = excluded.boxes, draining = excluded.draining, started_at_ms = excluded.started_at_ms`,
    [row.id, row.host, row.pid, row.boxes, row.draining, row.startedAtMs],
  );

/** `beats`: only if it has stood still at that. */
export const forgetController = (tx: Tx, id: string, beats: number | null = null) =>
  tx.run(`DELETE FROM controllers WHERE id = ? ${beats === null ? "" : "AND beats = ?"}`, [
    id,
    ...(beats === null ? [] : [beats]),
  ]);

/** False: it is another's by now. */
export async function renewLease(tx: Tx, { name, holder, fence }: Term): Promise<boolean> {
  const { changes } = await tx.run(
    "UPDATE leases SET renewals = renewals + 1 WHERE name = ? AND fence = ? AND holder = ?",
    [name, fence, holder],
  );
  return changes === 1;
}

/**
 * Gives it to `holder` (null: to nobody) if it is as it was seen, undefined: not there. The fence of the new term; null: somebody
 * was quicker, or its holder lives. Waits for transactions that keep the term before.
 */
export async function takeLease(
  tx: Tx,
  name: string,
  holder: string | null,
  seen: LeaseRow | undefined,
): Promise<number | null> {
  if (seen === undefined) {
    const { changes } = await tx.run(
      "INSERT INTO leases (name, holder, fence, renewals) VALUES (?, ?, 1, 0) ON CONFLICT DO NOTHING",
      [name, holder],
    );
    return changes === 1 ? 1 : null;
  }
  const fence = seen.fence + 1;
  const { changes } = await tx.run(
    "UPDATE leases SET holder = ?, fence = ?, renewals = 0 WHERE name = ? AND fence = ? AND renewals = ?",
    [holder, fence, name, seen.fence, seen.renewals],
  );
  return changes === 1 ? fence : null;
}

/** Gives it back, unless it is another's by now. */
export const releaseLease = (tx: Tx, { name, holder, fence }: Term) =>
  tx.run(
    "UPDATE leases SET holder = NULL, fence = fence + 1, renewals = 0 WHERE name = ? AND fence = ? AND holder = ?",
    [name, fence, holder],
  );

/** Whether that term stands, and goes on to until the transaction ends. */
export async function keepTerm(tx: Tx, { name, holder, fence }: Term): Promise<boolean> {
  const row = await tx.get(
    "SELECT 1 AS stands FROM leases WHERE name = ? AND fence = ? AND holder = ? FOR KEY SHARE",
    [name, fence, holder],
  );
  return row !== undefined;
}

/** Whether it does just now. */
export async function termStands(tx: ReadTx, { name, holder, fence }: Term): Promise<boolean> {
  const row = await tx.get("SELECT 1 AS stands FROM leases WHERE name = ? AND fence = ? AND holder = ?", [
    name,
    fence,
    holder,
  ]);
  return row !== undefined;
}

/** What is known of a box without asking it. */
export interface BoxState {
  name: string;
  aliveAtUs: number | null;
  draining: 0 | 1;
}

export const boxStates = (tx: ReadTx) =>
  tx.all<BoxState>("SELECT name, alive_at_us, draining FROM boxes ORDER BY name");

/** Of a box that nobody has spoken to yet, too. */
export const setDraining = (tx: Tx, name: string, draining: boolean) =>
  tx.run(
    `INSERT INTO boxes (name, draining) VALUES (?, ?)
     ON CONFLICT (name) DO UPDATE SET draining = excluded.draining`,
    [name, draining ? 1 : 0],
  );
