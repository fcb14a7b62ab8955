import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { notHeld } from "./docs/promises.ts";
import { jobsOf, runJobs, type Job } from "./mocha-jobs.ts";
import { postgresPrograms, startPostgres } from "./peers/postgres-server.ts";
import { slowest } from "./reporter.ts";

/**
 * The one test command: what a machine can check of the code, then every suite. Ends with what failed, once more, and
 * a line `N passed, N failed, N skipped`. Arguments: nothing (all), `check` (no suites), or folders of test/.
 * SAUTIKIT_DATABASE=sqlite or postgres: on that one alone. SAUTIKIT_POSTGRES_URL=postgres://…/: on that server, as a user
 * who may make databases; else one is started. SAUTIKIT_TEST_JOBS: so many processes of tests at once.
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
  "boxes/many",
  "boxes/devices-at-two",
  "boxes/drained",
  "boxes/forgotten",
  "boxes/leases",
  "upgrade/rolling",
  "cli/metrics",
  "cli/backup",
];

const wanted = process.argv.slice(2);
/** Every test that passed, for what is promised (docs/promises.md, docs/threat-model.md) to be looked up in. */
const passedFolder = mkdtempSync(join(tmpdir(), "sautikit-run-"));
const passedFile = join(passedFolder, "passed");
writeFileSync(passedFile, "");

let passed = 0;
let skipped = 0;
/** Each failure, as it is told again at the end. */
const failures: string[] = [];

if (wanted.length === 0 || wanted.includes("check")) {
  for (const [name, command, args] of checks) {
    const ok = await succeeds(command, args);
    process.stdout.write(`${ok ? "ok    " : "FAILED"} ${name}\n`);
    if (ok) passed++;
    else failures.push(name);
  }
}
if (!wanted.includes("check")) {
  const { SAUTIKIT_DATABASE: only } = process.env;
  const jobs: Job[] = [];
  if (only !== "postgres") jobs.push(...suites("sqlite", wanted.length === 0 ? [""] : wanted));
  const again = storeSuites.filter(
    (suite) => wanted.length === 0 || wanted.includes(suite.split("/")[0] ?? ""),
  );
  if (only === "postgres") jobs.push(...suites("postgres", wanted.length === 0 ? storeSuites : wanted));
  else if (only === undefined && again.length > 0 && hasPostgres()) jobs.push(...suites("postgres", again));
  await run(jobs);
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

async function succeeds(command: string, args: string[]): Promise<boolean> {
  const child = spawn(command, args, { stdio: ["ignore", "inherit", "inherit"] });
  const [code] = (await once(child, "close")) as [number | null];
  return code === 0;
}

/** Of folders of test/, or files without their ending. */
function suites(database: Job["database"], names: readonly string[]): Job[] {
  const patterns = names.map((name) =>
    name.includes("/") ? `test/${name}.test.ts` : `test/${name === "" ? "" : `${name}/`}**/*.test.ts`,
  );
  return jobsOf(database, patterns, database === "postgres" ? [leftOutOnPostgres] : []);
}

async function run(jobs: readonly Job[]): Promise<void> {
  const isNeeded = jobs.some(({ database }) => database === "postgres");
  const server = isNeeded && !process.env["SAUTIKIT_POSTGRES_URL"] ? await startPostgres() : undefined;
  const results = await runJobs(jobs, {
    ...process.env,
    ...(server ? { SAUTIKIT_POSTGRES_URL: server.url } : {}),
    SAUTIKIT_RUN_PASSED: passedFile,
    // Each test starts processes; what Node makes of our TypeScript is kept from one to the next.
    NODE_COMPILE_CACHE: join(passedFolder, "compiled"),
  });
  await server?.stop();
  for (const { job, report, leftOpen } of results) {
    const where = `on ${job.database}`;
    passed += report?.passes ?? 0;
    skipped += report?.pending ?? 0;
    failures.push(...(report?.failed ?? []).map(({ title, error }) => `${where}: ${title}\n${error}`));
    // A run that died before it could tell has failed, whatever it had passed.
    if (report === null) failures.push(`${where}: the run of ${job.files.join(", ")} died before its end`);
    if (leftOpen)
      failures.push(
        `${where}: the tests of ${job.files.join(", ")} ended, but their process did not: something was left open`,
      );
  }
  process.stdout.write(`\n${slowest(results.flatMap(({ report }) => report?.files ?? []))}`);
}

function hasPostgres(): boolean {
  if (postgresPrograms() !== null || process.env["SAUTIKIT_POSTGRES_URL"] !== undefined) return true;
  const reason = "PostgreSQL is not on this machine (Debian: apt-get install postgresql)";
  if (process.env["CI"] === "true") {
    failures.push(`the suites on a store: ${reason}`);
    return false;
  }
  skipped++;
  process.stdout.write(`skipped the suites on a store: ${reason}\n`);
  return false;
}
