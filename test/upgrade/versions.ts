import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, symlinkSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A version of the product, in a folder. */
export interface Version {
  folder: string;
  /** Names of its migrations, in their order. */
  migrations: string[];
}

/** The version before the one that is tested, by its commit; or why there is none to be had. */
export type Before = { commit: string; title: string } | { missing: string };

const root = new URL("../../", import.meta.url).pathname;
/** What makes one version unlike another. */
const product = ["api", "cli", "engine", "recordings", "package.json"];
/** From this one on, two versions may lead boxes at once (docs/upgrade.md). */
const neededFile = "engine/boxes/leases.ts";

/** The one that is tested. */
export const thisVersion: Version = versionAt(root);

/**
 * SAUTIKIT_UPGRADE_FROM names a commit. Default: the newest ancestor whose product is not that of this folder, so that each
 * commit is an upgrade of the one before.
 */
export function versionBefore(): Before {
  if (git("rev-parse", "--show-cdup") !== "")
    return { missing: "this folder is no git repository of its own" };
  const asked = process.env["SAUTIKIT_UPGRADE_FROM"];
  if (asked) {
    const commit = git("rev-parse", "--verify", "--quiet", `${asked}^{commit}`);
    if (commit === null) throw new Error(`SAUTIKIT_UPGRADE_FROM names no commit here: ${asked}`);
    return named(commit);
  }
  const commits = git("log", "--first-parent", "--format=%H", "--", ...product) ?? "";
  for (const commit of commits.split("\n").filter((line) => line !== "")) {
    if (git("diff", "--quiet", commit, "--", ...product) !== null) continue;
    if (git("cat-file", "-e", `${commit}:${neededFile}`) === null)
      return { missing: `the version before, ${commit.slice(0, 7)}, has no leases` };
    return named(commit);
  }
  return { missing: "the history here has no version before this one (a shallow clone?)" };
}

const named = (commit: string): Before => ({
  commit,
  title: `${commit.slice(0, 7)} ${git("log", "-1", "--format=%s", commit) ?? ""}`,
});

/** That commit's files, with the packages of this folder. */
export function checkOut(commit: string): Version {
  const folder = mkdtempSync(join(tmpdir(), "sautikit-version-"));
  const tar = join(folder, "files.tar");
  execFileSync("git", ["archive", "--format=tar", "-o", tar, commit], { cwd: root });
  execFileSync("tar", ["-xf", tar, "-C", folder]);
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
  return versionAt(folder);
}

export const removeVersion = ({ folder }: Version): Promise<void> =>
  rm(folder, { recursive: true, force: true });

function versionAt(folder: string): Version {
  const names = readdirSync(join(folder, "engine/store/migrations"));
  return { folder, migrations: names.filter((name) => name.endsWith(".sql")).sort() };
}

/** What it says; null: it fails, or is not there. */
function git(...args: string[]): string | null {
  const { status, stdout } = spawnSync("git", args, { cwd: root, encoding: "utf8" });
  return status === 0 ? stdout.trim() : null;
}
