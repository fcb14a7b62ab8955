import { writeSync } from "node:fs";
import { reporters, type Runner, type MochaOptions } from "mocha";

/** The spec reporter, with each skipped test's reason, and the counts on descriptor 3 for test/run.ts. */
export default class SautikitReporter extends reporters.Spec {
  constructor(runner: Runner, options: MochaOptions) {
    super(runner, options);
    runner.once("end", () => {
      const stats = runner.stats ?? { passes: 0, failures: 1, pending: 0 };
      try {
        writeSync(3, `passes=${stats.passes} failures=${stats.failures} pending=${stats.pending}\n`);
      } catch {
        // Nobody listens: mocha was started by hand.
      }
    });
  }
}
