import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Tx } from "./store.ts";

const directory = join(import.meta.dirname, "migrations");

/**
 * Applies the numbered files of migrations/ that this database has not had, each with its own record. A file that was
 * applied must never change: its hash is kept and compared.
 */
export async function migrate(tx: Tx): Promise<void> {
  await tx.run(
    "CREATE TABLE IF NOT EXISTS migrations (name TEXT PRIMARY KEY, sha256 TEXT NOT NULL, applied_at TEXT NOT NULL)",
  );
  const rows = await tx.all<{ name: string; sha256: string }>("SELECT name, sha256 FROM migrations");
  const applied = new Map(rows.map((row) => [row.name, row.sha256]));
  for (const name of readdirSync(directory)
    .filter((file) => file.endsWith(".sql"))
    .sort()) {
    const sql = readFileSync(join(directory, name), "utf8");
    const sha256 = createHash("sha256").update(sql).digest("hex");
    const before = applied.get(name);
    if (before === sha256) continue;
    if (before) throw new Error(`Migration ${name} was changed after it had been applied to this database.`);
    await apply(tx, name, sql, sha256);
  }
}

async function apply(tx: Tx, name: string, sql: string, sha256: string): Promise<void> {
  await tx.run("BEGIN");
  try {
    for (const statement of statementsOf(sql)) await tx.run(statement);
    await tx.run("INSERT INTO migrations (name, sha256, applied_at) VALUES (?, ?, CURRENT_TIMESTAMP)", [
      name,
      sha256,
    ]);
    await tx.run("COMMIT");
  } catch (error) {
    await tx.run("ROLLBACK");
    throw new Error(`Migration ${name} failed.`, { cause: error });
  }
}

/** Statements end with `;` at the end of a line; comments are lines that begin with `--`. */
function statementsOf(sql: string): string[] {
  return sql
    .replace(/^\s*--.*$/gm, "")
    .split(/;\s*$/m)
    .map((statement) => statement.trim())
    .filter((statement) => statement !== "");
}
