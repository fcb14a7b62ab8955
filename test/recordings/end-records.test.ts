import assert from "node:assert/strict";
import { appendFile, readdir, readFile, utimes } from "node:fs/promises";
import { join } from "node:path";
import type { LegId } from "../../engine/ids.ts";
import type { EndRecordOutcome } from "../../recordings/end-records.ts";
import { createSpool, type Spool } from "../../recordings/spool.ts";
import { box, ids, log, openWorld, spoolFile, until, type World } from "./world.ts";

describe("end-of-leg records", function () {
  this.timeout(20_000);

  let world: World;
  let spool: Spool;
  let cdr: string;
  let taken: string[];
  let settled: Set<LegId>;
  let take: (text: string) => Promise<EndRecordOutcome>;

  beforeEach(async () => {
    world = await openWorld();
    cdr = join(world.directory, "spool", "cdr");
    taken = [];
    settled = new Set();
    take = () => Promise.resolve("settled");
    const nothing = () => Promise.resolve();
    spool = createSpool({
      directory: join(world.directory, "spool"),
      boxes: [box],
      store: world.store,
      storage: world.storage,
      clock: world.clock,
      log,
      isSettled: (leg) => Promise.resolve(settled.has(leg)),
      takeEndRecord: (text) => {
        taken.push(text);
        return take(text);
      },
      recordingReady: nothing,
      recordingEmpty: nothing,
      recordingMissing: nothing,
    });
    await spool.start();
  });
  afterEach(async () => {
    await spool.stop();
    await world.close();
  });

  const record = (leg = ids.next("leg")) => `${JSON.stringify({ variables: { uuid: leg } })}\n`;
  const name = () => `${ids.next("leg")}.cdr.json`;
  const left = () => readdir(cdr);
  const unclaimed = () => readdir(join(world.directory, "spool", "unclaimed"));

  it("are taken in, and removed once they are settled", async () => {
    let settle: (outcome: EndRecordOutcome) => void = () => undefined;
    take = () => new Promise((resolve) => (settle = resolve));
    const text = record();
    await spoolFile(cdr, name(), text);

    await until("it is taken", () => taken.length === 1);
    assert.equal((await left()).length, 1);
    settle("settled");

    await until("it is removed", async () => (await left()).length === 0);
    assert.deepEqual(taken, [text]);
  });

  it("of legs whose end is known are removed without being read", async () => {
    const leg = ids.next("leg");
    settled.add(leg);
    await spoolFile(cdr, `${leg}.cdr.json`, record(leg));
    await until("it is removed", async () => (await left()).length === 0);
    assert.deepEqual(taken, []);
  });

  it("are taken in by the thousand, each once", async () => {
    const texts = Array.from({ length: 1000 }, () => record());
    await Promise.all(texts.map((text) => spoolFile(cdr, name(), text)));
    await until("all are removed", async () => (await left()).length === 0);
    assert.deepEqual(taken.toSorted(), texts.toSorted());
  });

  it("that are still being written wait for their newline", async () => {
    const text = record();
    const path = await spoolFile(cdr, name(), text.slice(0, 20));
    spool.wake();
    await world.clock.sleep(50);
    await appendFile(path, text.slice(20, -1));
    spool.wake();
    await world.clock.sleep(50);
    assert.deepEqual(taken, []);

    await appendFile(path, "\n");

    await until("it is removed", async () => (await left()).length === 0);
    assert.deepEqual(taken, [text]);
  });

  it("that stay torn are set aside after ten minutes", async () => {
    const file = name();
    const path = await spoolFile(cdr, file, '{"variables":{"uuid":');
    const longAgo = world.clock.nowMs() / 1000 - 601;
    await utimes(path, longAgo, longAgo);
    spool.wake();

    await until("it is set aside", async () => (await unclaimed()).includes(file));
    assert.deepEqual(taken, []);
    assert.deepEqual(await left(), []);
  });

  for (const outcome of ["foreign", "unreadable"] as const) {
    it(`that the engine finds ${outcome} are set aside whole, also under a name that is taken`, async () => {
      take = () => Promise.resolve(outcome);
      const file = name();
      const first = record();
      const second = record();
      await spoolFile(cdr, file, first);
      await until("the first is set aside", async () => (await unclaimed()).length === 1);
      await spoolFile(cdr, file, second);
      await until("the second is set aside", async () => (await unclaimed()).length === 2);

      const folder = join(world.directory, "spool", "unclaimed");
      assert.equal(await readFile(join(folder, file), "utf8"), first);
      assert.equal(await readFile(join(folder, `2-${file}`), "utf8"), second);
      assert.equal(taken.length, 2);
    });
  }

  it("stay while the database is down, and are taken in when it is back", async () => {
    take = () => Promise.reject(new Error("The database cannot be written."));
    await spoolFile(cdr, name(), record());
    await until("it was tried", () => taken.length === 1);
    await until("the trouble shows", () => spool.status().troubles.length > 0);
    assert.equal((await left()).length, 1);
    assert.equal(spool.status().endRecordsWaiting, 1);

    take = () => Promise.resolve("settled");
    world.clock.putForward(30_000);
    spool.wake();

    await until("it is removed", async () => (await left()).length === 0);
    assert.equal(taken.length, 2);
  });
});
