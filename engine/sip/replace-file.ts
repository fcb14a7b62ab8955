import { mkdir, open, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";

/**
 * Nobody but the media server's user reads it, and nobody ever a part of it. `writer`: boxes that share a spool have files in common,
 * and each of them writes; the last one's stays.
 */
export async function replaceFile(path: string, text: string, writer: string): Promise<void> {
  const folder = dirname(path);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  // One process writes for a box (its role is locked), so that one that was killed here leaves what the next one overwrites.
  const next = join(folder, `.${basename(path)}.${writer.replaceAll(/[^A-Za-z0-9.]/g, "-")}.next`);
  // As versions before left it.
  await rm(join(folder, `.${basename(path)}.next`), { force: true });
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
