import assert from "node:assert/strict";
import pg from "pg";
import { systemClock } from "../../engine/clock.ts";
import { isError } from "../../engine/errors.ts";
import { openPostgres } from "../../engine/store/postgres.ts";
import type { ReadTx, Store } from "../../engine/store/store.ts";
import { startPostgres, type PostgresServer } from "../peers/postgres-server.ts";
import { eventually } from "../peers/waiting.ts";
import { databaseKind, testDatabase, type TestDatabase } from "./test-database.ts";

const unavailable = { code: "database.unavailable" as const, retryAfterSeconds: 1 };

function assertUnavailable(outcome: PromiseSettledResult<unknown>): void {
  assert.equal(outcome.status, "rejected");
  assert.ok(isError(outcome.reason, unavailable.code));
}

if (databaseKind === "postgres") {
  describe("PostgreSQL in trouble", () => {
    let database: TestDatabase;
    let store: Store;
    beforeEach(async () => {
      database = await testDatabase();
      store = await database.open();
      await store.write(async (tx) => {
        for (const name of ["a", "b"])
          await tx.run("INSERT INTO prices (name, amount, effective_at_ms) VALUES (?, 0, 0)", [name]);
      });
    });
    afterEach(async () => {
      await store.close();
      await database.remove();
    });

    const raise = (name: string) =>
      store.write((tx) =>
        tx.run("UPDATE prices SET amount = amount + 1 WHERE name = ? RETURNING amount", [name]),
      );
    const amounts = () =>
      store.read(async (tx) =>
        (await tx.all<{ amount: number }>("SELECT amount FROM prices ORDER BY name")).map(
          ({ amount }) => amount,
        ),
      );

    it("a closure that throws is run once", async () => {
      let runs = 0;
      const thrown = new Error("killed");
      await assert.rejects(
        store.write(async (tx) => {
          runs++;
          await tx.run("UPDATE prices SET amount = 100");
          throw thrown;
        }),
        thrown,
      );
      assert.equal(runs, 1);
    });

    it("a burst that takes longer than a connection may is worked off", async function () {
      this.timeout(30_000);
      // Ten at once: over seven seconds.
      const outcomes = await Promise.allSettled(
        Array.from({ length: 1_200 }, () => store.write((tx) => tx.get("SELECT pg_sleep(0.06)"))),
      );
      assert.deepEqual([...new Set(outcomes.map(({ status }) => status))], ["fulfilled"]);
    });

    it("a connection that is killed in a transaction takes that with it, and nothing else", async () => {
      const outcomes = await Promise.allSettled([
        raise("b"),
        store.write(async (tx) => {
          await tx.run("UPDATE prices SET amount = 100 WHERE name = 'a'");
          await tx.all("SELECT pg_terminate_backend(pg_backend_pid())");
        }),
        raise("b"),
      ]);

      const [, killed] = outcomes;
      assert.deepEqual(
        outcomes.map(({ status }) => status),
        ["fulfilled", "rejected", "fulfilled"],
      );
      assertUnavailable(killed);
      await raise("a");
      assert.deepEqual(await amounts(), [1, 2]);
    });

    it("a transaction whose connection is killed before its commit is run again", async () => {
      let runs = 0;
      const once = async (tx: ReadTx) => {
        if (++runs === 1) await tx.all("SELECT pg_terminate_backend(pg_backend_pid())");
      };

      await store.write(async (tx) => {
        await tx.run("UPDATE prices SET amount = amount + 1 WHERE name = 'a'");
        await once(tx);
      });
      assert.equal(runs, 2);
      runs = 0;
      await store.read(once);

      assert.equal(runs, 2);
      assert.deepEqual(await amounts(), [1, 0]);
    });

    it("connections that are killed while they idle are replaced without anybody noticing", async () => {
      await Promise.all(Array.from({ length: 20 }, () => raise("a")));
      await database.byHand(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND application_name = 'sautikit'`,
      );
      await eventually("the killed to be gone", async () => ((await connections()) === 0 ? true : undefined));

      await Promise.all(Array.from({ length: 20 }, () => raise("a")));

      assert.deepEqual(await amounts(), [40, 0]);
    });

    const connections = async () =>
      Number(
        (
          await database.byHand(
            `SELECT COUNT(*) AS many FROM pg_stat_activity
             WHERE datname = current_database() AND application_name = 'sautikit'`,
          )
        )[0]!["many"],
      );

    it("two transactions that wait for each other are both done: the one given up is run again", async () => {
      let runs = 0;
      const both = (first: string, second: string) =>
        store.write(async (tx) => {
          runs++;
          await tx.run("UPDATE prices SET amount = amount + 1 WHERE name = ?", [first]);
          await tx.all("SELECT pg_sleep(0.05)");
          await tx.run("UPDATE prices SET amount = amount + 1 WHERE name = ?", [second]);
        });

      await Promise.all([both("a", "b"), both("b", "a")]);

      assert.equal(runs, 3);
      assert.deepEqual(await amounts(), [2, 2]);
    });

    it("what can never be run beside the others is given up after five times", async () => {
      let runs = 0;
      const hopeless = store.write((tx) => {
        runs++;
        return tx.run("DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '40001'; END $$");
      });

      await assert.rejects(hopeless, unavailable);
      assert.equal(runs, 5);
    });

    const faults: [what: string, code: string][] = [
      ["a full disk", "53100"],
      ["no memory", "53200"],
      ["too many connections", "53300"],
      ["a shutdown", "57P01"],
      ["an I/O error", "58030"],
      ["a damaged page", "XX001"],
      ["a lock held too long", "55P03"],
    ];
    for (const [what, code] of faults) {
      it(`${what} is told as such, and undoes the closure`, async () => {
        const failing = store.write(async (tx) => {
          await tx.run("UPDATE prices SET amount = 100 WHERE name = 'a'");
          await tx.run(`DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '${code}'; END $$`);
        });

        await assert.rejects(failing, unavailable);
        assert.deepEqual(await amounts(), [0, 0]);
      });
    }

    it("a wrong statement is not taken for trouble of the database's", async () => {
      await assert.rejects(
        store.write((tx) => tx.run("UPDATE nothing SET amount = 1")),
        { code: "42P01" },
      );
    });

    it("a migration by another process, under plans that are kept, is not noticed", async () => {
      const all = () => store.read((tx) => tx.all("SELECT * FROM prices"));
      await Promise.all(Array.from({ length: 20 }, all));

      await database.byHand("ALTER TABLE prices ADD COLUMN note TEXT");

      const rows = await Promise.all(Array.from({ length: 20 }, all));
      for (const [first] of rows) assert.equal((first as { note: string | null }).note, null);
    });

    it("a statement that takes too long is ended, and its connection serves on", async () => {
      const impatient = await openPostgres(database.url, { clock: systemClock, transactionMsMax: 300 });

      await assert.rejects(
        impatient.read((tx) => tx.all("SELECT pg_sleep(5)")),
        { code: "database.unavailable" },
      );

      assert.deepEqual(await impatient.read((tx) => tx.all("SELECT 1 AS one")), [{ one: 1 }]);
      await impatient.close();
    });

    it("a server process that hangs is given up in time, and the next one serves", async () => {
      const impatient = await openPostgres(database.url, { clock: systemClock, transactionMsMax: 500 });
      let hanging = 0;

      const stuck = impatient.write(async (tx) => {
        hanging = (await tx.get<{ pid: number }>("SELECT pg_backend_pid() AS pid"))!.pid;
        process.kill(hanging, "SIGSTOP");
        await tx.run("UPDATE prices SET amount = 100 WHERE name = 'a'");
      });
      await assert.rejects(stuck, { code: "database.unavailable" });
      await impatient.write((tx) => tx.run("UPDATE prices SET amount = 7 WHERE name = 'b'"));

      process.kill(hanging, "SIGCONT");
      assert.deepEqual(await amounts(), [0, 7]);
      await impatient.close();
    });
  });

  describe("a PostgreSQL server", function () {
    this.timeout(60_000);
    let server: PostgresServer;
    before(async () => {
      server = await startPostgres();
    });
    after(() => server.stop());

    it("is refused where its database cannot hold every script", async () => {
      const client = new pg.Client({ connectionString: `${server.url}postgres` });
      await client.connect();
      await client.query("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0");
      await client.end();

      await assert.rejects(
        openPostgres(`${server.url}latin`, { clock: systemClock }),
        /encoding is LATIN1; make one with UTF8/,
      );
    });

    it("that is killed refuses meanwhile, keeps what was committed, and serves again without a restart of ours", async () => {
      const store = await openPostgres(`${server.url}postgres`, { clock: systemClock });
      let next = 0;
      const committed: string[] = [];
      const add = async () => {
        const name = `n${next++}`;
        await store.write((tx) =>
          tx.run("INSERT INTO prices (name, amount, effective_at_ms) VALUES (?, 0, 0)", [name]),
        );
        committed.push(name);
      };
      await Promise.all(Array.from({ length: 20 }, add));

      const underWay = Promise.allSettled(Array.from({ length: 300 }, add));
      await server.crash();
      const outcomes = await underWay;
      for (const outcome of outcomes) if (outcome.status === "rejected") assertUnavailable(outcome);
      await assert.rejects(add(), unavailable);
      await assert.rejects(
        store.read((tx) => tx.all("SELECT 1")),
        unavailable,
      );
      await server.start();

      await add();
      const rows = await store.read((tx) => tx.all<{ name: string }>("SELECT name FROM prices"));
      const there = new Set(rows.map(({ name }) => name));
      assert.deepEqual(
        committed.filter((name) => !there.has(name)),
        [],
      );
      await store.close();
    });
  });
}
