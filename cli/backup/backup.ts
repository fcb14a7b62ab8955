import { lstat, mkdir, readdir, rm, stat, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { dayMs, rfc3339Ms, rfc3339Seconds, systemClock } from "../../engine/clock.ts";
import { lastChecks, saveCheck } from "../../engine/store/checks.ts";
import { backupSqlite } from "../../engine/store/sqlite-backup.ts";
import { readConfig, type Config } from "../config.ts";
import { openStore } from "../open-store.ts";
import { print, words } from "../operator/desk.ts";
import { UsageError } from "../usage.ts";
import { version } from "../version.ts";
import { copyFolder, copyOne, type Copied } from "./copy-folder.ts";
import { dumpPostgres } from "./postgres-dump.ts";

/** What a backup has beside the database: small, and made once. */
export const smallFiles = [
  "secrets.key",
  "s3.key",
  "s3.port",
  "sip.port",
  "trunks.yaml",
  "demo.json",
] as const;
/** Of the spool: what the switch wrote and nobody has taken yet, and what nobody could use. */
export const spoolFolders = ["recordings", "cdr", "unclaimed"] as const;
export const databaseFiles = { sqlite: "sautikit.db", postgres: "database.dump" } as const;
export const summaryFile = "backup.json";
/** Of `restore` too. */
export const backupOptions = { "spool-only": { type: "boolean", default: false } } as const;

export interface Summary {
  version: string;
  /** Null: of a box's spool alone. */
  database: "sqlite" | "postgres" | null;
  /** Of the database's file; null: there is none, undefined: of a version that did not say. */
  database_bytes?: number | null;
  /** When the database was as it is in the backup: not before, and at most some seconds later. */
  made_at: string;
  spool: Copied;
  objects: Copied | null;
}

/**
 * `sautikit backup DIR`: a folder from which `restore` makes the same installation again, taken while it runs. The order matters:
 * the database first, then the spool, then the embedded storage. A recording goes from the spool to the storage, so that one which
 * the database does not yet know to be stored is found in the one or in the other. `--spool-only`: of several boxes each has a spool of
 * its own, and one database between them.
 */
export async function backup(args: readonly string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: { ...backupOptions, "after-database": { type: "boolean", default: false } },
  });
  const [folder] = words(positionals, "DIR");
  if (folder === undefined) throw new UsageError("backup DIR: it needs the name of a new folder.");
  const isWhole = !values["spool-only"];
  const afterDatabase = values["after-database"];
  if (isWhole && afterDatabase)
    throw new UsageError("--after-database is said of a box's spool: with --spool-only.");
  const to = resolve(folder);
  // Of pg_dump's file too, and where the folder was there for everybody to look into.
  process.umask(0o077);
  const config = readConfig(process.env);
  if (!isWhole) await requireSpool(config);
  if (afterDatabase) await requireSavedDatabase(config);
  const isNew = (await mkdir(to, { recursive: true, mode: 0o700 })) !== undefined;
  if ((await readdir(to)).length > 0) throw new Error(`${to} is not empty: a backup is a folder of its own.`);
  const madeAtMs = systemClock.nowMs();
  try {
    await copyAll(config, to, { isWhole, madeAtMs });
  } catch (error) {
    // A part of one is worth nothing, and may be what has filled the database's own disk.
    const made = isNew ? [to] : (await readdir(to)).map((name) => join(to, name));
    for (const path of made) await rm(path, { recursive: true, force: true });
    throw error;
  }
  if (isWhole) await note(config, madeAtMs);
}

async function copyAll(
  config: Config,
  to: string,
  { isWhole, madeAtMs }: { isWhole: boolean; madeAtMs: number },
): Promise<void> {
  const databaseBytes = isWhole ? await copyDatabase(config, to) : null;
  const spool: Copied = { files: 0, bytes: 0 };
  for (const name of spoolFolders) {
    const { files, bytes } = await copyFolder(join(config.spoolDir, name), join(to, "spool", name));
    spool.files += files;
    spool.bytes += bytes;
  }
  const objects =
    isWhole && config.s3.endpoint === null
      ? await copyFolder(join(config.dataDir, "objects"), join(to, "objects"))
      : null;
  if (isWhole) for (const name of smallFiles) await copyOne(join(config.dataDir, name), join(to, name));

  // Last: a folder without it is no backup.
  const summary: Summary = {
    ...{ version: await version(), database: isWhole ? config.database.kind : null },
    ...{ database_bytes: databaseBytes, made_at: rfc3339Ms(madeAtMs), spool, objects },
  };
  await writeFile(join(to, summaryFile), `${JSON.stringify(summary, null, 2)}\n`, {
    mode: 0o600,
    flush: true,
  });
  print({ backup: to, ...summary });
}

/** For `/metrics`, by which one that is overdue is told. */
async function note(config: Config, checkedAtMs: number): Promise<void> {
  try {
    const store = await openStore(config, { clock: systemClock });
    await store
      .write((tx) => saveCheck(tx, { name: "backup", checkedAtMs, findings: 0 }))
      .finally(() => store.close());
  } catch (error) {
    throw new Error("The backup is whole, but that it was made could not be written into the database.", {
      cause: error,
    });
  }
}

/** Of two machines that were away in the night each catches up when it is back: in whatever order, were it not for this. */
async function requireSavedDatabase(config: Config): Promise<void> {
  const store = await openStore(config, { clock: systemClock });
  const saved = await store
    .read(lastChecks)
    .then((all) => all.find(({ name }) => name === "backup"))
    .finally(() => store.close());
  if (saved !== undefined && systemClock.nowMs() - saved.checkedAtMs < dayMs) return;
  const before = saved === undefined ? "" : `; it last was at ${rfc3339Seconds(saved.checkedAtMs)}`;
  throw new Error(`Not before the database: it was not saved in the last 24 hours${before}.`);
}

/** Where nothing is, the settings are another machine's. */
async function requireSpool({ spoolDir }: Config): Promise<void> {
  if (!(await stat(spoolDir).catch(() => null))?.isDirectory())
    throw new Error(
      `There is no folder ${spoolDir} (SPOOL_DIR) to save: are these the settings of this box?`,
    );
}

/** How many bytes it takes there. */
async function copyDatabase({ database }: Config, to: string): Promise<number> {
  const file = join(to, databaseFiles[database.kind]);
  if (database.kind === "sqlite") await backupSqlite(database.file, file);
  else await dumpPostgres(database.url, file);
  return (await lstat(file)).size;
}
