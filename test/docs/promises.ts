import { readFileSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname, "../..");

/** A row of docs/promises.md: what the customer's page says, and the tests that hold it. */
export interface Promised {
  promise: string;
  /** `file` is below test/; `title` is the test's own, without its suites'. None: not held yet, and the row says by what. */
  tests: { file: string; title: string }[];
}

/** Every row, in order. */
export function promises(): Promised[] {
  const page = readFileSync(join(root, "docs/promises.md"), "utf8");
  const rows = page.split("\n").filter((line) => line.startsWith("| ") && !/^\| (promise|-)/.test(line));
  return rows.map((row) => {
    const [, promise = "", held = ""] = row.split(/(?<!\\)\|/).map((cell) => cell.trim());
    const tests = [...held.matchAll(/`([\w./-]+\.test\.ts)`: “(.+?)”/g)];
    return { promise, tests: tests.map(([, file = "", title = ""]) => ({ file, title })) };
  });
}

/** One line of what a run tells of each test that passed. */
export const passedLine = (file: string, title: string) => `${file}\t${title}`;

/** The tests that are named, and were not among those that passed. */
export function notHeld(passed: ReadonlySet<string>): string[] {
  return promises().flatMap(({ promise, tests }) =>
    tests
      .filter(({ file, title }) => !passed.has(passedLine(`test/${file}`, title)))
      .map(
        ({ file, title }) => `“${promise}” of docs/promises.md: ${file} “${title}” did not pass in this run`,
      ),
  );
}
