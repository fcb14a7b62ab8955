import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { fencedStore, LeaseLost } from "../../engine/boxes/fenced-store.ts";
import { duties, Leases, type Lease } from "../../engine/boxes/leases.ts";
import { systemClock, type Clock, type Timer } from "../../engine/clock.ts";
import { controllers, leases as leaseRows, releaseLease, takeLease } from "../../engine/store/leases.ts";
import type { Store } from "../../engine/store/store.ts";
import { quiet } from "../api/world.ts";
import { eventually } from "../peers/waiting.ts";
import { databaseKind, testDatabase, type TestDatabase } from "../store/test-database.ts";

/** A machine's clocks, moved by hand. */
class Machine implements Clock {
  #monotonicMs = 1_000;
  #wallMs = Date.parse("2026-11-30T09:00:00Z");
  readonly #timers = new Set<{ atMs: number; fn: () => void }>();

  nowMs = () => this.#wallMs;
  nowUs = () => this.#wallMs * 1000;
  steadyMs = () => this.#wallMs;
  monotonicMs = () => this.#monotonicMs;
  after(delayMs: number, fn: () => void): Timer {
    const timer = { atMs: this.#monotonicMs + Math.max(0, delayMs), fn };
    this.#timers.add(timer);
    return { cancel: () => void this.#timers.delete(timer) };
  }
  sleep = (delayMs: number) => systemClock.sleep(delayMs);

  /** The process stands still: time goes by, and none of its timers runs. */
  standStill(ms: number): void {
    this.#monotonicMs += ms;
    this.#wallMs += ms;
  }
  stepWallClock(ms: number): void {
    this.#wallMs += ms;
  }
  /** Time goes by, and whatever is due runs. */
  pass(ms: number): void {
    this.standStill(ms);
    for (const timer of [...this.#timers].filter(({ atMs }) => atMs <= this.#monotonicMs)) {
      this.#timers.delete(timer);
      timer.fn();
    }
  }
  get waits(): boolean {
    return this.#timers.size > 0;
  }
}

/** A controller on a machine of its own. */
class Peer {
  readonly machine = new Machine();
  readonly id: string;
  readonly had = new Map<string, Lease>();
  readonly stopped: string[] = [];
  /** What it cannot do just now. */
  readonly unfit = new Set<string>();
  /** What cannot be begun on it. */
  readonly fails = new Set<string>();
  /** What it logged as an error. */
  readonly said: string[] = [];
  readonly #leases: Leases;

  constructor(store: Store, id: string, boxes: readonly string[], pid = 1) {
    this.id = id;
    const log = { ...quiet, error: (...said: unknown[]) => void this.said.push(String(said.at(-1))) };
    this.#leases = new Leases({
      ...{ store, clock: this.machine, log, boxes },
      controller: { id, host: "here", pid },
      begin: (lease) => {
        if (this.fails.has(lease.name)) throw new RangeError("It cannot be begun here.");
        this.had.set(lease.name, lease);
        return Promise.resolve({
          isFit: () => !this.unfit.has(lease.name),
          stop: () => {
            this.had.delete(lease.name);
            this.stopped.push(lease.name);
            return Promise.resolve();
          },
        });
      },
    });
  }

  start = () => this.#leases.start();
  stop = () => this.#leases.stop();
  get leads(): string[] {
    return [...this.had].flatMap(([name, lease]) => (lease.isHeld() ? [name] : [])).sort();
  }

  /** A second, and what it does in it. */
  async second(): Promise<void> {
    await eventually("the look before to be over", () => (this.machine.waits ? true : undefined));
    this.machine.pass(1_000);
    await eventually("the look to be over", () => (this.machine.waits ? true : undefined));
  }

  async seconds(count: number, others: readonly Peer[] = []): Promise<void> {
    for (let passed = 0; passed < count; passed++) for (const peer of [this, ...others]) await peer.second();
  }
}

describe("leases", () => {
  let database: TestDatabase;
  let store: Store;
  let peers: Peer[];
  beforeEach(async () => {
    database = await testDatabase();
    store = await database.open();
    peers = [];
  });
  afterEach(async () => {
    for (const peer of peers) await peer.stop();
    await store.close();
    await database.remove();
  });

  function peer(id: string, boxes: readonly string[] = ["box"]): Peer {
    const one = new Peer(store, id, boxes);
    peers.push(one);
    return one;
  }
  /** As a kill -9 ends it: nothing of it runs any more. */
  const dies = (one: Peer) => peers.splice(peers.indexOf(one), 1);
  const holderOf = async (name: string) =>
    (await store.read(leaseRows)).find((row) => row.name === name)?.holder ?? null;

  it("are one controller's at a time, from its first look on", async () => {
    const [asha, baraka] = [peer("asha"), peer("baraka")];
    await asha.start();
    assert.deepEqual(asha.leads, ["box", duties]);
    await baraka.start();
    await asha.seconds(30, [baraka]);
    assert.deepEqual([asha.leads, baraka.leads], [["box", duties], []]);
  });

  it("of a holder that stands still are its own for 4 s, and another's no sooner than after 7 s", async () => {
    const [asha, baraka] = [peer("asha"), peer("baraka")];
    await asha.start();
    await baraka.start();
    await asha.seconds(2, [baraka]);
    asha.machine.standStill(3_900);
    assert.deepEqual(asha.leads, ["box", duties]);
    asha.machine.standStill(200);
    assert.deepEqual(asha.leads, []);
    // By the other's clock the last renewal was up to a second before it saw it.
    await baraka.seconds(6);
    assert.deepEqual(baraka.leads, []);
    await baraka.seconds(2);
    assert.deepEqual(baraka.leads, ["box", duties]);
    const terms = [...asha.had.values()];
    await asha.second();
    assert.deepEqual(asha.leads, []);
    await eventually("what it did to be stopped", () => (asha.stopped.length === 2 ? true : undefined));
    assert.ok(terms.every((lease) => !lease.isHeld()));
  });

  it("are kept through a database that is away for less than that, and commands wait meanwhile", async () => {
    const asha = peer("asha");
    await asha.start();
    const unlock = await database.lock();
    asha.machine.standStill(5_000);
    assert.deepEqual(asha.leads, []);
    await unlock();
    await asha.second();
    assert.deepEqual(asha.leads, ["box", duties]);
    assert.deepEqual(asha.stopped, []);
  });

  it("are back at once at a controller that was started anew", async () => {
    const asha = peer("asha");
    await asha.start();
    dies(asha);
    const again = peer("asha");
    await again.start();
    assert.deepEqual(again.leads, ["box", duties]);
    assert.ok((again.had.get("box")?.fence ?? 0) > (asha.had.get("box")?.fence ?? 0));
  });

  it("that are given back need not run out", async () => {
    const [asha, baraka] = [peer("asha"), peer("baraka")];
    await asha.start();
    await baraka.start();
    await asha.stop();
    dies(asha);
    assert.equal(await holderOf("box"), null);
    await baraka.second();
    assert.deepEqual(baraka.leads, ["box", duties]);
    assert.deepEqual(
      (await store.read(controllers)).map(({ id }) => id),
      ["baraka"],
    );
  });

  it("are shared out by box, and what somebody gives away that nobody takes is theirs again", async () => {
    const boxes = ["a", "b", "c", "d"];
    const asha = peer("asha", boxes);
    await asha.start();
    await asha.seconds(5);
    assert.deepEqual(asha.leads, [...boxes, duties]);
    const baraka = peer("baraka", boxes);
    await baraka.start();
    for (let second = 0; second < 10; second++) {
      await asha.second();
      await baraka.second();
    }
    assert.deepEqual([asha.leads.length, baraka.leads.length], [3, 2]);
    // A third one that is told of one box alone, and has no use for the others.
    const chege = peer("chege", ["e"]);
    await chege.start();
    await asha.seconds(10, [baraka, chege]);
    assert.equal([...asha.leads, ...baraka.leads].length, 5);
  });

  it("of a box that its leader does not reach are left to one who may, and not the other way round at once", async () => {
    const [asha, baraka] = [peer("asha"), peer("baraka")];
    asha.unfit.add("box");
    await asha.start();
    await asha.seconds(15);
    // Nobody else is there.
    assert.deepEqual(asha.leads, ["box", duties]);
    await baraka.start();
    await asha.seconds(4, [baraka]);
    assert.deepEqual([asha.leads, baraka.leads], [[duties], ["box"]]);
    baraka.unfit.add("box");
    await asha.seconds(9, [baraka]);
    assert.deepEqual(baraka.leads, ["box"]);
    await asha.seconds(8, [baraka]);
    assert.deepEqual(asha.leads, ["box", duties]);
    // It was tried here before: now it stays for a while.
    await asha.seconds(20, [baraka]);
    assert.deepEqual(asha.leads, ["box", duties]);
  });

  it("of what cannot be begun are given back, and left alone for a while", async () => {
    const [asha, baraka] = [peer("asha"), peer("baraka")];
    asha.fails.add("box");
    await asha.start();
    await baraka.start();
    await asha.seconds(2, [baraka]);
    assert.deepEqual([asha.leads, baraka.leads], [[duties], ["box"]]);
  });

  it("are not taken after the database stood still for all, before their holders could renew", async () => {
    const [asha, baraka] = [peer("asha"), peer("baraka")];
    await asha.start();
    await baraka.start();
    await asha.seconds(2, [baraka]);
    // Neither has looked meanwhile; the one that holds nothing is the first to.
    baraka.machine.standStill(10_000);
    asha.machine.standStill(10_000);
    await baraka.second();
    await asha.second();
    assert.deepEqual([asha.leads, baraka.leads], [["box", duties], []]);
  });

  it("are all given back by a stop, also those that were being taken", async () => {
    const asha = peer("asha", ["a", "b", "c"]);
    const started = asha.start();
    await asha.stop();
    await started;
    assert.deepEqual(asha.leads, []);
    assert.deepEqual(
      (await store.read(leaseRows)).filter(({ holder }) => holder !== null),
      [],
    );
  });

  it("are kept by one of two processes with one id, which says so", async () => {
    const asha = peer("asha");
    await asha.start();
    const copy = new Peer(store, "asha", ["box"], 2);
    peers.push(copy);
    await copy.start();
    for (let second = 0; second < 3; second++) {
      await asha.second();
      await copy.second();
    }
    assert.equal([...asha.leads, ...copy.leads].length, 2);
  });

  for (const [goes, go] of [
    ["is stopped", (other: Peer) => other.stop()],
    ["dies", (other: Peer) => dies(other)],
  ] as const)
    it(`are taken by the one that stepped back, once the other with its id ${goes}, and no sooner`, async () => {
      const asha = peer("asha");
      await asha.start();
      const copy = new Peer(store, "asha", ["box"], 2);
      peers.push(copy);
      await copy.start();
      await asha.seconds(12, [copy]);
      assert.deepEqual([asha.leads, copy.leads], [[], ["box", duties]]);
      assert.equal(asha.said.length, 1);
      assert.match(asha.said[0]!, /controller\.id: this one leads nothing as long as it runs/);
      await go(copy);
      await asha.seconds(9);
      assert.deepEqual(asha.leads, ["box", duties]);
    });

  it("are not trusted after a step of the wall clock, or a stop of the machine, until they are renewed", async () => {
    const asha = peer("asha");
    await asha.start();
    for (const stepMs of [3_600_000, -3_600_000]) {
      asha.machine.stepWallClock(stepMs);
      assert.deepEqual(asha.leads, []);
      await asha.second();
      assert.deepEqual(asha.leads, ["box", duties]);
    }
  });

  it("of a box that is configured nowhere any more are nobody's once they have run out", async () => {
    const asha = peer("asha", ["gone"]);
    await asha.start();
    dies(asha);
    const baraka = peer("baraka", ["box"]);
    await baraka.start();
    await baraka.seconds(9);
    assert.equal(await holderOf("gone"), null);
  });

  describe("fence what is written", () => {
    const termOf = async (holder: string): Promise<Lease> => {
      const row = (await store.read(leaseRows)).find(({ name }) => name === "box");
      const fence = await store.write((tx) => takeLease(tx, "box", holder, row));
      assert.ok(fence);
      return { name: "box", holder, fence, isHeld: () => true };
    };
    const mark = (over: Store, atMs: number) =>
      over.write((tx) =>
        tx.run("INSERT INTO boxes (name, alive_at_us) VALUES (?, ?)", [`mark ${atMs}`, atMs]),
      );
    const marks = async () => (await store.read((tx) => tx.all("SELECT name FROM boxes"))).length;

    it("refusing all of an older term's, whatever it believes", async () => {
      const old = fencedStore(store, await termOf("asha"));
      await mark(old, 1);
      const now = fencedStore(store, await termOf("baraka"));
      await assert.rejects(mark(old, 2), LeaseLost);
      await mark(now, 3);
      assert.equal(await marks(), 2);
    });

    it("refusing what is written after it was given back", async () => {
      const lease = await termOf("asha");
      await store.write((tx) => releaseLease(tx, lease));
      await assert.rejects(mark(fencedStore(store, lease), 1), LeaseLost);
    });

    if (databaseKind === "postgres")
      it("having the next holder wait for what is under way, and no renewal", async () => {
        const lease = await termOf("asha");
        const begun = Promise.withResolvers<null>();
        let written = false;
        const writing = fencedStore(store, lease).write(async (tx) => {
          await tx.run("INSERT INTO boxes (name) VALUES ('slow')");
          begun.resolve(null);
          await tx.get("SELECT pg_sleep(1)");
          written = true;
        });
        await begun.promise;
        const renewedMs = await tookMs(() =>
          store.write((tx) => tx.run("UPDATE leases SET renewals = renewals + 1 WHERE name = 'box'")),
        );
        assert.equal(written, false, `the renewal waited ${renewedMs} ms`);
        await termOf("baraka");
        assert.equal(written, true, "the next holder did not wait");
        await writing;
      });
  });

  const tookMs = async (work: () => Promise<unknown>): Promise<number> => {
    const fromMs = performance.now();
    await work();
    await sleep(0);
    return performance.now() - fromMs;
  };
});
