import { spawnSync } from "node:child_process";
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A file system of a test's own, which it can fill. */
export interface SmallDisk {
  folder: string;
  /** To the last block. */
  fill(): void;
  /** Gives back what `fill` took. */
  free(): void;
  /** For good. */
  remove(): void;
}

/** Why there can be none here; undefined: there can. */
export function smallDiskMissing(): string | undefined {
  try {
    mountSmallDisk(1).remove();
    return undefined;
  } catch (error) {
    return `a small disk cannot be mounted here: ${error instanceof Error ? error.message : String(error)}`;
  }
}

export function mountSmallDisk(megabytes: number): SmallDisk {
  const folder = mkdtempSync(join(tmpdir(), "small-disk-"));
  const disk = join(folder, "disk");
  mkdirSync(disk);
  const run = (command: string, args: string[]) => {
    const { status, stderr, error } = spawnSync(command, args, { encoding: "utf8" });
    if (status !== 0) throw new Error(stderr.trim() || error?.message || `${command} failed`);
  };
  try {
    run("mount", ["-t", "tmpfs", "-o", `size=${megabytes}m`, "tmpfs", disk]);
  } catch (error) {
    rmSync(folder, { recursive: true });
    throw error;
  }
  const filler = join(disk, "filler");
  return {
    folder: disk,
    fill() {
      const file = openSync(filler, "a");
      const block = Buffer.alloc(4096);
      try {
        for (;;) writeSync(file, block);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
      } finally {
        closeSync(file);
      }
    },
    free: () => rmSync(filler, { force: true }),
    remove() {
      // Whatever still has a file open there keeps it, and nobody finds it any more.
      run("umount", ["--lazy", disk]);
      rmSync(folder, { recursive: true });
    },
  };
}
