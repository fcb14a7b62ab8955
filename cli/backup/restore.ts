import { readdir, readFile, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { systemClock } from "../../engine/clock.ts";
import { hasTables } from "../../engine/store/postgres.ts";
import type { Config } from "../config.ts";
import { readConfig } from "../config.ts";
import { makeDataDir } from "../data-dir.ts";
import { print, words } from "../operator/desk.ts";
import { lockRoles } from "../role-locks.ts";
import { UsageError } from "../usage.ts";
import {
  backupOptions,
  databaseFiles,
  smallFiles,
  spoolFolders,
  summaryFile,
  type Summary,
} from "./backup.ts";
import { copyFolder, copyOne, sizeOf, type Copied } from "./copy-folder.ts";
import { restorePostgres } from "./postgres-dump.ts";

/**
 * `sautikit restore DIR`: what a backup holds, into an installation that has nothing yet: DATA_DIR, SPOOL_DIR and the database of
 * the settings. `--spool-only`: a box's spool alone, of a backup of whichever kind. Overwrites nothing.
 */
export async function restore(args: readonly string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: backupOptions,
  });
  const [folder] = words(positionals, "DIR");
  if (folder === undefined) throw new UsageError("restore DIR: it needs the folder of a backup.");
  const from = resolve(folder);
  const config = readConfig(process.env);
  const summary = await summaryOf(from);
  if (values["spool-only"]) return restoreSpool(from, config, summary);
  if (summary.database === null)
    throw new Error(
      `${from} holds a box's spool and no database: restore --spool-only puts it back on that box, and the database comes from a backup that was made without --spool-only.`,
    );
  if (summary.database !== config.database.kind)
    throw new Error(`The backup is of ${summary.database}, and DATABASE_URL is ${config.database.kind}.`);
  await requireWhole(from, summary);
  await makeDataDir(config.dataDir);
  const lock = lockRoles(config.dataDir, new Set(["controller", "spool"]));
  try {
    await requireNothing([
      ...(config.database.kind === "sqlite" ? [config.database.file, `${config.database.file}-wal`] : []),
      ...smallFiles.map((name) => join(config.dataDir, name)),
      join(config.dataDir, "objects"),
      ...spoolPaths(config),
    ]);
    await requireNoTables(config);
    for (const name of smallFiles) await copyOne(join(from, name), join(config.dataDir, name));
    await copySpool(from, config);
    if (summary.objects !== null) await copyFolder(join(from, "objects"), join(config.dataDir, "objects"));
    // Last: where this was cut off there is no database that would seem whole.
    const { database } = config;
    if (database.kind === "sqlite") {
      await makeDataDir(dirname(database.file));
      await copyOne(join(from, databaseFiles.sqlite), database.file);
    } else await restorePostgres(database.url, join(from, databaseFiles.postgres));
  } finally {
    lock.release();
  }
  print({ restored: from, ...summary });
}

async function restoreSpool(
  from: string,
  config: Config,
  { version, made_at, spool }: Summary,
): Promise<void> {
  await requireHeld(join(from, "spool"), spool);
  await makeDataDir(config.dataDir);
  const lock = lockRoles(config.dataDir, new Set(["spool"]));
  try {
    await requireNothing(spoolPaths(config));
    await copySpool(from, config);
  } finally {
    lock.release();
  }
  print({ restored: from, version, database: null, made_at, spool });
}

const spoolPaths = ({ spoolDir }: Config) => spoolFolders.map((name) => join(spoolDir, name));

async function copySpool(from: string, { spoolDir }: Config): Promise<void> {
  for (const name of spoolFolders) await copyFolder(join(from, "spool", name), join(spoolDir, name));
}

async function summaryOf(from: string): Promise<Summary> {
  const text = await readFile(join(from, summaryFile), "utf8").catch((error: unknown) => {
    throw new Error(`${from} is no backup, or one that was cut off: it has no ${summaryFile}.`, {
      cause: error,
    });
  });
  return JSON.parse(text) as Summary;
}

/** Throws where something did not come along when the backup was brought here. */
async function requireWhole(
  from: string,
  { database, database_bytes, spool, objects }: Summary,
): Promise<void> {
  if (database !== null) {
    const file = join(from, databaseFiles[database]);
    const bytes = await stat(file).then(
      ({ size }) => size,
      () => null,
    );
    if (bytes === null) throw new Error(`${file} is not there: the backup is not whole. Fetch it again.`);
    if (bytes !== (database_bytes ?? bytes))
      throw new Error(`${file} has ${bytes} bytes, and had ${database_bytes}: fetch it again.`);
  }
  await requireHeld(join(from, "spool"), spool);
  if (objects !== null) await requireHeld(join(from, "objects"), objects);
}

async function requireHeld(folder: string, { files, bytes }: Copied): Promise<void> {
  const held = await sizeOf(folder);
  if (held.files < files || held.bytes < bytes)
    throw new Error(
      `${folder} has ${held.files} files with ${held.bytes} bytes, and had ${files} with ${bytes}: fetch it again.`,
    );
}

/** Throws where there is something that would be lost; an empty folder is nothing. */
async function requireNothing(paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    const there = await readdir(path).then(
      (entries) => entries.length > 0,
      (error: unknown) => (error as NodeJS.ErrnoException).code !== "ENOENT",
    );
    if (there)
      throw new Error(`${path} is there already: restore into a DATA_DIR and SPOOL_DIR that are empty.`);
  }
}

async function requireNoTables({ database }: Config): Promise<void> {
  if (database.kind === "postgres" && (await hasTables(database.url, { clock: systemClock })))
    throw new Error("The database of DATABASE_URL has tables already: restore into an empty one.");
}
