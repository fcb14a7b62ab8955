import { join } from "node:path";
import { takeLock, type FileLock } from "../engine/store/file-lock.ts";

/** Roles of which a second one on the same folder would end the first one's calls, or take its files away. */
const soleRoles = ["controller", "spool"] as const;

/** Takes DATA_DIR/<role>.lock for each. Throws, and keeps none, where another process has one. */
export function lockRoles(dataDir: string, wanted: ReadonlySet<string>): FileLock {
  const locks: FileLock[] = [];
  const release = () => {
    for (const lock of locks) lock.release();
  };
  for (const role of soleRoles.filter((sole) => wanted.has(sole))) {
    const lock = takeLock(join(dataDir, `${role}.lock`));
    if ("release" in lock) locks.push(lock);
    else {
      release();
      const holder = lock.pid === null ? "another process" : `process ${lock.pid}`;
      throw new Error(
        `The ${role} of ${dataDir} runs already, as ${holder}. Stop that one first, or set another DATA_DIR.`,
      );
    }
  }
  return { release };
}
