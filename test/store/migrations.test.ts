import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { databaseKind, testDatabase, type TestDatabase } from "./test-database.ts";
import { inParallel } from "./processes.ts";

const files = readdirSync(new URL("../../engine/store/migrations/", import.meta.url)).sort();

describe(`migrations, on ${databaseKind}`, () => {
  let database: TestDatabase;
  beforeEach(async () => {
    database = await testDatabase({ migrated: false });
  });
  afterEach(() => database.remove());

  const applied = async () =>
    (await database.byHand("SELECT name FROM migrations ORDER BY name")).map((row) => row["name"]);

  it("are applied once each, with a record by name", async () => {
    await (await database.open()).close();
    await (await database.open()).close();

    assert.deepEqual(await applied(), files);
  });

  it("are applied once between processes that start at once", async () => {
    const outcomes = await inParallel(database, 4, "migrate");

    assert.deepEqual(outcomes, ["opened", "opened", "opened", "opened"]);
    assert.deepEqual(await applied(), files);
  });

  it("must never change once they were applied", async () => {
    await (await database.open()).close();
    await database.byHand(`UPDATE migrations SET sha256 = 'another' WHERE name = '${files[1]!}'`);

    await assert.rejects(database.open(), new RegExp(`${files[1]!} was changed after`));
  });

  it("leave nothing of one that fails, and what came before it stays", async () => {
    // What the third one makes is there already.
    await database.byHand("CREATE TABLE ledger_transactions (id TEXT)");

    await assert.rejects(database.open(), new RegExp(`${files[2]!} failed`));

    assert.deepEqual(await applied(), files.slice(0, 2));
    await assert.rejects(Promise.resolve().then(() => database.byHand("SELECT 1 FROM ledger_accounts")));
    await database.byHand("DROP TABLE ledger_transactions");
    await (await database.open()).close();
    assert.deepEqual(await applied(), files);
  });
});
