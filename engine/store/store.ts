/**
 * The seam to the database. Plain SQL with `?` for parameters, in this folder only; the same text runs on SQLite and
 * on PostgreSQL. Column names are snake_case in SQL and arrive as camelCase.
 */
export interface ReadTx {
  get<Row>(sql: string, params?: Params): Promise<Row | undefined>;
  all<Row>(sql: string, params?: Params): Promise<Row[]>;
}

export interface Tx extends ReadTx {
  /** Runs a change; `changes` is how many rows it touched (0 where ON CONFLICT DO NOTHING did nothing). */
  run(sql: string, params?: Params): Promise<{ changes: number }>;
  /** Called once, after the commit is on disk, never if it fails: for in-process signals. */
  afterCommit(fn: () => void): void;
}

export type Params = readonly SqlValue[];
export type SqlValue = string | number | null | Uint8Array;

export interface Store {
  /**
   * Runs `work` in a transaction and resolves once it is on disk. `work` awaits nothing but `tx`, so that closures can
   * share a commit; one that does is refused. A throw undoes this closure alone.
   */
  write<T>(work: (tx: Tx) => Promise<T>): Promise<T>;
  /** One consistent snapshot of what is committed. Awaits nothing but `tx`. */
  read<T>(work: (tx: ReadTx) => Promise<T>): Promise<T>;
  /** Waits for what is queued, then closes. */
  close(): Promise<void>;
}
