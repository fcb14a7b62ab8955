import assert from "node:assert/strict";
import { pino } from "pino";
import { BoxHealth } from "../../engine/boxes/box-health.ts";
import { systemClock } from "../../engine/clock.ts";
import type { Store } from "../../engine/store/store.ts";
import { testDatabase, type TestDatabase } from "../store/test-database.ts";

const boxes = ["10.1.0.4:8021", "10.1.0.5:8021", "10.1.0.6:8021"];

describe("the box of a new call", () => {
  let database: TestDatabase;
  let store: Store;
  before(async () => {
    database = await testDatabase();
    store = await database.open();
  });
  after(async () => {
    await store.close();
    await database.remove();
  });

  /** As one of several API nodes has it, which know nothing of each other's calls until they are stored. */
  const node = (fraction: () => number) =>
    new BoxHealth({
      ...{ store, clock: systemClock, ids: { fraction }, boxes, connected: () => true },
      log: pino({ level: "silent" }),
    });

  it("is, where several have as little to do, not the same one for every API node", () => {
    const picked = [0, 0.4, 0.99].map((drawn) => node(() => drawn).pick());
    assert.deepEqual(picked, boxes);
    const [, ...holding] = boxes;
    assert.deepEqual(
      [0, 0.99].map((drawn) => node(() => drawn).pick(holding)),
      holding,
    );
  });

  it("is one that has less to do, whatever is drawn", () => {
    for (const drawn of [0, 0.5, 0.99]) {
      const health = node(() => drawn);
      const picked = boxes.map(() => health.pick());
      assert.deepEqual([...picked].sort(), boxes);
    }
  });
});
