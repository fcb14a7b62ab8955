import { mkdir, open, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";

/** By path, the last that is being written: boxes that share a spool have files in common. */
const writing = new Map<string, Promise<void>>();

/** Nobody but the media server's user reads it, and nobody ever a part of it. Of several at once the last one stays. */
export async function replaceFile(path: string, text: string): Promise<void> {
  const before = writing.get(path) ?? Promise.resolve();
  const own = before.catch(() => undefined).then(() => replace(path, text));
  writing.set(path, own);
  try {
    await own;
  } finally {
    if (writing.get(path) === own) writing.delete(path);
  }
}

async function replace(path: string, text: string): Promise<void> {
  const folder = dirname(path);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  // One process writes for a box (its role is locked), so that one that was killed here leaves what the next one overwrites.
  const next = join(folder, `.${basename(path)}.next`);
  try {
    const handle = await open(next, "w", 0o600);
    try {
      await handle.writeFile(text);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(next, path);
  } catch (error) {
    await rm(next, { force: true });
    throw error;
  }
}
