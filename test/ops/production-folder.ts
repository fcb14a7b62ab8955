import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";

interface Locked {
  packages: Record<string, { dev?: boolean; devOptional?: boolean }>;
}

/** What the Dockerfile's last stage copies from here, as it says: from where, and to where under /app. */
export function copiedPaths(dockerfile: string): { from: string; to: string }[] {
  const last = dockerfile.slice(dockerfile.lastIndexOf("\nFROM "));
  return [...last.matchAll(/^COPY (?!--from)(.+) (\S+)$/gm)].flatMap(([, from = "", to = ""]) =>
    from.split(" ").map((one) => ({ from: one, to })),
  );
}

/**
 * The image's /app, without Docker: what the Dockerfile copies, and the packages that the lock file has for production, as
 * `npm ci --omit=dev --ignore-scripts` lays them out; of `node` that is no binary.
 */
export function assembleApp(root: string, into: string): void {
  for (const { from, to } of copiedPaths(readFileSync(join(root, "Dockerfile"), "utf8")))
    cpSync(join(root, from), to.endsWith("/") ? join(into, to, from) : join(into, to), { recursive: true });
  const { packages } = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")) as Locked;
  for (const [path, { dev, devOptional }] of Object.entries(packages)) {
    // What lies in another package comes along with that.
    const isTop = path.startsWith("node_modules/") && !path.slice(1).includes("/node_modules/");
    if (!isTop || dev === true || devOptional === true || /^node_modules\/node($|-bin)/.test(path)) continue;
    const target = join(into, path);
    mkdirSync(dirname(target), { recursive: true });
    // Links where the disk is the same: tens of thousands of files.
    const source = join(root, path);
    if (spawnSync("cp", ["-alL", source, target]).status !== 0) cpSync(source, target, { recursive: true });
  }
}
