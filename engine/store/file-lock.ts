import Database from "better-sqlite3";
import { closeSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";

/** Taken by another process; its id where that is known. */
export interface Taken {
  pid: number | null;
}

export interface FileLock {
  release(): void;
}

/**
 * `file` for this process alone, at once or not at all. It is SQLite's own lock of an empty database, which the kernel
 * drops with the process however that ends, so nothing is left over by a crash. `<file>.pid` only says who holds it.
 */
export function takeLock(file: string): FileLock | Taken {
  const pidFile = `${file}.pid`;
  closeSync(openSync(file, "a", 0o600));
  const database = new Database(file, { timeout: 0 });
  try {
    // Without a journal nothing is written: a full disk has its lock, too.
    database.pragma("journal_mode = MEMORY");
    database.pragma("locking_mode = EXCLUSIVE");
    database.exec("BEGIN EXCLUSIVE");
  } catch (error) {
    database.close();
    if (error instanceof Database.SqliteError && error.code.startsWith("SQLITE_BUSY"))
      return { pid: pidIn(pidFile) };
    throw error;
  }
  try {
    writeFileSync(pidFile, String(process.pid), { mode: 0o600 });
  } catch {
    // On a full disk it is held all the same.
  }
  return {
    release() {
      if (!database.open) return;
      rmSync(pidFile, { force: true });
      database.close();
    },
  };
}

function pidIn(file: string): number | null {
  try {
    return Number(readFileSync(file, "utf8")) || null;
  } catch {
    return null;
  }
}
