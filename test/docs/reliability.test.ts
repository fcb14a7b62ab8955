import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { figures, readParts } from "../faults/random/report.ts";

const root = join(import.meta.dirname, "../..");
const page = readFileSync(join(root, "docs/reliability.md"), "utf8");

describe("docs/reliability.md", () => {
  const section = page.split("## Each fault, and its test")[1] ?? "";
  const rows = section.split("\n").filter((line) => line.startsWith("| ") && !/^\| (fault|-)/.test(line));

  it("has a row for each fault, and names tests that there are", () => {
    assert.ok(rows.length >= 18, `${rows.length} rows`);
    for (const row of rows) {
      const tests = [...row.matchAll(/`([\w./-]+\.test\.ts)`: “(.+?)”/g)];
      assert.ok(tests.length > 0, row);
      for (const [, file = "", title = ""] of tests) {
        const path = join(root, "test", file);
        assert.ok(existsSync(path), `${file} is not there`);
        const text = readFileSync(path, "utf8");
        assert.ok(text.includes(title), `${file} has no “${title}”`);
      }
    }
  });

  it("has the figures of docs/reliability.json", () => {
    const words = (text: string) => text.replaceAll(/[\s|-]+/g, " ").trim();
    const [, written = ""] = /<!-- runs: [^]*?-->([^]*?)<!-- end of runs -->/.exec(page) ?? [];
    assert.equal(words(written), words(figures(readParts())));
  });
});
