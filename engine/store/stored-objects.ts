import type { RecordingId } from "../ids.ts";
import type { RecordingRow } from "./recordings.ts";
import type { ReadTx } from "./store.ts";

/** Of every workspace, by id, those after `after`. */
export const recordingsAfter = (tx: ReadTx, after: RecordingId | "", limit: number) =>
  tx.all<RecordingRow>("SELECT * FROM recordings WHERE id > ? ORDER BY id LIMIT ?", [after, limit]);

export const recordingsNamed = (tx: ReadTx, ids: readonly string[]) =>
  named<RecordingRow>(tx, "recordings", ids);

/** What else has objects: prompts, exports of a person's data, the papers of porting requests. */
export type OtherOwner = "media" | "privacy_exports" | "ports";

/** Which of these rows there are. */
export async function ownersNamed(
  tx: ReadTx,
  table: OtherOwner,
  ids: readonly string[],
): Promise<Set<string>> {
  return new Set((await named<{ id: string }>(tx, table, ids)).map(({ id }) => id));
}

async function named<Row>(
  tx: ReadTx,
  table: OtherOwner | "recordings",
  ids: readonly string[],
): Promise<Row[]> {
  if (ids.length === 0) return [];
  return tx.all<Row>(`SELECT * FROM ${table} WHERE id IN (${ids.map(() => "?").join(", ")})`, ids);
}
