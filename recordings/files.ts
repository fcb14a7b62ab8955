import { readdir, readFile, stat, unlink } from "node:fs/promises";

/** What of the file system is no error here: a file that is gone, a folder that is not there yet. */
export async function statOrNull(path: string): Promise<{ size: number; mtimeMs: number } | null> {
  return orNull(stat(path));
}

export const exists = async (path: string): Promise<boolean> => (await statOrNull(path)) !== null;

export const readOrNull = (path: string): Promise<string | null> => orNull(readFile(path, "utf8"));

/** Names of the files in it, not of its folders; null: no such folder. */
export async function filesIn(directory: string): Promise<string[] | null> {
  const entries = await orNull(readdir(directory, { withFileTypes: true }));
  return entries && entries.filter((entry) => entry.isFile()).map((entry) => entry.name);
}

export async function remove(path: string): Promise<void> {
  await orNull(unlink(path));
}

async function orNull<T>(work: Promise<T>): Promise<T | null> {
  try {
    return await work;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}
