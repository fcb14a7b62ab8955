import pg from "pg";
import type { Clock } from "../clock.ts";
import { SautikitError } from "../errors.ts";
import { camelCase } from "./column-names.ts";
import { migrate } from "./migrate.ts";
import { OpenTransaction } from "./open-transaction.ts";
import { isConflict, isFault, isInTheWay, isLostConnection, isStalePlan } from "./postgres-errors.ts";
import type { Params, ReadTx, SqlValue, Store, Tx } from "./store.ts";

export interface PostgresOptions {
  clock: Clock;
  /** A transaction that takes longer is given up. Default 10 s; more for an operator who reads everything. */
  transactionMsMax?: number;
  /** At once, at most. Default 10. */
  connections?: number;
}

const transactionMsMaxDefault = 10_000;
const connectMsMax = 5_000;
/** A backlog of a thousand calls' events is worked off sooner. */
const turnMsMax = 15_000;
/** What another transaction keeps comes free within a few commits, or something is wrong. */
const lockMsMax = 5_000;
/** Whoever stands still in a transaction keeps nobody from its rows for longer: its next holder, above all, from a lease. */
const idleMsMax = 5_000;
/** More would only wait for each other's locks, and for the disk. */
const connectionsMax = 10;
/** A deadlock's victim has the other transaction out of its way the next time. */
const triesMax = 5;
const retryMs = 10;
/** Each connection keeps the plans of so many statements; texts that a filter composes would fill it without end. */
const namedStatementsMax = 500;
/** Migrations wait for each other, and an index on a large table takes its time. */
const migrationMsMax = 3_600_000;
/** Any number of our own, the same in every process. */
const migrationLock = 20_260_627;
/**
 * While a migration waits for a table, whoever comes after it to that table waits behind it: it waits for so long, lets them by,
 * and tries again.
 */
const tableLockMsMax = 500;
const tableRetryMs = 1_500;
/** A transaction of ours is over by then; what holds a table for longer is somebody's whom the operator has to see to. */
const tableTriesMax = 20;

/** Opens the database and brings its schema up to date. Directly, or through a pooler that keeps sessions. */
export async function openPostgres(url: string, options: PostgresOptions): Promise<Store> {
  const { clock, transactionMsMax = transactionMsMaxDefault, connections = connectionsMax } = options;
  const migrating = new PostgresStore(clock, migrationMsMax, poolOf(url, 1, migrationMsMax, 0));
  try {
    await requireUtf8(migrating);
    await migrate({
      exclusively: (work) => pastOthers(clock, () => migrating.write((tx) => exclusively(tx, work))),
      look: (work) => migrating.read(work),
    });
  } finally {
    await migrating.close();
  }
  return new PostgresStore(
    clock,
    transactionMsMax,
    poolOf(url, connections, transactionMsMax, Math.min(lockMsMax, transactionMsMax)),
  );
}

/** Waits for other processes' migrations as long as they take, and for what uses the tables not for long. */
async function exclusively(tx: Tx, work: (tx: Tx) => Promise<void>): Promise<void> {
  await tx.get("SELECT pg_advisory_xact_lock(?)", [migrationLock]);
  await tx.run(`SET LOCAL lock_timeout = ${tableLockMsMax}`);
  await work(tx);
}

/** Calls go on between the tries. */
async function pastOthers(clock: Clock, migration: () => Promise<void>): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      return await migration();
    } catch (error) {
      if (!isInTheWay(error)) throw error;
      if (tries === tableTriesMax)
        throw new Error(
          `${String(error)} Another transaction keeps its table: pg_stat_activity shows which; end that, and start again.`,
          { cause: error },
        );
      await clock.sleep(tableRetryMs);
    }
  }
}

/** Whether anything is in the database; it is not changed. */
export async function hasTables(url: string, { clock }: { clock: Clock }): Promise<boolean> {
  const store = new PostgresStore(
    clock,
    transactionMsMaxDefault,
    poolOf(url, 1, transactionMsMaxDefault, lockMsMax),
  );
  try {
    const found = await store.read((tx) =>
      tx.get<{ count: number }>(
        "SELECT COUNT(*) AS count FROM pg_tables WHERE schemaname = current_schema()",
      ),
    );
    return (found?.count ?? 0) > 0;
  } finally {
    await store.close();
  }
}

/** Customers' text is in any script. */
async function requireUtf8(store: Store): Promise<void> {
  const setting = await store.read((tx) =>
    tx.get<{ encoding: string }>("SELECT current_setting('server_encoding') AS encoding"),
  );
  if (setting?.encoding !== "UTF8")
    throw new Error(`The database's encoding is ${setting?.encoding ?? "unknown"}; make one with UTF8.`);
}

function poolOf(url: string, max: number, transactionMsMax: number, lockMsMax: number): pg.Pool {
  const pool = new pg.Pool({
    connectionString: url,
    application_name: "sautikit",
    max,
    connectionTimeoutMillis: connectMsMax,
    statement_timeout: transactionMsMax,
    idle_in_transaction_session_timeout: Math.min(idleMsMax, transactionMsMax),
    lock_timeout: lockMsMax,
    keepAlive: true,
    types,
  });
  // A connection that dies fails what runs on it, or leaves the pool; without a listener it would end the process.
  pool.on("error", () => undefined);
  pool.on("connect", (client) => void client.on("error", () => undefined));
  return pool;
}

class PostgresStore implements Store {
  readonly #clock: Clock;
  readonly #transactionMsMax: number;
  readonly #pool: pg.Pool;
  readonly #statements = new Map<string, Statement>();
  readonly #running = new Set<Promise<unknown>>();
  readonly #turns: Turns;
  #closed = false;

  constructor(clock: Clock, transactionMsMax: number, pool: pg.Pool) {
    this.#clock = clock;
    this.#turns = new Turns(clock, pool.options.max);
    this.#transactionMsMax = transactionMsMax;
    this.#pool = pool;
  }

  // READ COMMITTED: what a statement changes it sees as it is now, so a balance that others move too is only waited
  // for. What is read first and decided upon is kept by FOR NO KEY UPDATE. SERIALIZABLE would need neither, and would
  // throw away most settlements that meet at the house's accounts.
  write<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    return this.#run("BEGIN", work);
  }

  read<T>(work: (tx: ReadTx) => Promise<T>): Promise<T> {
    return this.#run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", work);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    while (this.#running.size > 0) await Promise.allSettled(this.#running);
    await this.#pool.end();
  }

  #run<T>(begin: string, work: (tx: Tx) => Promise<T>): Promise<T> {
    if (this.#closed)
      return Promise.reject(new SautikitError("database.unavailable", "The database is closed."));
    const running = this.#repeatedly(begin, work).finally(() => this.#running.delete(running));
    this.#running.add(running);
    return running;
  }

  async #repeatedly<T>(begin: string, work: (tx: Tx) => Promise<T>): Promise<T> {
    for (let tries = 1; ; tries++) {
      const reached: Reached = { stage: "connecting" };
      try {
        return await this.#transaction(begin, work, reached);
      } catch (error) {
        // Once COMMIT was sent nobody knows.
        const lost = reached.stage === "open" && isLostConnection(error);
        if (!lost && !isConflict(error)) throw error;
        if (tries === triesMax) throw lost ? error : unavailable(error);
        await this.#clock.sleep(retryMs * tries);
      }
    }
  }

  async #transaction<T>(begin: string, work: (tx: Tx) => Promise<T>, reached: Reached): Promise<T> {
    await this.#turns.take();
    try {
      return await this.#onConnection(begin, work, reached);
    } finally {
      this.#turns.give();
    }
  }

  async #onConnection<T>(begin: string, work: (tx: Tx) => Promise<T>, reached: Reached): Promise<T> {
    const client = await this.#pool.connect().catch((error: unknown) => {
      // Who waits behind would find the same, one after another.
      this.#turns.refuse(ours(error));
      throw ours(error);
    });
    reached.stage = "open";
    const open = new OpenTransaction();
    const tx = new PostgresTx(client, open, this.#statements);
    try {
      const value = await this.#inTime(tx, async () => {
        await tx.command(begin);
        const result = await work(tx);
        await tx.idle();
        open.check();
        open.over();
        reached.stage = "committing";
        await tx.command("COMMIT");
        return result;
      });
      client.release();
      open.signal();
      return value;
    } catch (error) {
      open.over();
      // Whoever is told of the failure may count on it that nothing is kept locked any more.
      client.release(!(await this.#rolledBack(client, tx)) || isStalePlan(error));
      throw error;
    } finally {
      open.over();
    }
  }

  /** Bounds a transaction: one that waits for something else keeps rows locked meanwhile. */
  async #inTime<T>(tx: PostgresTx, work: () => Promise<T>): Promise<T> {
    const late = Promise.withResolvers<never>();
    const timer = this.#clock.after(this.#transactionMsMax, () => {
      const message = `A transaction took longer than ${this.#transactionMsMax} ms.`;
      late.reject(
        tx.waits
          ? new SautikitError("database.unavailable", message, { retryAfterSeconds: 1 })
          : new Error(`${message} It awaited something else than its tx.`),
      );
    });
    try {
      return await Promise.race([work(), late.promise]);
    } finally {
      timer.cancel();
    }
  }

  async #rolledBack(client: pg.PoolClient, tx: PostgresTx): Promise<boolean> {
    // A statement that hangs is not waited for: its connection goes.
    if (tx.waits) return false;
    return client.query("ROLLBACK").then(
      () => true,
      () => false,
    );
  }
}

interface Reached {
  stage: "connecting" | "open" | "committing";
}

/**
 * Our own backlog waits here, not for the pool, whose limit is for a connection that cannot be made: a burst of calls'
 * events is worked off, not thrown away.
 */
class Turns {
  readonly #clock: Clock;
  #free: number;
  readonly #waiting: { resolve: () => void; reject: (reason: unknown) => void }[] = [];

  constructor(clock: Clock, free: number) {
    this.#clock = clock;
    this.#free = free;
  }

  /** Throws `database.unavailable` after `turnMsMax`, or when the others are refused. */
  async take(): Promise<void> {
    if (this.#free > 0) {
      this.#free--;
      return;
    }
    await new Promise<void>((resolve, reject) => {
      const turn = { resolve, reject };
      const late = this.#clock.after(turnMsMax, () => {
        this.#waiting.splice(this.#waiting.indexOf(turn), 1);
        reject(unavailable(new Error(`No connection came free within ${turnMsMax} ms.`)));
      });
      turn.resolve = () => (late.cancel(), resolve());
      turn.reject = (reason) => (late.cancel(), reject(reason as Error));
      this.#waiting.push(turn);
    });
  }

  give(): void {
    const next = this.#waiting.shift();
    if (next) next.resolve();
    else this.#free++;
  }

  refuse(error: unknown): void {
    for (const turn of this.#waiting.splice(0)) turn.reject(error);
  }
}

interface Statement {
  text: string;
  /** Of its plan, which the connection keeps; null: planned each time. */
  name: string | null;
}

/** Statements go one after another, also where the closure sends several at once. */
class PostgresTx implements Tx {
  readonly #client: pg.PoolClient;
  readonly #open: OpenTransaction;
  readonly #statements: Map<string, Statement>;
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  constructor(client: pg.PoolClient, open: OpenTransaction, statements: Map<string, Statement>) {
    this.#client = client;
    this.#open = open;
    this.#statements = statements;
  }

  /** A statement was sent, and is not answered yet. */
  get waits(): boolean {
    return this.#waiting > 0;
  }

  /** Every statement has been answered. */
  async idle(): Promise<void> {
    while (this.waits) await this.#last;
  }

  /** BEGIN and COMMIT. */
  async command(text: string): Promise<void> {
    const { command } = await this.#send(() => this.#client.query(text));
    // PostgreSQL answers COMMIT with ROLLBACK where the transaction had failed.
    if (!text.startsWith(command)) throw new Error(`${text} was answered with ${command}.`);
  }

  async get<Row>(sql: string, params: Params = []): Promise<Row | undefined> {
    return (await this.all<Row>(sql, params))[0];
  }

  async all<Row>(sql: string, params: Params = []): Promise<Row[]> {
    const { rows, fields } = await this.#query(sql, params);
    const columns = fields.map((field) => camelCase(field.name));
    return rows.map((values) => {
      const row: Record<string, unknown> = {};
      for (const [index, name] of columns.entries()) row[name] = values[index];
      return row as Row;
    });
  }

  async run(sql: string, params: Params = []): Promise<{ changes: number }> {
    const { rowCount } = await this.#query(sql, params);
    return { changes: rowCount ?? 0 };
  }

  afterCommit(fn: () => void): void {
    this.#open.afterCommit(fn);
  }

  async #query(sql: string, params: Params): Promise<pg.QueryArrayResult<unknown[]>> {
    const { text, name } = this.#statement(sql);
    const query = { text, values: params.map(bound), rowMode: "array" as const };
    this.#open.check();
    try {
      return await this.#send(() =>
        this.#client.query<unknown[]>(name === null ? query : { ...query, name }),
      );
    } catch (error) {
      this.#open.fail(error);
      throw error;
    }
  }

  async #send<Result>(query: () => Promise<Result>): Promise<Result> {
    this.#waiting++;
    const answer = this.#last.then(query);
    this.#last = answer.then(
      () => this.#waiting--,
      () => this.#waiting--,
    );
    return answer.catch((error: unknown) => {
      throw ours(error);
    });
  }

  #statement(sql: string): Statement {
    const known = this.#statements.get(sql);
    if (known) return known;
    const size = this.#statements.size;
    if (size >= namedStatementsMax) return { text: dialect(sql), name: null };
    const statement = { text: dialect(sql), name: `sautikit_${size}` };
    this.#statements.set(sql, statement);
    return statement;
  }
}

/** Text sorts by its bytes, as on SQLite, whatever the operator's database was created with. */
function dialect(sql: string): string {
  let position = 0;
  const text = sql.replace(/\?/g, () => `$${++position}`);
  return /^(CREATE|ALTER) TABLE /.test(text) ? text.replace(/\bTEXT\b/g, 'TEXT COLLATE "C"') : text;
}

/** PostgreSQL's text has no NUL; a customer's server may send one. */
function bound(value: SqlValue): SqlValue {
  return typeof value === "string" && value.includes("\0") ? value.replaceAll("\0", "\ufffd") : value;
}

/** Numbers are numbers, as on SQLite; the driver's own choice for these two is text. */
const types: pg.CustomTypesConfig = {
  getTypeParser: (oid: Parameters<typeof pg.types.getTypeParser>[0]) =>
    oid === pg.types.builtins.INT8 || oid === pg.types.builtins.NUMERIC
      ? safeInteger
      : (pg.types.getTypeParser(oid) as unknown),
};

function safeInteger(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new RangeError(`${text} is not an integer that a number can hold.`);
  return value;
}

/** A fault of the database becomes ours; a conflict is tried again, and all else is a bug. */
const ours = (error: unknown): unknown => (isFault(error) ? unavailable(error) : error);

const unavailable = (cause: unknown) =>
  new SautikitError("database.unavailable", undefined, { cause, retryAfterSeconds: 1 });
