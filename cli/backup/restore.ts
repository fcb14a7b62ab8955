import { readFile, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { systemClock } from "../../engine/clock.ts";
import { hasTables } from "../../engine/store/postgres.ts";
import type { Config } from "../config.ts";
import { readConfig } from "../config.ts";
import { makeDataDir } from "../data-dir.ts";
import { print, words } from "../operator/desk.ts";
import { lockRoles } from "../role-locks.ts";
import { UsageError } from "../usage.ts";
import { databaseFiles, smallFiles, spoolFolders, summaryFile, type Summary } from "./backup.ts";
import { copyFolder, copyOne } from "./copy-folder.ts";
import { restorePostgres } from "./postgres-dump.ts";

/**
 * `sautikit restore DIR`: what a backup holds, into an installation that has nothing yet: DATA_DIR, SPOOL_DIR and the database of
 * the settings. Overwrites nothing.
 */
export async function restore(args: readonly string[]): Promise<void> {
  const { positionals } = parseArgs({ args: [...args], allowPositionals: true, options: {} });
  const [folder] = words(positionals, "DIR");
  if (folder === undefined) throw new UsageError("restore DIR: it needs the folder of a backup.");
  const from = resolve(folder);
  const config = readConfig(process.env);
  const summary = await summaryOf(from);
  if (summary.database !== config.database.kind)
    throw new Error(`The backup is of ${summary.database}, and DATABASE_URL is ${config.database.kind}.`);
  await makeDataDir(config.dataDir);
  const lock = lockRoles(config.dataDir, new Set(["controller", "spool"]));
  try {
    await requireNothing(config);
    for (const name of smallFiles) await copyOne(join(from, name), join(config.dataDir, name));
    for (const name of spoolFolders) await copyFolder(join(from, "spool", name), join(config.spoolDir, name));
    if (summary.objects !== null) await copyFolder(join(from, "objects"), join(config.dataDir, "objects"));
    // Last: where this was cut off there is no database that would seem whole.
    const { database } = config;
    if (database.kind === "sqlite") await copyOne(join(from, databaseFiles.sqlite), database.file);
    else await restorePostgres(database.url, join(from, databaseFiles.postgres));
  } finally {
    lock.release();
  }
  print({ restored: from, ...summary });
}

async function summaryOf(from: string): Promise<Summary> {
  const text = await readFile(join(from, summaryFile), "utf8").catch((error: unknown) => {
    throw new Error(`${from} is no backup, or one that was cut off: it has no ${summaryFile}.`, {
      cause: error,
    });
  });
  return JSON.parse(text) as Summary;
}

/** Throws where there is something that would be lost. */
async function requireNothing({ dataDir, spoolDir, database }: Config): Promise<void> {
  const paths = [
    ...(database.kind === "sqlite" ? [database.file, `${database.file}-wal`] : []),
    ...smallFiles.map((name) => join(dataDir, name)),
    join(dataDir, "objects"),
    ...spoolFolders.map((name) => join(spoolDir, name)),
  ];
  for (const path of paths) {
    const there = await stat(path).then(
      () => true,
      () => false,
    );
    if (there)
      throw new Error(`${path} is there already: restore into a DATA_DIR and SPOOL_DIR that are empty.`);
  }
  if (database.kind === "postgres" && (await hasTables(database.url, { clock: systemClock })))
    throw new Error("The database of DATABASE_URL has tables already: restore into an empty one.");
}
