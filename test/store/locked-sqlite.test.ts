import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import Database from "better-sqlite3";
import { isError } from "../../engine/errors.ts";
import type { Store } from "../../engine/store/store.ts";
import { databaseKind, testDatabase, type TestDatabase } from "./test-database.ts";

if (databaseKind === "sqlite") {
  describe("a SQLite file that another process has locked", function () {
    this.timeout(30_000);
    let database: TestDatabase;
    let store: Store;
    let other: Database.Database;
    beforeEach(async () => {
      database = await testDatabase();
      store = await database.open();
      other = new Database(database.url.replace("sqlite:", ""));
      other.exec("BEGIN EXCLUSIVE");
    });
    afterEach(async () => {
      other.close();
      await store.close();
      await database.remove();
    });

    const add = (name: string) =>
      store.write((tx) =>
        tx.run("INSERT INTO prices (name, amount, effective_at_ms) VALUES (?, 0, 0)", [name]),
      );
    const names = () =>
      store.read(async (tx) =>
        (await tx.all<{ name: string }>("SELECT name FROM prices ORDER BY rowid")).map(({ name }) => name),
      );

    it("is waited for, and holds up nothing else meanwhile", async () => {
      const started = performance.now();
      const writes = Promise.all(["a", "b"].map(add));
      let lateMsMax = 0;
      for (let turn = 0; turn < 50; turn++) {
        const asleep = performance.now();
        await sleep(20);
        lateMsMax = Math.max(lateMsMax, performance.now() - asleep - 20);
      }
      assert.deepEqual(await names(), []);
      other.exec("ROLLBACK");
      await writes;

      assert.ok(performance.now() - started >= 1000);
      assert.ok(lateMsMax < 500, `a timer was ${lateMsMax} ms late`);
      assert.deepEqual(await names(), ["a", "b"]);
    });

    it("is waited for five seconds by each, and then is unavailable", async () => {
      const waits: Promise<number>[] = [];
      for (const name of ["a", "b", "c"]) {
        const started = performance.now();
        waits.push(
          add(name).then(
            () => assert.fail("nothing can be written"),
            (error: unknown) => {
              assert.ok(isError(error, "database.unavailable"));
              assert.equal(error.retryAfterSeconds, 1);
              return performance.now() - started;
            },
          ),
        );
        await sleep(1000);
      }

      for (const waitedMs of await Promise.all(waits))
        assert.ok(waitedMs > 4_900 && waitedMs < 6_000, `waited ${waitedMs} ms`);
      other.exec("ROLLBACK");
      await add("d");
      assert.deepEqual(await names(), ["d"]);
    });
  });
}
