import assert from "node:assert/strict";
import { systemClock } from "../../engine/clock.ts";
import { systemIds, type IntentOwner } from "../../engine/ids.ts";
import { openPostgresSignals } from "../../engine/store/postgres-signals.ts";
import { localSignals, type Signals } from "../../engine/store/signals.ts";
import { eventually } from "../peers/waiting.ts";
import { databaseKind, testDatabase, type TestDatabase } from "./test-database.ts";

const ids = systemIds(systemClock);

describe(`signals, on ${databaseKind}`, () => {
  let database: TestDatabase;
  const opened: Signals[] = [];
  const open = (): Signals => {
    const signals =
      databaseKind === "postgres"
        ? openPostgresSignals(database.url, { clock: systemClock })
        : localSignals();
    opened.push(signals);
    return signals;
  };
  beforeEach(async () => {
    database = await testDatabase();
  });
  afterEach(async () => {
    for (const signals of opened.splice(0)) await signals.close();
    await database.remove();
  });

  it("reach the listener in their process at once", () => {
    const signals = open();
    const heard: IntentOwner[] = [];
    signals.listen("calls", (id) => heard.push(id));
    const callId = ids.next("call");

    signals.tell("calls", callId);
    signals.tell("deliveries", { workspaceId: ids.next("ws"), host: "nobody.example" });

    assert.deepEqual(heard, [callId]);
  });

  if (databaseKind !== "postgres") return;

  /** Told until it is heard: a listener that just came may not have been in time for the first. */
  const heardBy = (heard: readonly IntentOwner[], teller: Signals) => async (): Promise<true | undefined> => {
    const callId = ids.next("call");
    teller.tell("calls", callId);
    await systemClock.sleep(50);
    return heard.includes(callId) ? true : undefined;
  };
  const listener = () => {
    const heard: IntentOwner[] = [];
    open().listen("calls", (id) => heard.push(id));
    return heard;
  };

  it("reach the listeners of other processes, each told once", async () => {
    const heard = [listener(), listener()];
    const teller = open();
    for (const one of heard) await eventually("a first signal", heardBy(one, teller));
    const before = heard.map((one) => one.length);
    const [twice, once] = [ids.next("call"), ids.next("call")];

    for (const id of [twice, twice, once]) teller.tell("calls", id);
    for (const one of heard)
      await eventually("the last signal", () => (one.includes(once) ? true : undefined));

    assert.deepEqual(
      heard.map((one, index) => one.slice(before[index])),
      [
        [twice, once],
        [twice, once],
      ],
    );
  });

  it("carry a destination as it is", async () => {
    const heard: unknown[] = [];
    open().listen("deliveries", (destination) => heard.push(destination));
    const teller = open();
    const destination = { workspaceId: ids.next("ws"), host: "hooks.wanjiru.example:8443" };

    await eventually("the destination", async () => {
      teller.tell("deliveries", destination);
      await systemClock.sleep(50);
      return heard.length > 0 ? true : undefined;
    });

    assert.deepEqual(heard[0], destination);
  });

  it("are heard again after both connections were killed", async () => {
    const heard = listener();
    const teller = open();
    await eventually("a first signal", heardBy(heard, teller));

    await database.byHand(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE datname = current_database() AND application_name = 'sautikit signals'`,
    );

    await eventually("a signal after the cut", heardBy(heard, teller));
  });

  it("are lost without a word while the database is away", async () => {
    const nowhere = openPostgresSignals("postgres://wanjiru@127.0.0.1:1/none", { clock: systemClock });
    nowhere.listen("deliveries", () => undefined);
    nowhere.tell("calls", ids.next("call"));
    await systemClock.sleep(50);
    await nowhere.close();
  });
});
