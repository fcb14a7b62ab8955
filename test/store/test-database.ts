import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import pg from "pg";
import { systemClock } from "../../engine/clock.ts";
import { openPostgres } from "../../engine/store/postgres.ts";
import { openSqlite } from "../../engine/store/sqlite.ts";
import type { Store } from "../../engine/store/store.ts";

/** Which database the suites of this run stand on: SAUTIKIT_DATABASE. */
export const databaseKind = process.env["SAUTIKIT_DATABASE"] === "postgres" ? "postgres" : "sqlite";

/** A database of a test's own. */
export interface TestDatabase {
  /** As DATABASE_URL has it. */
  url: string;
  open(): Promise<Store>;
  /** Statements past the product, and past the foreign keys; the rows of the last one. */
  byHand(sql: string): Promise<Record<string, unknown>[]>;
  /** Keeps everybody else from changing the books, and on SQLite anything, until the answer is called. */
  lock(): Promise<() => Promise<void>>;
  remove(): Promise<void>;
}

/** Without tables, unless it is `migrated`. */
export const testDatabase = (options = { migrated: true }): Promise<TestDatabase> =>
  databaseKind === "postgres" ? postgresDatabase(options.migrated) : sqliteDatabase();

/** An empty store that goes with its closing: what most suites need. */
export async function openTestStore(): Promise<Store> {
  const database = await testDatabase();
  const store = await database.open();
  return {
    write: (work) => store.write(work),
    read: (work) => store.read(work),
    async close() {
      await store.close();
      await database.remove();
    },
  };
}

async function sqliteDatabase(): Promise<TestDatabase> {
  const folder = await mkdtemp(join(tmpdir(), "sautikit-store-"));
  return {
    ...sqliteFile(join(folder, "sautikit.db")),
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}

/** Where a test wants the file to be; it goes with its folder. */
export function sqliteFile(file: string): TestDatabase {
  return {
    url: `sqlite:${file}`,
    open: () => openSqlite(file, { clock: systemClock }),
    byHand(sql) {
      const hand = new Database(file);
      hand.pragma("foreign_keys = OFF");
      const statements = sql.split(";").filter((text) => text.trim() !== "");
      const last = statements.pop() ?? "";
      for (const statement of statements) hand.exec(statement);
      const statement = hand.prepare(last);
      const rows = statement.reader ? (statement.all() as Record<string, unknown>[]) : [];
      if (!statement.reader) statement.run();
      hand.close();
      return Promise.resolve(rows);
    },
    lock() {
      const hand = new Database(file);
      hand.exec("BEGIN IMMEDIATE");
      return Promise.resolve(() => Promise.resolve(void hand.close()));
    },
    remove: () => Promise.resolve(),
  };
}

/** On a server that a test may kill: the only database there, which goes with it. */
export function onServerOf(server: { url: string }): TestDatabase {
  const url = `${server.url}postgres`;
  return {
    url,
    open: () => openPostgres(url, { clock: systemClock }),
    byHand: (sql) => onDatabase(url, sql),
    lock: () => lockBooks(url),
    remove: () => Promise.resolve(),
  };
}

async function lockBooks(url: string): Promise<() => Promise<void>> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query("BEGIN");
  await client.query("LOCK TABLE ledger_transactions, cdrs IN EXCLUSIVE MODE");
  return () => client.end();
}

let databases = 0;
const template = `sautikit_template_${process.pid}`;
let templateMade: Promise<void> | undefined;
/** Emptied, to be used again: that takes a tenth of the time that a new one does. */
const emptied: string[] = [];

async function postgresDatabase(migrated: boolean): Promise<TestDatabase> {
  const name = (migrated ? emptied.pop() : undefined) ?? (await createDatabase(migrated));
  const url = `${serverUrl()}${name}`;
  let asTheProductLeftIt = migrated;
  let removed = false;
  return {
    url,
    open: () => openPostgres(url, { clock: systemClock }),
    byHand(sql) {
      asTheProductLeftIt = false;
      return onDatabase(url, `SET session_replication_role = replica; ${sql}`);
    },
    lock: () => lockBooks(url),
    async remove() {
      if (removed) return;
      removed = true;
      if (asTheProductLeftIt) await empty(url).then(() => emptied.push(name));
      else await asSuperuser(`DROP DATABASE ${name} WITH (FORCE)`);
    },
  };
}

async function createDatabase(migrated: boolean): Promise<string> {
  const name = `sautikit_${process.pid}_${databases++}`;
  if (migrated) await (templateMade ??= makeTemplate());
  await asSuperuser(`CREATE DATABASE ${name} ${migrated ? `TEMPLATE ${template}` : foreignOrder}`);
  return name;
}

async function empty(url: string): Promise<void> {
  await onDatabase(
    url,
    `SET session_replication_role = replica;
     DO $$ DECLARE named text; BEGIN
       FOR named IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'migrations' LOOP
         EXECUTE 'DELETE FROM ' || named;
       END LOOP;
     END $$`,
  );
}

/** Sorts text as people do, unlike SQLite: what the product's tables must not depend on. */
const foreignOrder = "TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en-KE'";

async function makeTemplate(): Promise<void> {
  await asSuperuser(`CREATE DATABASE ${template} ${foreignOrder}`);
  await (await openPostgres(`${serverUrl()}${template}`, { clock: systemClock })).close();
}

/** Set by test/root-hooks.ts, or by who has a server. */
function serverUrl(): string {
  const url = process.env["SAUTIKIT_POSTGRES_URL"];
  if (url === undefined) throw new Error("SAUTIKIT_POSTGRES_URL is not set.");
  return url;
}

const asSuperuser = (sql: string) => onDatabase(`${serverUrl()}postgres`, sql);

async function onDatabase(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url });
  client.on("error", () => undefined);
  await client.connect();
  try {
    const results = (await client.query(sql)) as unknown;
    const last = (Array.isArray(results) ? results.at(-1) : results) as pg.QueryResult;
    return last.rows as Record<string, unknown>[];
  } finally {
    await client.end();
  }
}
