import Database from "better-sqlite3";
import { SautikitError } from "../errors.ts";
import { migrate } from "./migrate.ts";
import type { Params, ReadTx, Store, Tx } from "./store.ts";

interface Job {
  run: (tx: Tx) => Promise<unknown>;
  resolve: (value: unknown) => void;
  reject: (reason: unknown) => void;
}

/** One fsync carries at most so many transactions: more would make the first wait for the last. */
const jobsPerCommitMax = 64;

/** Opens, or creates, the database file and brings its schema up to date. */
export async function openSqlite(file: string): Promise<Store> {
  const writer = open(file);
  await migrate(writerTx(writer, { over: false }, []));
  const reader = open(file);
  return new SqliteStore(writer, reader);
}

function open(file: string): Database.Database {
  const db = new Database(file, { timeout: 5000 });
  db.pragma("journal_mode = WAL");
  // FULL: a committed charge survives a power cut, and its tail latency beats NORMAL's.
  db.pragma("synchronous = FULL");
  db.pragma("foreign_keys = ON");
  return db;
}

class SqliteStore implements Store {
  readonly #writer: Database.Database;
  readonly #reader: Database.Database;
  #queue: Job[] = [];
  #draining: Promise<void> | null = null;
  #reading: Promise<unknown> = Promise.resolve();
  #closed = false;

  constructor(writer: Database.Database, reader: Database.Database) {
    this.#writer = writer;
    this.#reader = reader;
  }

  write<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    if (this.#closed)
      return Promise.reject(new SautikitError("database.unavailable", "The database is closed."));
    return new Promise<T>((resolve, reject) => {
      this.#queue.push({ run: work, resolve: resolve as (value: unknown) => void, reject });
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
    const life: Life = { over: false };
    this.#reader.exec("BEGIN");
    try {
      return await withinMicrotasks(work(readTx(this.#reader, life)));
    } finally {
      life.over = true;
      this.#reader.exec("COMMIT");
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    while (this.#draining) await this.#draining;
    await this.#reading;
    this.#reader.close();
    this.#writer.close();
  }

  /** Lets one turn of the event loop gather closures, then commits them together, until none are left. */
  async #drain(): Promise<void> {
    while (this.#queue.length > 0) {
      await new Promise((resolve) => setImmediate(resolve));
      await this.#commit(this.#queue.splice(0, jobsPerCommitMax));
    }
    this.#draining = null;
  }

  async #commit(jobs: Job[]): Promise<void> {
    const settled: (() => void)[] = [];
    const afterCommit: (() => void)[] = [];
    try {
      this.#writer.exec("BEGIN IMMEDIATE");
      for (const job of jobs) settled.push(await this.#savepoint(job, afterCommit));
      this.#writer.exec("COMMIT");
    } catch (cause) {
      if (this.#writer.inTransaction) this.#writer.exec("ROLLBACK");
      const error = new SautikitError("database.unavailable", undefined, { cause, retryAfterSeconds: 1 });
      for (const job of jobs) job.reject(error);
      return;
    }
    for (const settle of settled) settle();
    for (const signal of afterCommit) guarded(signal);
  }

  /** Runs one closure; a throw undoes it alone, and is told only after the commit, as success is. */
  async #savepoint(job: Job, afterCommit: (() => void)[]): Promise<() => void> {
    const signals: (() => void)[] = [];
    const life: Life = { over: false };
    this.#writer.exec("SAVEPOINT job");
    try {
      const value = await withinMicrotasks(job.run(writerTx(this.#writer, life, signals)));
      life.over = true;
      this.#writer.exec("RELEASE job");
      afterCommit.push(...signals);
      return () => job.resolve(value);
    } catch (error) {
      life.over = true;
      // A full disk or an I/O error may have ended the whole transaction: then nobody's work is in it any more.
      if (!this.#writer.inTransaction) throw error;
      this.#writer.exec("ROLLBACK TO job");
      this.#writer.exec("RELEASE job");
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

/** A listener's bug costs that signal; what was committed stands, and the store goes on. */
function guarded(signal: () => void): void {
  try {
    signal();
  } catch (error) {
    process.emitWarning(error instanceof Error ? error : String(error));
  }
}

/** Whether a transaction has ended. What it left running must not get into the next one on the same connection. */
interface Life {
  over: boolean;
}

function readTx(db: Database.Database, life: Life): ReadTx {
  return {
    get: <Row>(sql: string, params: Params = []) =>
      attempt(life, () => select(db, sql, params)[0] as Row | undefined),
    all: <Row>(sql: string, params: Params = []) => attempt(life, () => select(db, sql, params) as Row[]),
  };
}

function writerTx(db: Database.Database, life: Life, signals: (() => void)[]): Tx {
  return {
    ...readTx(db, life),
    run: (sql, params = []) =>
      attempt(life, () => ({ changes: prepared(db, sql).statement.run(...params).changes })),
    afterCommit: (fn) => void signals.push(fn),
  };
}

/** The driver answers at once, or throws: either becomes a promise. */
async function attempt<T>(life: Life, query: () => T): Promise<T> {
  if (life.over) throw new Error("The transaction is over: its tx can no longer be used.");
  return Promise.resolve(query());
}

interface Prepared {
  statement: Database.Statement;
  /** camelCase, for statements that return rows. */
  columns: string[];
}

const preparedByDb = new WeakMap<Database.Database, Map<string, Prepared>>();

function prepared(db: Database.Database, sql: string): Prepared {
  let cache = preparedByDb.get(db);
  if (!cache) preparedByDb.set(db, (cache = new Map<string, Prepared>()));
  let entry = cache.get(sql);
  if (!entry) {
    const statement = db.prepare(sql);
    const columns = statement.reader
      ? statement
          .raw()
          .columns()
          .map((column) => camelCase(column.name))
      : [];
    cache.set(sql, (entry = { statement, columns }));
  }
  return entry;
}

function select(db: Database.Database, sql: string, params: Params): Record<string, unknown>[] {
  const { statement, columns } = prepared(db, sql);
  return (statement.all(...params) as unknown[][]).map((values) => {
    const row: Record<string, unknown> = {};
    for (const [index, name] of columns.entries()) row[name] = values[index];
    return row;
  });
}

const camelCase = (name: string) => name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
