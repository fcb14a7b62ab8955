import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import type { Store } from "../../engine/store/store.ts";
import { databaseKind, testDatabase, type TestDatabase } from "./test-database.ts";

/** https://www.sqlite.org/fileformat.html#walformat: a frame that ends a commit says how large the database is then. */
function commitsIn(wal: Buffer): number {
  const pageBytes = wal.readUInt32BE(8);
  const salts = wal.subarray(16, 24);
  let commits = 0;
  for (let at = 32; at + 24 + pageBytes <= wal.length; at += 24 + pageBytes) {
    const current = wal.subarray(at + 8, at + 16).equals(salts);
    if (current && wal.readUInt32BE(at + 4) > 0) commits++;
  }
  return commits;
}

if (databaseKind === "sqlite") {
  describe("commits of SQLite", () => {
    let database: TestDatabase;
    let store: Store;
    beforeEach(async () => {
      database = await testDatabase();
      store = await database.open();
    });
    afterEach(async () => {
      await store.close();
      await database.remove();
    });

    const commits = () => commitsIn(readFileSync(`${database.url.replace("sqlite:", "")}-wal`));
    const add = (name: string) =>
      store.write((tx) =>
        tx.run("INSERT INTO prices (name, amount, effective_at_ms) VALUES (?, 0, 0)", [name]),
      );

    it("are shared by what is queued at once, 64 at most", async () => {
      const before = commits();

      await Promise.all(Array.from({ length: 150 }, (_, index) => add(`n${index}`)));

      assert.equal(commits() - before, 3);
    });

    it("are a closure's own when it comes alone", async () => {
      const before = commits();

      for (const name of ["a", "b", "c"]) await add(name);

      assert.equal(commits() - before, 3);
    });

    it("keep the order in which closures were queued", async () => {
      const order: string[] = [];
      const names = Array.from({ length: 100 }, (_, index) => `n${index}`);

      await Promise.all(names.map((name) => add(name).then(() => order.push(name))));

      assert.deepEqual(order, names);
      const rows = await store.read((tx) =>
        tx.all<{ name: string }>("SELECT name FROM prices ORDER BY rowid"),
      );
      assert.deepEqual(
        rows.map(({ name }) => name),
        names,
      );
    });
  });
}
