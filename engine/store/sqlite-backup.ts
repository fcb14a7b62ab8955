import Database from "better-sqlite3";

/** More than any database has: with the second step everything is copied. */
const allPages = 0x7fff_ffff;

/**
 * Copies a database as it is at one moment into a new file, while others read and write it: the copy reads one snapshot, which
 * in WAL mode keeps nobody waiting. (In smaller steps it would begin anew with each commit.) Checks the copy, and throws where
 * it is broken.
 */
export async function backupSqlite(file: string, copy: string): Promise<void> {
  const source = new Database(file, { readonly: true, fileMustExist: true });
  try {
    await source.backup(copy, { progress: () => allPages });
  } finally {
    source.close();
  }
  const made = new Database(copy);
  try {
    // One file, with no -wal beside it that could be forgotten.
    made.pragma("journal_mode = DELETE");
    const found = made.pragma("quick_check(1)", { simple: true });
    if (found !== "ok") throw new Error(`The copy of ${file} is broken: ${String(found)}`);
  } finally {
    made.close();
  }
}
