import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { ReadTx, Tx } from "./store.ts";

const directory = join(import.meta.dirname, "migrations");

/** How a database is looked at, and changed. */
export interface Migrating {
  /** Runs `work` in a transaction while no other process migrates this database. */
  exclusively: (work: (tx: Tx) => Promise<void>) => Promise<void>;
  /** Waits for nobody. */
  look: <T>(work: (tx: ReadTx) => Promise<T>) => Promise<T>;
}

/**
 * Applies the numbered files of migrations/ that this database has not had, each in a transaction with its own record.
 * A file that was applied must never change: its hash is kept and compared. A database that has had later ones too is of a newer
 * version that runs beside this one, or did: that is as it should be, unless one of them says that we are too old for it. One that has
 * had all of them is only read: a start waits for no lock.
 */
export async function migrate({ exclusively, look }: Migrating): Promise<void> {
  const files = readdirSync(directory)
    .filter((file) => file.endsWith(".sql"))
    .sort();
  // Without the table it is a new one.
  const isUpToDate = await look((tx) => hasAll(tx, files)).catch(() => false);
  if (!isUpToDate) for (const name of files) await exclusively((tx) => applyOnce(tx, name));
  await look((tx) => requireNotTooOld(tx, files.at(-1) ?? ""));
}

async function hasAll(tx: ReadTx, files: readonly string[]): Promise<boolean> {
  const rows = await tx.all<{ name: string; sha256: string }>("SELECT name, sha256 FROM migrations");
  const applied = new Map(rows.map(({ name, sha256 }) => [name, sha256]));
  return files.every((name) => applied.get(name) === read(name).sha256);
}

/** `-- oldest: 031` in a file: it takes away what versions without migration 031 use. */
async function requireNotTooOld(tx: ReadTx, newest: string): Promise<void> {
  const later = await tx.all<{ name: string; oldest: string }>(
    "SELECT name, oldest FROM migrations WHERE oldest IS NOT NULL ORDER BY name",
  );
  for (const { name, oldest } of later)
    if (newest < oldest)
      throw new Error(
        `The database has had migration ${name}, for which this version is too old: it needs one with migration ${oldest}.`,
      );
}

async function applyOnce(tx: Tx, name: string): Promise<void> {
  const { sql, sha256 } = read(name);
  await tx.run(
    "CREATE TABLE IF NOT EXISTS migrations (name TEXT PRIMARY KEY, sha256 TEXT NOT NULL, applied_at TEXT NOT NULL)",
  );
  const before = await tx.get<{ sha256: string }>("SELECT sha256 FROM migrations WHERE name = ?", [name]);
  if (before?.sha256 === sha256) return;
  if (before) throw new Error(`Migration ${name} was changed after it had been applied to this database.`);
  try {
    for (const statement of statementsOf(sql)) await tx.run(statement);
  } catch (error) {
    throw new Error(`Migration ${name} failed.`, { cause: error });
  }
  await tx.run("INSERT INTO migrations (name, sha256, applied_at) VALUES (?, ?, CURRENT_TIMESTAMP)", [
    name,
    sha256,
  ]);
  const oldest = /^-- oldest: (\d{3})$/m.exec(sql)?.[1];
  if (oldest !== undefined) await tx.run("UPDATE migrations SET oldest = ? WHERE name = ?", [oldest, name]);
}

function read(name: string): { sql: string; sha256: string } {
  const sql = readFileSync(join(directory, name), "utf8");
  return { sql, sha256: createHash("sha256").update(sql).digest("hex") };
}

/** Statements end with `;` at the end of a line; comments are lines that begin with `--`. */
function statementsOf(sql: string): string[] {
  return sql
    .replace(/^\s*--.*$/gm, "")
    .split(/;\s*$/m)
    .map((statement) => statement.trim())
    .filter((statement) => statement !== "");
}

/** Shows that the database takes writes: a row is written as it is, since one that changes none is done on a full disk too. */
export async function touch(tx: Tx): Promise<void> {
  await tx.run("UPDATE migrations SET name = name WHERE name = (SELECT MAX(name) FROM migrations)");
}
