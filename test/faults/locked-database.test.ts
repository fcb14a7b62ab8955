import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import Database from "better-sqlite3";
import { describeOnSwitch } from "../peers/switch-under-test.ts";
import { databaseKind } from "../store/test-database.ts";
import { nairobi, TestWorld } from "../world/world.ts";
import { placeUntilTaken, type Placed } from "./careful-customer.ts";

const wanjiru = "+254700000001";
const hangsUpAfter3s = "+254700000103";
const answersAfter5s = "+254700000003";
/** A write waits so long for the lock; more is the machine's. */
const refusedMsMax = 5_000 + 1_500;
/** A request that only reads, or asks whether we live. */
const promptMsMax = 1_000;

/** What was seen during one lock. */
interface Locked {
  seconds: number;
  talking: string;
  /** Otieno hangs up under the lock. */
  ended: string;
  /** And Achieng answers under it. */
  answered: string;
  /** A call that was asked for once under the lock. */
  first: { status: number; code: string | undefined; retryAfter: string | null; ms: number };
  /** And one that was asked for until it was taken. */
  careful: Placed;
  /** When the lock was let go. */
  openedAtMs: number;
  /** The slowest of the requests that read. */
  readMs: number;
  ready: { status: number; database: string };
  /** The call that goes on, as it was shown before the lock was let go. */
  statusUnderLock: string;
}

if (databaseKind === "sqlite") {
  describeOnSwitch("a database that another process locks", function () {
    this.timeout(90_000);
    const worlds: TestWorld[] = [];
    const seen: { world: TestWorld; locked: Locked }[] = [];

    before(async () => {
      worlds.push(await TestWorld.start(), await TestWorld.start());
      const [short, long] = worlds as [TestWorld, TestWorld];
      const of = async (world: TestWorld, seconds: number) =>
        void seen.push({ world, locked: await lockedFor(world, seconds) });
      await Promise.all([of(short, 2).then(() => of(short, 8)), of(long, 20)]);
      for (const { world, locked } of seen) {
        await world.customer.until(locked.answered, "its answer", ({ status }) => status === "answered");
        await world.customer.hangUp(locked.answered);
        await world.customer.hangUp(locked.talking);
        await world.customer.hangUp(locked.careful.callId);
      }
    });
    after(() => Promise.all(worlds.map((world) => world.end())));

    async function lockedFor(world: TestWorld, seconds: number): Promise<Locked> {
      const { customer, inbox } = world;
      const place = (to: string) =>
        customer.place({ from: nairobi, to, events_url: inbox.url, record: true });
      const talking = await place(wanjiru);
      const ended = await place(hangsUpAfter3s);
      await customer.until(talking, "its answer", ({ status }) => status === "answered");
      await customer.until(ended, "two seconds of talk", ({ duration_seconds }) => duration_seconds >= 2);

      const answered = await place(answersAfter5s);
      await customer.until(answered, "ringing", ({ status }) => status === "ringing");
      const other = new Database(world.env["DATABASE_URL"]!.replace("sqlite:", ""));
      other.exec("BEGIN EXCLUSIVE");
      const lockedAtMs = performance.now();
      const asking = askOnce(world);
      const careful = placeUntilTaken(world, `+25471230${String(seconds).padStart(4, "0")}`);
      let readMs = 0;
      let ready: Locked["ready"] | undefined;
      let statusUnderLock = "";
      while (performance.now() - lockedAtMs < seconds * 1000) {
        const started = performance.now();
        const { status } = await customer.ask("GET", "/healthz");
        assert.equal(status, 200);
        ({ status: statusUnderLock } = await customer.call(talking));
        readMs = Math.max(readMs, performance.now() - started);
        ready ??= await customer
          .ask("GET", "/readyz")
          .then((answer) => ({ status: answer.status, database: answer.body.checks.database }));
        await sleep(200);
      }
      other.exec("ROLLBACK");
      other.close();
      const openedAtMs = Date.now();
      const [first, placed] = await Promise.all([asking, careful]);
      return {
        seconds,
        talking,
        ended,
        answered,
        first,
        careful: placed,
        openedAtMs,
        readMs,
        ready: ready!,
        statusUnderLock,
      };
    }

    async function askOnce({ customer, inbox }: TestWorld): Promise<Locked["first"]> {
      const started = performance.now();
      const answer = await customer.ask("POST", "/v1/calls", {
        body: { from: nairobi, to: "+254700000486", events_url: inbox.url },
      });
      return {
        status: answer.status,
        code: answer.body.error?.code,
        retryAfter: answer.headers.get("retry-after"),
        ms: performance.now() - started,
      };
    }

    it("for 2 s makes a call wait for it", () => {
      const { first } = seen.find(({ locked }) => locked.seconds === 2)!.locked;
      assert.equal(first.status, 201);
      assert.ok(first.ms >= 1_900 && first.ms <= 2_000 + promptMsMax, `${first.ms} ms`);
    });

    it("for longer has calls refused in time, and says when to come again", () => {
      for (const { first, seconds } of seen.map(({ locked }) => locked).filter((one) => one.seconds > 5)) {
        const { status, code, retryAfter, ms } = first;
        assert.deepEqual([status, code, retryAfter], [503, "database.unavailable", "1"]);
        assert.ok(ms <= refusedMsMax, `refused after ${ms} ms of ${seconds} s`);
      }
    });

    it("keeps nobody from reading, and is reported", () => {
      for (const { readMs, ready, seconds } of seen.map(({ locked }) => locked)) {
        assert.ok(readMs <= promptMsMax, `a read took ${readMs} ms in ${seconds} s`);
        assert.deepEqual(ready, seconds > 2 ? { status: 503, database: "failed" } : ready);
      }
    });

    it("rings no phone twice for a call that is asked for until it is taken", async () => {
      for (const { world, locked } of seen) {
        assert.equal(locked.careful.ids.size, 1);
        await world.customer.ended(locked.careful.callId);
        const rung = (await world.carrier.calls()).filter(({ number }) => number === locked.careful.number);
        assert.ok(rung.length <= 1, `${locked.careful.number} rang ${rung.length} times`);
      }
    });

    it("lets those who talk go on talking, and keeps the switch", async () => {
      for (const { world, locked } of seen) {
        assert.equal(locked.statusUnderLock, "answered");
        const call = await world.customer.ended(locked.talking);
        assert.equal(call.hangup_cause, "normal_clearing");
        assert.ok(call.duration_seconds >= locked.seconds, `${call.duration_seconds} s`);
        assert.doesNotMatch(world.sautikit.output(), /switch disconnected/);
      }
    });

    it("loses no answer that came under it", async () => {
      for (const { world, locked } of seen.filter((one) => one.locked.seconds > 5)) {
        const { events } = await world.customer.ended(locked.answered);
        const { created_at: at } = events.find(({ kind }) => kind === "call.answered")!;
        const lateMs = Date.parse(at) - locked.openedAtMs;
        assert.ok(lateMs <= 2_500, `known ${lateMs} ms after the lock was let go`);
      }
    });

    it("loses no end that came under it", async () => {
      for (const { world, locked } of seen) {
        const call = await world.customer.ended(locked.ended);
        assert.equal(call.status, "completed");
        assert.ok(call.duration_seconds >= 3 && call.duration_seconds <= 4, `${call.duration_seconds} s`);
        await world.inbox.kind(locked.ended, "call.completed");
        await world.inbox.kind(locked.ended, "call.recording.ready");
      }
    });

    it("leaves nothing for the auditor to find", async () => {
      for (const world of worlds) await world.audit();
    });
  });
}
