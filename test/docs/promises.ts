import { readFileSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname, "../..");

/** What holds a row to tests: the customer's page, and who may want what. */
export const pages = ["docs/promises.md", "docs/threat-model.md"] as const;

/** A row of such a page: what it says, in its first cell, and the tests that hold it, in its last. */
export interface Promised {
  promise: string;
  /** `file` is below test/; `title` is the test's own, without its suites'. None: not held yet, and the row says by what. */
  tests: { file: string; title: string }[];
  /** Those that need what not every machine has: they are there, and a run need not have passed them. */
  elsewhere: { file: string; title: string }[];
}

/** Every row, in order. */
export function promises(page: (typeof pages)[number]): Promised[] {
  const text = readFileSync(join(root, page), "utf8");
  const rows = text
    .split("\n")
    .filter((line) => line.startsWith("| ") && !/^\| (promise|threat|-)/.test(line));
  return rows.map((row) => {
    const cells = row.split(/(?<!\\)\|/).map((cell) => cell.trim());
    const [promise = "", held = ""] = [cells[1], cells.at(-2)];
    const named = (between: RegExp) =>
      [...held.matchAll(new RegExp(`\`([\\w./-]+\\.test\\.ts)\`${between.source}: “(.+?)”`, "g"))].map(
        ([, file = "", title = ""]) => ({ file, title }),
      );
    return { promise, tests: named(/(?:)/), elsewhere: named(/, where it can run/) };
  });
}

/** One line of what a run tells of each test that passed. */
export const passedLine = (file: string, title: string) => `${file}\t${title}`;

/** The tests that are named, and were not among those that passed. */
export function notHeld(passed: ReadonlySet<string>): string[] {
  return pages.flatMap((page) =>
    promises(page).flatMap(({ promise, tests }) =>
      tests
        .filter(({ file, title }) => !passed.has(passedLine(`test/${file}`, title)))
        .map(({ file, title }) => `“${promise}” of ${page}: ${file} “${title}” did not pass in this run`),
    ),
  );
}
