import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { notHeld, passedLine, promises } from "./promises.ts";

const root = join(import.meta.dirname, "../..");

// That each of them ran and passed is seen at the end of a whole run (test/run.ts).
describe("docs/promises.md", () => {
  const all = promises();
  const named = all.flatMap(({ tests }) => tests);

  it("has a row for each promise, with the tests that hold it", () => {
    assert.ok(all.length > 40, `${all.length} rows`);
    const bare = all.filter(({ tests }) => tests.length === 0).map(({ promise }) => promise);
    // Each of these says in its row what it waits for.
    assert.ok(bare.length <= 3, bare.join("; "));
  });

  it("names tests that there are", () => {
    for (const { file, title } of named) {
      const path = join(root, "test", file);
      assert.ok(existsSync(path), `${file} is not there`);
      // A title may be put together from a table: then it is found by the run alone.
      const text = readFileSync(path, "utf8");
      assert.ok(text.includes(title) || text.includes("${"), `${file} has no “${title}”`);
    }
  });

  it("would be told not to be held where one of them did not pass", () => {
    const passed = named.map(({ file, title }) => passedLine(`test/${file}`, title));
    assert.deepEqual(notHeld(new Set(passed)), []);
    const missing = notHeld(new Set(passed.slice(1)));
    assert.ok(missing.length > 0 && missing.every((line) => line.includes(named[0]!.title)));
  });
});
