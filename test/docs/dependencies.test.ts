import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startSautikit } from "../peers/child.ts";
import { freePort } from "../peers/free-ports.ts";

const root = join(import.meta.dirname, "../..");
const read = (name: string) => readFileSync(join(root, name), "utf8");

interface Locked {
  version: string;
  resolved?: string;
  integrity?: string;
  license?: string;
  dev?: boolean;
  hasInstallScript?: boolean;
  link?: boolean;
}
const lock = JSON.parse(read("package-lock.json")) as {
  lockfileVersion: number;
  packages: Record<string, Locked>;
};
const locked = Object.entries(lock.packages).filter(([path]) => path !== "");
const manifest = JSON.parse(read("package.json")) as {
  dependencies: Record<string, string>;
  devDependencies: Record<string, string>;
  allowScripts: Record<string, boolean>;
};
/** What a server has installed. */
const production = locked.filter(([, { dev }]) => dev !== true);
const nameOf = (path: string) => path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length);

const licences = new Set([
  "MIT",
  "MIT-0",
  "ISC",
  "BSD-2-Clause",
  "BSD-3-Clause",
  "0BSD",
  "Apache-2.0",
  "Unlicense",
]);
/** As docs/dependencies.md says. */
const otherLicences: Readonly<Record<string, string | undefined>> = {
  "@echogarden/espeak-ng-emscripten": "GPL-3.0",
  sip: undefined,
  only: undefined,
};

describe("dependencies", function () {
  this.timeout(60_000);

  it("are locked by SHA-512, to no registry but npm's, and to no folder or repository", () => {
    assert.equal(lock.lockfileVersion, 3);
    assert.ok(locked.length > 300, `${locked.length} packages`);
    for (const [path, { resolved, integrity, link }] of locked) {
      assert.match(integrity ?? "", /^sha512-[A-Za-z0-9+/]{86}==$/, path);
      assert.equal(link, undefined, path);
      if (resolved !== undefined) assert.match(resolved, /^https:\/\/registry\.npmjs\.org\//, path);
    }
  });

  it("are of an exact version each, the one in the lock file", () => {
    for (const [name, version] of Object.entries({ ...manifest.dependencies, ...manifest.devDependencies })) {
      assert.match(version, /^\d+\.\d+\.\d+$/, name);
      assert.equal(lock.packages[`node_modules/${name}`]?.version, version, name);
    }
  });

  it("run nothing when they are installed, but for those that are allowed to", () => {
    const scripts = locked.filter(([, { hasInstallScript }]) => hasInstallScript === true);
    for (const [path] of scripts) assert.equal(manifest.allowScripts[nameOf(path)], true, path);
    assert.deepEqual(Object.keys(manifest.allowScripts).sort(), ["better-sqlite3", "node"]);
  });

  it("of a server have licences that the page tells", () => {
    for (const [path, { license }] of production) {
      const name = nameOf(path);
      if (name in otherLicences) assert.equal(license, otherLicences[name], path);
      else assert.ok(license !== undefined && licences.has(license), `${path}: ${license}`);
    }
  });

  it("are the rows of docs/dependencies.md, each with its licence", () => {
    const rows = [...read("docs/dependencies.md").matchAll(/^\| `([^`]+)`\s*\| (\S+)\s*\|/gm)];
    assert.deepEqual(rows.map(([, name]) => name).sort(), Object.keys(manifest.dependencies).sort());
    for (const [, name = "", licence] of rows)
      assert.equal(lock.packages[`node_modules/${name}`]?.license ?? "MIT", licence, name);
  });

  it("of the simulator, and of tests, are not loaded by a server beside a real media server", async () => {
    const folder = await mkdtemp(join(tmpdir(), "sautikit-loaded-"));
    const [hook, list] = [join(folder, "hook.mjs"), join(folder, "loaded.txt")];
    await writeFile(
      hook,
      `import { appendFileSync } from "node:fs";
       import { registerHooks } from "node:module";
       registerHooks({ load: (url, context, next) => (appendFileSync(${JSON.stringify(list)}, url + "\\n"), next(url, context)) });`,
    );
    const nobody = await freePort();
    const { child } = await startSautikit(["start"], {
      folder,
      env: {
        ...{ DATA_DIR: join(folder, "data"), PORT: "0", LOG_LEVEL: "silent" },
        ...{ FREESWITCH_URLS: `freeswitch://:nobody-there@127.0.0.1:${nobody}` },
        NODE_OPTIONS: `--import=${hook}`,
      },
    });
    await child.stop();
    const loaded = (await readFile(list, "utf8")).split("\n");
    const packages = new Set(
      loaded.flatMap((url) => /.*node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(url)?.[1] ?? []),
    );
    assert.ok(packages.has("express") && packages.has("better-sqlite3"), [...packages].join(", "));
    assert.deepEqual(
      loaded.filter((url) => /\/engine\/simulator\//.test(url)),
      [],
    );
    assert.deepEqual(
      [...packages].filter(
        (name) =>
          name === "sip" ||
          (name in manifest.devDependencies && lock.packages[`node_modules/${name}`]?.dev === true),
      ),
      [],
    );
    await rm(folder, { recursive: true, force: true });
  });
});
