import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { systemClock } from "../../engine/clock.ts";
import { openPostgres } from "../../engine/store/postgres.ts";
import type { Store, Tx } from "../../engine/store/store.ts";
import { databaseKind, testDatabase, type TestDatabase } from "./test-database.ts";

/** What every caller of the seam may count on, whichever database is behind it. */
describe(`the store, on ${databaseKind}`, () => {
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

  const add = (tx: Tx, name: string, amount = 0) =>
    tx.run("INSERT INTO prices (name, amount, effective_at_ms) VALUES (?, ?, 0)", [name, amount]);
  const names = async () =>
    (await store.read((tx) => tx.all<{ name: string }>("SELECT name FROM prices ORDER BY name"))).map(
      ({ name }) => name,
    );
  const amountOf = async (name: string) =>
    (await store.read((tx) => tx.get<{ amount: number }>("SELECT amount FROM prices WHERE name = ?", [name])))
      ?.amount;

  it("stores what a closure did together", async () => {
    const answer = await store.write(async (tx) => {
      await add(tx, "a");
      await add(tx, "b");
      return "done";
    });

    assert.equal(answer, "done");
    assert.deepEqual(await names(), ["a", "b"]);
  });

  it("undoes a closure that throws, and it alone, whoever was queued with it", async () => {
    const outcomes = await Promise.allSettled(
      Array.from({ length: 30 }, (_, index) =>
        store.write(async (tx) => {
          await add(tx, `n${index}`);
          await add(tx, `m${index}`);
          if (index % 3 === 0) throw new Error(`no ${index}`);
        }),
      ),
    );

    const kept = outcomes.flatMap(({ status }, index) => (status === "fulfilled" ? [index] : []));
    assert.deepEqual(
      kept,
      Array.from({ length: 30 }, (_, index) => index).filter((index) => index % 3 !== 0),
    );
    assert.deepEqual(await names(), kept.flatMap((index) => [`n${index}`, `m${index}`]).sort());
  });

  it("refuses a second row where a constraint allows one, and keeps nothing of that closure", async () => {
    await store.write((tx) => add(tx, "a"));

    await assert.rejects(
      store.write(async (tx) => {
        await add(tx, "b");
        await add(tx, "a");
      }),
      /constraint/i,
    );

    assert.deepEqual(await names(), ["a"]);
  });

  it("fails a closure of which a statement failed, even if that swallows it", async () => {
    await store.write((tx) => add(tx, "a"));

    const swallowing = store.write(async (tx) => {
      await add(tx, "b");
      await add(tx, "a").catch(() => undefined);
      await add(tx, "c").catch(() => undefined);
    });

    await assert.rejects(swallowing, /constraint/i);
    assert.deepEqual(await names(), ["a"]);
    await store.write((tx) => add(tx, "d"));
    assert.deepEqual(await names(), ["a", "d"]);
  });

  it("takes several statements at once, and fails as the first that fails", async () => {
    await store.write((tx) => Promise.all(["a", "b", "c"].map((name) => add(tx, name))));

    await assert.rejects(
      store.write((tx) => Promise.all(["d", "a", "e"].map((name) => add(tx, name)))),
      /constraint/i,
    );

    assert.deepEqual(await names(), ["a", "b", "c"]);
  });

  it("takes no statement once the transaction is over", async () => {
    let kept: Tx | undefined;
    await store.write((tx) => {
      kept = tx;
      return add(tx, "a");
    });

    await assert.rejects(add(kept!, "b"), /The transaction is over/);

    assert.deepEqual(await names(), ["a"]);
  });

  it("refuses a closure that awaits something else than its tx, and lets go of what it kept", async () => {
    await store.write((tx) => add(tx, "a", 1));
    const bounded =
      databaseKind === "postgres"
        ? await openPostgres(database.url, { clock: systemClock, transactionMsMax: 200 })
        : store;

    const waiting = bounded.write(async (tx) => {
      await tx.run("UPDATE prices SET amount = 2 WHERE name = 'a'");
      await sleep(1000);
    });

    await assert.rejects(waiting, /awaited something else than its tx/);
    await store.write((tx) => tx.run("UPDATE prices SET amount = amount + 10 WHERE name = 'a'"));
    assert.equal(await amountOf("a"), 11);
    if (bounded !== store) await bounded.close();
  });

  it("loses none of two hundred changes of one row that are made at once", async () => {
    await store.write((tx) => add(tx, "a"));

    await Promise.all(
      Array.from({ length: 200 }, () =>
        store.write(async (tx) => {
          const row = await tx.get<{ amount: number }>(
            "SELECT amount FROM prices WHERE name = 'a' FOR NO KEY UPDATE",
          );
          await tx.run("UPDATE prices SET amount = ? WHERE name = 'a'", [row!.amount + 1]);
        }),
      ),
    );

    assert.equal(await amountOf("a"), 200);
  });

  it("reads one snapshot, whatever is written meanwhile", async () => {
    await store.write((tx) => add(tx, "a"));
    const writing = Array.from({ length: 50 }, () =>
      store.write((tx) => tx.run("UPDATE prices SET amount = amount + 1 WHERE name = 'a'")),
    );

    const seen = await Promise.all(
      Array.from({ length: 10 }, () =>
        store.read(async (tx) => {
          const amounts = new Set<number>();
          for (let n = 0; n < 10; n++) {
            amounts.add((await tx.get<{ amount: number }>("SELECT amount FROM prices"))!.amount);
          }
          return amounts;
        }),
      ),
    );

    for (const amounts of seen) assert.equal(amounts.size, 1);
    await Promise.all(writing);
    assert.equal(await amountOf("a"), 50);
  });

  it("signals after the commit, when others can see it, and never what was undone", async () => {
    const told: string[] = [];
    const visible: Promise<Record<string, unknown>[]>[] = [];
    const signalling = (name: string, fails: boolean) =>
      store.write(async (tx) => {
        tx.afterCommit(() => {
          told.push(name);
          visible.push(database.byHand(`SELECT name FROM prices WHERE name = '${name}'`));
        });
        await add(tx, name);
        assert.deepEqual(told.includes(name), false);
        if (fails) throw new Error("no");
      });

    await Promise.allSettled([signalling("a", false), signalling("b", true), signalling("c", false)]);

    assert.deepEqual(told.sort(), ["a", "c"]);
    assert.deepEqual(
      (await Promise.all(visible))
        .flat()
        .map((row) => row["name"])
        .sort(),
      ["a", "c"],
    );
  });

  it("gives numbers as numbers, and rows in camelCase", async () => {
    await store.write((tx) => add(tx, "largest", Number.MAX_SAFE_INTEGER));

    const row = await store.read((tx) =>
      tx.get(
        `SELECT name, amount, effective_at_ms, COUNT(*) OVER () AS how_many, CAST(NULL AS TEXT) AS none_of_it
         FROM prices`,
      ),
    );

    assert.deepEqual(row, {
      name: "largest",
      amount: Number.MAX_SAFE_INTEGER,
      effectiveAtMs: 0,
      howMany: 1,
      noneOfIt: null,
    });
  });

  it("sorts text by its bytes", async () => {
    const texts = ["~", "a", "B", "b", "_", "1", "A", "ä", "-"];
    await store.write((tx) => Promise.all(texts.map((text) => add(tx, text))));

    const bytewise = texts.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    assert.deepEqual(await names(), bytewise);
  });

  it("takes text as customers' servers send it", async () => {
    for (const text of ["\0", "half a pair \ud800", "mbili 🙂", "'; --", "?", "$1"]) {
      await store.write((tx) => add(tx, text));
    }
    assert.equal((await names()).length, 6);
  });

  it("ends what is queued before it closes, and takes nothing after", async () => {
    const queued = Array.from({ length: 20 }, (_, index) => store.write((tx) => add(tx, `n${index}`)));

    await store.close();

    await Promise.all(queued);
    await assert.rejects(
      store.write((tx) => add(tx, "late")),
      { code: "database.unavailable" },
    );
    store = await database.open();
    assert.equal((await names()).length, 20);
  });
});
