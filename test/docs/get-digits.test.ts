import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";

const file = (name: string) => readFileSync(join(import.meta.dirname, "../..", name), "utf8");

describe("docs/get-digits.md", () => {
  it("names a test of each row, and the file has it", () => {
    const rows = file("docs/get-digits.md")
      .split("\n")
      .filter((line) => line.startsWith("| ") && !/^\| +\||^\| ?-/.test(line));
    const tests = [...file("test/calls/get-digits.test.ts").matchAll(/together\("(.+?)",/g)].map(
      ([, name]) => name,
    );
    assert.ok(rows.length >= 9);
    for (const row of rows) {
      const name = row.split("|").at(-2)?.trim();
      assert.ok(tests.includes(name), `"${name ?? ""}" is a test`);
    }
  });
});
