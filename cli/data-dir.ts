import { chmod, mkdir, open, stat } from "node:fs/promises";

/**
 * Makes DATA_DIR for its owner alone. One that was there keeps its mode, since it may be shared on purpose; the answer
 * is then what others may do with it, in octal, and null where that is nothing.
 */
export async function makeDataDir(dataDir: string): Promise<string | null> {
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const mode = (await stat(dataDir)).mode & 0o777;
  return (mode & 0o077) === 0 ? null : mode.toString(8);
}

/** A SQLite file, with what SQLite keeps beside it, is its owner's alone; SQLite by itself makes it everybody's to read. */
export async function closeToOthers(file: string): Promise<void> {
  await (await open(file, "a", 0o600)).close();
  for (const name of [file, `${file}-wal`, `${file}-shm`]) {
    await chmod(name, 0o600).catch((error: unknown) => {
      // Not there, or somebody else's who shares it with us.
      const { code } = error as NodeJS.ErrnoException;
      if (code !== "ENOENT" && code !== "EPERM") throw error;
    });
  }
}
