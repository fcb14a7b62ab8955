import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import pg from "pg";
import { systemClock } from "../../engine/clock.ts";
import { openPostgres } from "../../engine/store/postgres.ts";
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

  it("that were all applied keep no start waiting for whoever writes just then", async () => {
    await (await database.open()).close();
    const free = await database.lock();
    const fromMs = systemClock.monotonicMs();
    await (await database.open()).close();
    const tookMs = systemClock.monotonicMs() - fromMs;
    await free();
    assert.ok(tookMs < 2_500, `${tookMs} ms`);
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

  it("of a newer version beside it are no hindrance to one that is started again", async () => {
    await (await database.open()).close();
    await database.byHand("INSERT INTO migrations VALUES ('998-later.sql', 'a', '2026-11-01', NULL)");

    const store = await database.open();
    assert.deepEqual(await store.read((tx) => tx.all("SELECT id FROM calls")), []);
    await store.close();
  });

  it("that take away what it uses keep a version that is too old from starting, and say so", async () => {
    await (await database.open()).close();
    await database.byHand("INSERT INTO migrations VALUES ('998-later.sql', 'a', '2026-11-01', '997')");

    await assert.rejects(
      database.open(),
      /had migration 998-later\.sql, for which this version is too old: it needs one with migration 997/,
    );
  });

  if (databaseKind === "postgres")
    describe("with others at their tables", function () {
      this.timeout(60_000);
      /** Of 033, which was not applied yet. */
      const notYet = `ALTER TABLE migrations DROP COLUMN oldest; DELETE FROM migrations WHERE name LIKE '033-%'`;
      let reader: pg.Client;
      beforeEach(async () => {
        await (await database.open()).close();
        await database.byHand(notYet);
        reader = new pg.Client({ connectionString: database.url });
        await reader.connect();
        await reader.query("BEGIN");
        await reader.query("SELECT name FROM migrations");
      });
      afterEach(() => reader.end());

      it("that wait for somebody's long transaction let everybody else by meanwhile", async () => {
        const opening = database.open();
        const tookMs: number[] = [];
        for (const untilMs = performance.now() + 4_000; performance.now() < untilMs;) {
          const fromMs = performance.now();
          await database.byHand("SELECT name FROM migrations");
          tookMs.push(performance.now() - fromMs);
        }
        assert.ok(Math.max(...tookMs) < 1_500, `somebody waited for ${Math.max(...tookMs)} ms`);
        // It did wait, and is not through.
        assert.ok(!(await applied()).some((name) => String(name).startsWith("033-")));
        await reader.query("COMMIT");
        await (await opening).close();
        assert.deepEqual(await applied(), files);
      });

      it("that wait in vain say whom to look for", async () => {
        const clock = { ...systemClock, sleep: () => Promise.resolve() };
        await assert.rejects(
          openPostgres(database.url, { clock }),
          /033-.* failed.* Another transaction keeps its table: pg_stat_activity/,
        );
      });
    });
});
