import { copyFile, lstat, mkdir, open, readdir } from "node:fs/promises";
import { dirname, join } from "node:path";

export interface Copied {
  files: number;
  bytes: number;
}

/**
 * Copies a folder's files into another, on the disk when it returns. What goes meanwhile (a recording that was just stored) is
 * left out, and a folder that is not there is nothing. Sockets and links are no files.
 */
export async function copyFolder(from: string, to: string): Promise<Copied> {
  const copied: Copied = { files: 0, bytes: 0 };
  const entries = await unlessGone(() => readdir(from, { withFileTypes: true }));
  if (entries === null) return copied;
  await mkdir(to, { recursive: true, mode: 0o700 });
  for (const entry of entries) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)];
    if (entry.isDirectory()) {
      const inside = await copyFolder(source, target);
      copied.files += inside.files;
      copied.bytes += inside.bytes;
    } else if (entry.isFile()) {
      const bytes = await copyOne(source, target);
      if (bytes === null) continue;
      copied.files++;
      copied.bytes += bytes;
    }
  }
  await sync(to);
  return copied;
}

/** Bytes; null: it is not there. Throws where the folder that it is to be in is not. */
export async function copyOne(source: string, target: string): Promise<number | null> {
  try {
    await copyFile(source, target);
  } catch (error) {
    if (!isMissing(error) || (await unlessGone(() => lstat(source))) !== null) throw error;
    return null;
  }
  await sync(target);
  await sync(dirname(target));
  return (await lstat(target)).size;
}

/** What a folder holds of files, as `copyFolder` would copy it. */
export async function sizeOf(folder: string): Promise<Copied> {
  const held: Copied = { files: 0, bytes: 0 };
  const entries = await unlessGone(() => readdir(folder, { withFileTypes: true, recursive: true }));
  for (const entry of entries ?? []) {
    if (!entry.isFile()) continue;
    held.files++;
    held.bytes += (await lstat(join(entry.parentPath, entry.name))).size;
  }
  return held;
}

async function unlessGone<T>(ask: () => Promise<T>): Promise<T | null> {
  return ask().catch((error: unknown) => {
    if (isMissing(error)) return null;
    throw error;
  });
}

const isMissing = (error: unknown) => (error as NodeJS.ErrnoException).code === "ENOENT";

async function sync(path: string): Promise<void> {
  const handle = await open(path, "r");
  await handle.sync().finally(() => handle.close());
}
