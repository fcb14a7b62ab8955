import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { postgresPrograms, startPostgres } from "../../peers/postgres-server.ts";
import { onServerOf, sqliteFile, type TestDatabase } from "../../store/test-database.ts";

export interface BenchDatabase extends TestDatabase {
  name: "SQLite" | "PostgreSQL";
}

/** As durable as an operator's: a commit is on the disk. PostgreSQL where its programs are on this machine. */
export async function* benchDatabases(): AsyncGenerator<BenchDatabase> {
  const folder = mkdtempSync(join(tmpdir(), "sautikit-bench-"));
  try {
    yield { ...sqliteFile(join(folder, "sautikit.db")), name: "SQLite" };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  if (postgresPrograms() === null) return;
  const server = await startPostgres({ durable: true });
  try {
    const database = onServerOf(server);
    yield {
      ...database,
      name: "PostgreSQL",
      // A million rows that are right need not be looked up in other tables one by one.
      byHand: (sql) => database.byHand(`SET session_replication_role = replica; ${sql}`),
    };
  } finally {
    await server.stop();
  }
}
