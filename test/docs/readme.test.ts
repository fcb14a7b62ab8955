import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describeConfig } from "../../cli/config.ts";
import { anyOtherNumber, magicNumbers } from "../../engine/simulator/carrier/magic-numbers.ts";

const root = join(import.meta.dirname, "../..");
const page = (name: string) => readFileSync(join(root, name), "utf8");

describe("the README", () => {
  it("lists the numbers that the simulated carrier answers, as they behave", () => {
    const [, table = ""] = page("README.md").split("<!-- magic numbers");
    const rows = [...table.matchAll(/^\| `(\+\d+)`\s*\| (.+?)\s*\|$/gm)].map(([, number, text]) => [
      number,
      text,
    ]);

    assert.deepEqual(
      rows,
      Object.entries(magicNumbers).map(([number, { description }]) => [number, description]),
    );
    assert.ok(page("README.md").includes(`Any other number ${anyOtherNumber.description}.`));
  });

  it("names only settings that there are", () => {
    const known = new Set([...describeConfig({}).matchAll(/^([A-Z0-9_]+)=/gm)].map(([, name]) => name));
    const named = [...page("README.md").matchAll(/\b([A-Z][A-Z0-9]*_[A-Z0-9_]+)\b/g)].map(([, name]) => name);

    assert.deepEqual(
      named.filter((name) => !known.has(name ?? "") && name !== "SAUTIKIT_API_KEY"),
      [],
    );
  });
});

describe("the changelog", () => {
  it("is kept as Keep a Changelog has it: Unreleased on top, known headings below", () => {
    const headings = [...page("CHANGELOG.md").matchAll(/^(##+) (.+)$/gm)];

    assert.equal(headings[0]?.[2], "[Unreleased]");
    const kinds = headings.filter(([, level]) => level === "###").map(([, , title]) => title);
    const allowed = [
      "Added",
      "Changed",
      "Deprecated",
      "Removed",
      "Fixed",
      "Security",
      "Until the voice actions come",
    ];
    assert.deepEqual(
      kinds.filter((title) => !allowed.includes(title ?? "")),
      [],
    );
  });
});
