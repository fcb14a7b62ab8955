import { spawn } from "node:child_process";
import { once } from "node:events";

/**
 * The one test command: what a machine can check of the code, then every suite. Ends with a line
 * `N passed, N failed, N skipped`. Arguments: nothing (all), `check` (no suites), or folders of test/.
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

const wanted = process.argv.slice(2);
/** After its last test mocha has so long to end by itself. */
const exitMsMax = 30_000;

let passed = 0;
let failed = 0;
let skipped = 0;

if (wanted.length === 0 || wanted.includes("check")) {
  for (const [name, command, args] of checks) {
    const ok = await run(command, args);
    process.stdout.write(`${ok ? "ok    " : "FAILED"} ${name}\n`);
    if (ok) passed++;
    else failed++;
  }
}
if (!wanted.includes("check")) {
  const folders = wanted.length === 0 ? [""] : wanted.map((folder) => `${folder}/`);
  const files = folders.map((folder) => `test/${folder}**/*.test.ts`);
  const child = spawn("mocha", ["--config", "test/mocharc.json", ...files], {
    stdio: ["ignore", "inherit", "inherit", "pipe"],
  });
  let counts = "";
  child.stdio[3]?.on("data", (chunk: Buffer) => (counts += chunk.toString()));
  child.stdio[3]?.once("data", () => {
    // Whatever still holds the process then was left open by a test, which is a failure of its own.
    setTimeout(() => {
      if (child.exitCode === null) child.kill("SIGKILL");
    }, exitMsMax).unref();
  });
  const [code] = (await once(child, "close")) as [number | null];
  const told = /passes=(\d+) failures=(\d+) pending=(\d+)/.exec(counts);
  passed += Number(told?.[1] ?? 0);
  skipped += Number(told?.[3] ?? 0);
  // A run that died before it could count has failed, whatever it had passed.
  failed += told ? Number(told[2]) : 1;
  if (told && code !== 0 && Number(told[2]) === 0) {
    process.stdout.write("FAILED the tests ended, but their process did not: something was left open\n");
    failed++;
  }
}

process.stdout.write(`${passed} passed, ${failed} failed, ${skipped} skipped\n`);
process.exitCode = failed > 0 ? 1 : 0;

async function run(command: string, args: string[]): Promise<boolean> {
  const child = spawn(command, args, { stdio: ["ignore", "inherit", "inherit"] });
  const [code] = (await once(child, "close")) as [number | null];
  return code === 0;
}
