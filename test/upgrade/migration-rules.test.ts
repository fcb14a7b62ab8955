import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { breachesOf, firstWithRules } from "./migration-rules.ts";

const directory = new URL("../../engine/store/migrations/", import.meta.url);
const files = readdirSync(directory)
  .filter((name) => name.endsWith(".sql"))
  .sort();
const withRules = files.filter((name) => name >= firstWithRules);

const refused: Record<string, string> = {
  "a table that goes": "DROP TABLE legs;",
  "a column that goes": "ALTER TABLE legs DROP COLUMN box;",
  "a column of another name": "ALTER TABLE legs RENAME COLUMN box TO switch;",
  "a table that is made anew":
    "CREATE TABLE legs_anew (id TEXT);\nINSERT INTO legs_anew SELECT id FROM legs;\nDROP TABLE legs;",
  "something that goes, of which nobody says who uses it no more":
    "-- contract: nothing reads it since 031.\nALTER TABLE legs DROP COLUMN box;",
  "something that goes, and that this very version uses":
    "-- oldest: 040\n-- contract: nothing reads it.\nALTER TABLE legs DROP COLUMN box;",
  "a column without which no row is inserted": "ALTER TABLE legs ADD COLUMN box TEXT NOT NULL;",
  "the same, whatever somebody says":
    "-- contract: small table.\nALTER TABLE legs ADD COLUMN box TEXT NOT NULL;",
  "a rule for rows that may break it": "CREATE UNIQUE INDEX legs_by_box ON legs (box);",
  "a constraint": "ALTER TABLE legs ADD CONSTRAINT positive CHECK (position >= 0);",
  "a column that may be null no more": "ALTER TABLE legs ALTER COLUMN box SET NOT NULL;",
  "an index that takes its time": "CREATE INDEX legs_by_box ON legs (box);",
  "rows that are changed beside": "ALTER TABLE legs ADD COLUMN a BIGINT;\nUPDATE legs SET a = 1;",
  "a statement that nobody thought of": "LOCK TABLE legs;",
};

const allowed: Record<string, string> = {
  "a new table, with all that belongs to it":
    "CREATE TABLE leases (name TEXT NOT NULL);\nCREATE UNIQUE INDEX leases_by_name ON leases (name);\nINSERT INTO leases VALUES ('a');",
  "a column that may be null": "ALTER TABLE legs ADD COLUMN a TEXT;",
  "a column with a default": "ALTER TABLE legs ADD COLUMN a BIGINT NOT NULL DEFAULT 0;",
  "an index that goes": "DROP INDEX legs_by_box;",
  "an index of which somebody says why nobody waits":
    "-- contract: a row a box.\nCREATE INDEX a ON boxes (name);",
  "a rule that is kept already, by somebody's word":
    "-- contract: ids are made unique since 001.\nCREATE UNIQUE INDEX a ON boxes (name);",
  "what nothing uses any more":
    "-- oldest: 038\n-- contract: nothing reads it since 038.\nALTER TABLE legs DROP COLUMN box;",
};

describe("migrations that two versions can live with", () => {
  for (const [what, sql] of Object.entries(refused))
    it(`are not: ${what}`, () => {
      assert.equal(breachesOf("040-a.sql", sql).length > 0, true);
    });

  for (const [what, sql] of Object.entries(allowed))
    it(`are: ${what}`, () => {
      assert.deepEqual(breachesOf("040-a.sql", sql), []);
    });

  it(`are all since ${firstWithRules}`, () => {
    assert.ok(withRules.length > 0);
    const breaches = withRules.flatMap((name) =>
      breachesOf(name, readFileSync(new URL(name, directory), "utf8")),
    );
    assert.deepEqual(breaches, []);
  });

  it("have numbers of their own", () => {
    const numbers = files.map((name) => name.slice(0, 3));
    assert.deepEqual([...new Set(numbers)], numbers);
  });
});
