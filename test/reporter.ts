import { writeFileSync, writeSync } from "node:fs";
import { relative } from "node:path";
import { reporters, type Runner, type MochaOptions } from "mocha";
import { passedLine } from "./docs/promises.ts";

/** What test/run.ts is told on descriptor 3; started by hand, that one is whatever Node has opened for itself. */
export interface RunReport {
  passes: number;
  failures: number;
  pending: number;
  failed: { title: string; error: string }[];
  /** How long each file took. */
  files: FileTime[];
}

export interface FileTime {
  file: string;
  tests: number;
  ms: number;
}

/** So many of the slowest files are listed behind a run of several. */
const slowestMax = 25;

/** The spec reporter, the slowest files of a run by hand, each test that passed (into SAUTIKIT_RUN_PASSED), and a {@link RunReport} for test/run.ts. */
export default class SautikitReporter extends reporters.Spec {
  constructor(runner: Runner, options: MochaOptions) {
    super(runner, options);
    const failed: RunReport["failed"] = [];
    runner.on("fail", (test, error: unknown) => {
      failed.push({
        title: test.fullTitle(),
        error: error instanceof Error ? (error.stack ?? error.message) : String(error),
      });
    });
    const passed: string[] = [];
    runner.on("pass", ({ file = "", title }) =>
      passed.push(passedLine(relative(process.cwd(), file), title)),
    );
    const files = new FileTimes(runner);
    runner.once("end", () => {
      const { SAUTIKIT_RUN_PASSED: passedFile } = process.env;
      if (passedFile) writeFileSync(passedFile, passed.map((line) => `${line}\n`).join(""), { flag: "a" });
      const times = files.all();
      const { passes, failures, pending } = runner.stats ?? { passes: 0, failures: 1, pending: 0 };
      if (process.env["SAUTIKIT_RUN_REPORT"] !== "3") process.stdout.write(slowest(times));
      else
        writeSync(3, JSON.stringify({ passes, failures, pending, failed, files: times } satisfies RunReport));
    });
  }
}

/** How long each file took, with what its hooks did. Files run one after another: each from the end of the one before. */
class FileTimes {
  readonly #files = new Map<string, { tests: number; ms: number }>();
  #file: string | undefined;
  #sinceMs = performance.now();

  constructor(runner: Runner) {
    runner.on("suite", ({ root, file }) => {
      if (!root && file !== undefined) this.#enter(file);
    });
    runner.on("test end", () => {
      if (this.#file !== undefined) this.#of(this.#file).tests++;
    });
  }

  all(): FileTime[] {
    this.#enter(undefined);
    return [...this.#files].map(([file, times]) => ({ file: relative(process.cwd(), file), ...times }));
  }

  #enter(file: string | undefined): void {
    if (file === this.#file) return;
    const nowMs = performance.now();
    if (this.#file !== undefined) this.#of(this.#file).ms += nowMs - this.#sinceMs;
    this.#file = file;
    this.#sinceMs = nowMs;
  }

  #of(file: string): { tests: number; ms: number } {
    const times = this.#files.get(file) ?? { tests: 0, ms: 0 };
    this.#files.set(file, times);
    return times;
  }
}

/** A table of the slowest of several files. */
export function slowest(files: readonly FileTime[]): string {
  if (files.length < 2) return "";
  const rows = files
    .toSorted((a, b) => b.ms - a.ms)
    .slice(0, slowestMax)
    .map(({ file, tests, ms }) => `${seconds(ms).padStart(9)} ${String(tests).padStart(6)}  ${file}`);
  const whole = seconds(files.reduce((sum, { ms }) => sum + ms, 0));
  return [
    `  The slowest of ${files.length} files, ${whole} s in all:`,
    "",
    "  seconds  tests  file",
    ...rows,
    "",
    "",
  ].join("\n");
}

const seconds = (ms: number): string => (ms / 1000).toFixed(1);
