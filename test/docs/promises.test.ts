import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { notHeld, pages, passedLine, promises } from "./promises.ts";

const root = join(import.meta.dirname, "../..");

// That each of them ran and passed is seen at the end of a whole run (test/run.ts).
for (const page of pages)
  describe(page, () => {
    const all = promises(page);

    it("has a row for each promise, with the tests that hold it", () => {
      assert.ok(all.length > 40, `${all.length} rows`);
      const bare = all.filter(({ tests }) => tests.length === 0).map(({ promise }) => promise);
      // Each of these says in its row what it waits for.
      assert.ok(bare.length <= (page === "docs/promises.md" ? 3 : 0), bare.join("; "));
    });

    it("names tests that there are", () => {
      for (const { file, title } of all.flatMap(({ tests, elsewhere }) => [...tests, ...elsewhere])) {
        const path = join(root, "test", file);
        assert.ok(existsSync(path), `${file} is not there`);
        // A title may be put together from a table: then it is found by the run alone.
        const text = readFileSync(path, "utf8");
        assert.ok(
          text.includes(title) || (page === "docs/promises.md" && text.includes("${")),
          `${file} has no “${title}”`,
        );
      }
    });

    it("would be told not to be held where one of them did not pass", () => {
      const named = pages.flatMap((one) => promises(one).flatMap(({ tests }) => tests));
      const passed = named.map(({ file, title }) => passedLine(`test/${file}`, title));
      assert.deepEqual(notHeld(new Set(passed)), []);
      const { file, title } = all[0]!.tests[0]!;
      const missing = notHeld(new Set(passed.filter((line) => line !== passedLine(`test/${file}`, title))));
      assert.ok(missing.length > 0 && missing.every((line) => line.includes(title)));
      assert.ok(missing.some((line) => line.includes(page)));
    });
  });
