import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { rowsTable } from "../faults/restart/rows.ts";

const page = new URL("../../docs/restart.md", import.meta.url).pathname;
const marked = /(<!-- rows -->\n)[^]*(\n<!-- \/rows -->)/;

describe("docs/restart.md", () => {
  it("has the rows of test/faults/restart.test.ts, each of them (WRITE_DOCS=yes writes them)", () => {
    const before = readFileSync(page, "utf8");
    assert.match(before, marked);
    const now = before.replace(marked, (_, from: string, to: string) => `${from}\n${rowsTable()}\n${to}`);
    if (process.env["WRITE_DOCS"] === "yes") writeFileSync(page, now);
    assert.equal(readFileSync(page, "utf8"), now);
  });
});
