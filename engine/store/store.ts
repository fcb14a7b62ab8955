/**
 * The seam to the database. Plain SQL with `?` for parameters, in this folder only; the same text runs on SQLite and
 * on PostgreSQL, so no literal in it contains a question mark. Column names are snake_case in SQL and arrive as
 * camelCase.
 *
 * A SELECT that ends with ` FOR NO KEY UPDATE` keeps its rows for this transaction until it ends: what is decided by
 * reading them, or by counting rows that hang on them, is still true at the commit. PostgreSQL runs transactions side by
 * side and needs it; on SQLite they come one after another, and the words are left out. ` FOR SHARE` does not exclude
 * others who only ask for the same; ` FOR KEY SHARE` excludes those alone who change a key of the row, or delete it.
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

/** Where the database is away, full, or too slow, both reject with `database.unavailable`. */
export interface Store {
  /**
   * Runs `work` in a transaction and resolves once it is on disk. `work` awaits nothing but `tx` and changes nothing
   * else: it shares a commit, or is run again after a deadlock or a lost connection. A throw undoes this closure alone;
   * a statement that failed fails the closure, even if that swallows it. Closures that are not awaited in turn may be
   * run in any order.
   */
  write<T>(work: (tx: Tx) => Promise<T>): Promise<T>;
  /** One consistent snapshot of what is committed. Awaits nothing but `tx`. */
  read<T>(work: (tx: ReadTx) => Promise<T>): Promise<T>;
  /** Waits for what is queued, then closes. */
  close(): Promise<void>;
}
