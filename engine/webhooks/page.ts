/** Newest first; the cursor is the last id of the page before, so it stays right while rows are added. */
export interface PageRequest {
  limit: number;
  cursor?: string | undefined;
}

export interface Page<T> {
  data: T[];
  /** Null: that was the last page. */
  nextCursor: string | null;
}

/** Cuts a page from `limit + 1` rows. */
export function page<Row extends { id: string }, T>(
  rows: readonly Row[],
  limit: number,
  show: (row: Row) => T,
): Page<T> {
  const shown = rows.slice(0, limit);
  return { data: shown.map(show), nextCursor: rows.length > limit ? (shown.at(-1)?.id ?? null) : null };
}
