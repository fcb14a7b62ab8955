import type { Clock } from "../engine/clock.ts";
import { openPostgresSignals } from "../engine/store/postgres-signals.ts";
import { openPostgres } from "../engine/store/postgres.ts";
import { localSignals, type Signals } from "../engine/store/signals.ts";
import { openSqlite } from "../engine/store/sqlite.ts";
import type { Store } from "../engine/store/store.ts";
import type { Config } from "./config.ts";
import { closeToOthers } from "./data-dir.ts";

interface Options {
  clock: Clock;
  /** How long one transaction may take; with SQLite nothing bounds it. */
  transactionMsMax?: number;
  /** At once, to PostgreSQL. */
  connections?: number;
}

/** The database that DATABASE_URL names, its schema up to date. */
export async function openStore({ database }: Pick<Config, "database">, options: Options): Promise<Store> {
  if (database.kind === "postgres") return openPostgres(database.url, options);
  await closeToOthers(database.file);
  return openSqlite(database.file, options);
}

/** What its processes tell each other beside it. */
export function openSignals({ database }: Pick<Config, "database">, { clock }: Options): Signals {
  return database.kind === "sqlite" ? localSignals() : openPostgresSignals(database.url, { clock });
}
