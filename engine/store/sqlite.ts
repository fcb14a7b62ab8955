import Database from "better-sqlite3";
import type { Clock } from "../clock.ts";
import { SautikitError } from "../errors.ts";
import { camelCase } from "./column-names.ts";
import { migrate } from "./migrate.ts";
import { OpenTransaction } from "./open-transaction.ts";
import type { Params, ReadTx, Store, Tx } from "./store.ts";

interface Job {
  queuedAtMs: number;
  run: (tx: Tx) => Promise<unknown>;
  resolve: (value: unknown) => void;
  reject: (reason: unknown) => void;
}

/** One fsync carries at most so many transactions: more would make the first wait for the last. */
const jobsPerCommitMax = 64;

/** Another process's transaction takes a few ms, unless something is wrong. */
const lockMsMax = 5_000;
const lockRetryMsMax = 20;

const walTriesMax = 250;
const walRetryMs = 20;

/** Opens, or creates, the database file and brings its schema up to date. */
export async function openSqlite(file: string, { clock }: { clock: Clock }): Promise<Store> {
  const writer = open(file);
  await migrate({
    exclusively: (work) => exclusively(writer, work),
    look: (work) => work(readTx(writer, new OpenTransaction())),
  });
  // SQLite's own wait would stop the whole process: no switch would be heard and no timer run.
  writer.db.pragma("busy_timeout = 0");
  const reader = open(file);
  return new SqliteStore(writer, reader, clock);
}

function open(file: string): Connection {
  const db = new Database(file, { timeout: lockMsMax });
  goOverToWal(db);
  // FULL: a committed charge survives a power cut, and its tail latency beats NORMAL's.
  db.pragma("synchronous = FULL");
  db.pragma("foreign_keys = ON");
  // What a savepoint would undo is kept aside, and over 64 kB in a file: that took a third of a shared commit's time.
  db.pragma("temp_store = MEMORY");
  return new Connection(db);
}

/** Does not wait for another process that does the same just then, as all else does: so it is tried again. */
function goOverToWal(db: Database.Database): void {
  const sleeper = new Int32Array(new SharedArrayBuffer(4));
  for (let tries = 1; ; tries++) {
    try {
      db.pragma("journal_mode = WAL");
      return;
    } catch (error) {
      if (!isBusy(error) || tries === walTriesMax) throw error;
      Atomics.wait(sleeper, 0, 0, walRetryMs);
    }
  }
}

/** BEGIN IMMEDIATE lets one process in and keeps the others waiting. */
async function exclusively(writer: Connection, work: (tx: Tx) => Promise<void>): Promise<void> {
  const { db } = writer;
  db.exec("BEGIN IMMEDIATE");
  try {
    await work(writerTx(writer, new OpenTransaction()));
    db.exec("COMMIT");
  } catch (error) {
    if (db.inTransaction) db.exec("ROLLBACK");
    throw error;
  }
}

class SqliteStore implements Store {
  readonly #writer: Connection;
  readonly #reader: Connection;
  readonly #clock: Clock;
  #queue: Job[] = [];
  #draining: Promise<void> | null = null;
  #reading: Promise<unknown> = Promise.resolve();
  #closed = false;

  constructor(writer: Connection, reader: Connection, clock: Clock) {
    this.#writer = writer;
    this.#reader = reader;
    this.#clock = clock;
  }

  write<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    if (this.#closed)
      return Promise.reject(new SautikitError("database.unavailable", "The database is closed."));
    return new Promise<T>((resolve, reject) => {
      const queuedAtMs = this.#clock.monotonicMs();
      this.#queue.push({ queuedAtMs, run: work, resolve: resolve as (value: unknown) => void, reject });
      this.#draining ??= this.#drain();
    });
  }

  read<T>(work: (tx: ReadTx) => Promise<T>): Promise<T> {
    // One connection, one snapshot at a time: two readers' microtasks would otherwise share a BEGIN.
    const mine = this.#reading.then(() => this.#snapshot(work));
    this.#reading = mine.catch(() => undefined);
    return mine;
  }

  async #snapshot<T>(work: (tx: ReadTx) => Promise<T>): Promise<T> {
    const open = new OpenTransaction();
    attempt(() => this.#reader.db.exec("BEGIN"));
    try {
      return await withinMicrotasks(work(readTx(this.#reader, open)));
    } finally {
      open.over();
      if (this.#reader.db.inTransaction) this.#reader.db.exec("COMMIT");
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    while (this.#draining) await this.#draining;
    await this.#reading;
    this.#reader.db.close();
    this.#writer.db.close();
  }

  /** Lets one turn of the event loop gather closures, then commits them together, until none are left. */
  async #drain(): Promise<void> {
    while (this.#queue.length > 0) {
      await new Promise((resolve) => setImmediate(resolve));
      if (await this.#begun()) await this.#commit(this.#queue.splice(0, jobsPerCommitMax));
    }
    this.#draining = null;
  }

  /** Waits while another process writes. Who has waited too long is told; false: nobody is left. */
  async #begun(): Promise<boolean> {
    for (let tries = 1; this.#queue.length > 0; tries++) {
      try {
        this.#writer.db.exec("BEGIN IMMEDIATE");
        return true;
      } catch (cause) {
        const sinceMs = isBusy(cause) ? this.#clock.monotonicMs() - lockMsMax : Infinity;
        const late = this.#queue.findIndex((job) => job.queuedAtMs > sinceMs);
        for (const job of this.#queue.splice(0, late === -1 ? this.#queue.length : late))
          job.reject(unavailable(cause));
        if (this.#queue.length > 0) await this.#clock.sleep(Math.min(tries, lockRetryMsMax));
      }
    }
    return false;
  }

  async #commit(jobs: Job[]): Promise<void> {
    const settled: (() => void)[] = [];
    const done: OpenTransaction[] = [];
    try {
      for (const job of jobs) settled.push(await this.#savepoint(job, done));
      this.#writer.db.exec("COMMIT");
    } catch (cause) {
      if (this.#writer.db.inTransaction) this.#writer.db.exec("ROLLBACK");
      const error = unavailable(cause);
      for (const job of jobs) job.reject(error);
      return;
    }
    for (const settle of settled) settle();
    for (const open of done) open.signal();
  }

  /** Runs one closure; a throw undoes it alone, and is told only after the commit, as success is. */
  async #savepoint(job: Job, done: OpenTransaction[]): Promise<() => void> {
    const open = new OpenTransaction();
    this.#writer.db.exec("SAVEPOINT job");
    try {
      const value = await withinMicrotasks(job.run(writerTx(this.#writer, open)));
      open.check();
      open.over();
      this.#writer.db.exec("RELEASE job");
      done.push(open);
      return () => job.resolve(value);
    } catch (error) {
      open.over();
      // A full disk or an I/O error may have ended the whole transaction: then nobody's work is in it any more.
      if (!this.#writer.db.inTransaction) throw error;
      this.#writer.db.exec("ROLLBACK TO job");
      this.#writer.db.exec("RELEASE job");
      return () => job.reject(error);
    }
  }
}

/** The driver is synchronous, so a closure that awaits only its `tx` is done before the event loop turns. */
function withinMicrotasks<T>(work: Promise<T>): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const late = setImmediate(() => {
      reject(new Error("A transaction awaited something else than its tx."));
    });
    work.finally(() => clearImmediate(late)).then(resolve, reject);
  });
}

function readTx(connection: Connection, open: OpenTransaction): ReadTx {
  return {
    get: <Row>(sql: string, params: Params = []) =>
      statement(open, () => connection.select(sql, params)[0] as Row | undefined),
    all: <Row>(sql: string, params: Params = []) =>
      statement(open, () => connection.select(sql, params) as Row[]),
  };
}

function writerTx(connection: Connection, open: OpenTransaction): Tx {
  return {
    ...readTx(connection, open),
    run: (sql, params = []) => statement(open, () => ({ changes: connection.run(sql, params) })),
    afterCommit: (fn) => open.afterCommit(fn),
  };
}

/** The driver answers at once, or throws: either becomes a promise. */
function statement<T>(open: OpenTransaction, query: () => T): Promise<T> {
  return Promise.try(() => {
    open.check();
    try {
      return attempt(query);
    } catch (error) {
      open.fail(error);
      throw error;
    }
  });
}

/** A fault of the database becomes ours. */
function attempt<T>(query: () => T): T {
  try {
    return query();
  } catch (error) {
    throw isFault(error) ? unavailable(error) : error;
  }
}

/** A full disk, an I/O error, a lock held too long: not a bug in a statement, and not a broken constraint. */
const isFault = (error: unknown) =>
  error instanceof Database.SqliteError &&
  /^SQLITE_(?!CONSTRAINT|ERROR|MISMATCH|RANGE|MISUSE|TOOBIG)/.test(error.code);

const isBusy = (error: unknown) =>
  error instanceof Database.SqliteError && error.code.startsWith("SQLITE_BUSY");

const unavailable = (cause: unknown) =>
  new SautikitError("database.unavailable", undefined, { cause, retryAfterSeconds: 1 });

interface Prepared {
  statement: Database.Statement;
  /** camelCase, for statements that return rows. */
  columns: string[];
}

/** With the statements that it has prepared. */
class Connection {
  readonly db: Database.Database;
  readonly #prepared = new Map<string, Prepared>();

  constructor(db: Database.Database) {
    this.db = db;
  }

  /** How many rows it changed. */
  run(sql: string, params: Params): number {
    return this.#prepare(sql).statement.run(...params).changes;
  }

  select(sql: string, params: Params): Record<string, unknown>[] {
    const { statement, columns } = this.#prepare(sql);
    return (statement.all(...params) as unknown[][]).map((values) => {
      const row: Record<string, unknown> = {};
      for (const [index, name] of columns.entries()) row[name] = values[index];
      return row;
    });
  }

  #prepare(sql: string): Prepared {
    let entry = this.#prepared.get(sql);
    if (!entry) {
      const statement = this.db.prepare(planOnce(sql.replace(/ FOR (NO KEY UPDATE|KEY SHARE|SHARE)$/, "")));
      const columns = statement.reader
        ? statement
            .raw()
            .columns()
            .map((column) => camelCase(column.name))
        : [];
      this.#prepared.set(sql, (entry = { statement, columns }));
    }
    return entry;
  }
}

/**
 * The value of a bare parameter could change SQLite's plan for a query that sorts or joins, and so it prepares such a
 * query, or what holds one, anew at each run, at two to ten times its cost. `likely()` hides the parameter, and is nothing
 * at run time.
 */
const planOnce = (sql: string) => (sql.includes("SELECT") ? sql.replaceAll("?", "likely(?)") : sql);
