import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { notHeld } from "./docs/promises.ts";
import { postgresPrograms } from "./peers/postgres-server.ts";
import type { RunReport } from "./reporter.ts";

/**
 * The one test command: what a machine can check of the code, then every suite. Ends with what failed, once more, and
 * a line `N passed, N failed, N skipped`. Arguments: nothing (all), `check` (no suites), or folders of test/.
 * SAUTIKIT_DATABASE=sqlite or postgres: on that one alone. SAUTIKIT_POSTGRES_URL=postgres://…/: on that server, as a user
 * who may make databases; else one is started.
 */
const checks: [name: string, command: string, args: string[]][] = [
  ["types", "tsc", ["-p", "."]],
  ["lint", "eslint", ["."]],
  ["format", "prettier", ["--check", "--log-level", "warn", "."]],
  [
    "direction of imports",
    "depcruise",
    ["--config", ".dependency-cruiser.cjs", "--output-type", "err", "api", "cli", "engine", "recordings"],
  ],
  ["dead code", "knip", ["--no-progress"]],
];

/** A minute of waits for the switch, in which the database has no part. */
const leftOutOnPostgres = "test/calls/refused-and-lost.test.ts";
/** What stands on a store, and so is run on PostgreSQL as well: folders, or files of one. */
const storeSuites = [
  "store",
  "wallet",
  "metering",
  "webhooks",
  "mail",
  "numbers",
  "people",
  "policy",
  "privacy",
  "api",
  "calls",
  "recordings/recordings",
  "recordings/deletion",
  "recordings/rows",
  "recordings/uploads",
  "recordings/end-records",
  "faults/postgres",
  "cli/mpesa-machines",
];

const wanted = process.argv.slice(2);
/** After its last test mocha has so long to end by itself. */
const exitMsMax = 30_000;

/** Every test that passed, for what is promised (docs/promises.md) to be looked up in. */
const passedFolder = mkdtempSync(join(tmpdir(), "sautikit-run-"));
const passedFile = join(passedFolder, "passed");
writeFileSync(passedFile, "");

let passed = 0;
let skipped = 0;
/** Each failure, as it is told again at the end. */
const failures: string[] = [];

if (wanted.length === 0 || wanted.includes("check")) {
  for (const [name, command, args] of checks) {
    const ok = await run(command, args);
    process.stdout.write(`${ok ? "ok    " : "FAILED"} ${name}\n`);
    if (ok) passed++;
    else failures.push(name);
  }
}
if (!wanted.includes("check")) {
  const { SAUTIKIT_DATABASE: only } = process.env;
  if (only !== "postgres") await suites("sqlite", wanted.length === 0 ? [""] : wanted);
  const again = storeSuites.filter(
    (suite) => wanted.length === 0 || wanted.includes(suite.split("/")[0] ?? ""),
  );
  if (only === undefined && again.length > 0) await onPostgres(again);
  else if (only === "postgres") await suites("postgres", wanted.length === 0 ? storeSuites : wanted);
}

if (wanted.length === 0 && process.env["SAUTIKIT_DATABASE"] === undefined) {
  const missed = notHeld(new Set(readFileSync(passedFile, "utf8").split("\n")));
  // On a machine that lacks a peer, what needs it is skipped; in CI nothing is.
  if (process.env["CI"] === "true") failures.push(...missed);
  else for (const miss of missed) process.stdout.write(`note: ${miss}\n`);
}
rmSync(passedFolder, { recursive: true, force: true });

for (const failure of failures) process.stdout.write(`FAILED ${failure}\n\n`);
process.stdout.write(`${passed} passed, ${failures.length} failed, ${skipped} skipped\n`);
process.exitCode = failures.length > 0 ? 1 : 0;

async function run(command: string, args: string[]): Promise<boolean> {
  const child = spawn(command, args, { stdio: ["ignore", "inherit", "inherit"] });
  const [code] = (await once(child, "close")) as [number | null];
  return code === 0;
}

/** One run of mocha: folders of test/, or files without their ending. */
async function suites(database: "sqlite" | "postgres", names: readonly string[]): Promise<void> {
  const files = names.map((name) =>
    name.includes("/") ? `test/${name}.test.ts` : `test/${name === "" ? "" : `${name}/`}**/*.test.ts`,
  );
  process.stdout.write(`\nOn ${database}:\n`);
  const ignored = database === "postgres" ? ["--ignore", leftOutOnPostgres] : [];
  const child = spawn("mocha", ["--config", "test/mocharc.json", ...ignored, ...files], {
    stdio: ["ignore", "inherit", "inherit", "pipe"],
    env: {
      ...process.env,
      SAUTIKIT_DATABASE: database,
      SAUTIKIT_RUN_REPORT: "3",
      SAUTIKIT_RUN_PASSED: passedFile,
    },
  });
  let told = "";
  child.stdio[3]?.on("data", (chunk: Buffer) => (told += chunk.toString()));
  child.stdio[3]?.once("data", () => {
    // Whatever still holds the process then was left open by a test, which is a failure of its own.
    setTimeout(() => {
      if (child.exitCode === null) child.kill("SIGKILL");
    }, exitMsMax).unref();
  });
  const [code] = (await once(child, "close")) as [number | null];
  if (told === "") {
    // A run that died before it could tell has failed, whatever it had passed.
    failures.push(`on ${database}: the run died before its end`);
    return;
  }
  const report = JSON.parse(told) as RunReport;
  passed += report.passes;
  skipped += report.pending;
  failures.push(...report.failed.map(({ title, error }) => `on ${database}: ${title}\n${error}`));
  if (code !== 0 && report.failures === 0)
    failures.push(`on ${database}: the tests ended, but their process did not: something was left open`);
}

async function onPostgres(names: readonly string[]): Promise<void> {
  if (postgresPrograms() !== null || process.env["SAUTIKIT_POSTGRES_URL"] !== undefined)
    return suites("postgres", names);
  const reason = "PostgreSQL is not on this machine (Debian: apt-get install postgresql)";
  if (process.env["CI"] === "true") {
    failures.push(`the suites on a store: ${reason}`);
    return;
  }
  skipped++;
  process.stdout.write(`skipped the suites on a store: ${reason}\n`);
}
