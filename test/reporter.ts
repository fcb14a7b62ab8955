import { writeSync } from "node:fs";
import { reporters, type Runner, type MochaOptions } from "mocha";

/** What test/run.ts is told on descriptor 3; started by hand, that one is whatever Node has opened for itself. */
export interface RunReport {
  passes: number;
  failures: number;
  pending: number;
  failed: { title: string; error: string }[];
}

/** The spec reporter, and a {@link RunReport} for test/run.ts. */
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
    runner.once("end", () => {
      const { passes, failures, pending } = runner.stats ?? { passes: 0, failures: 1, pending: 0 };
      if (process.env["SAUTIKIT_RUN_REPORT"] !== "3") return;
      writeSync(3, JSON.stringify({ passes, failures, pending, failed } satisfies RunReport));
    });
  }
}
