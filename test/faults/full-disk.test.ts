import assert from "node:assert/strict";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { mountSmallDisk, smallDiskMissing, type SmallDisk } from "../peers/small-disk.ts";
import { describeOnSwitch } from "../peers/switch-under-test.ts";
import { eventually } from "../peers/waiting.ts";
import { databaseKind, sqliteFile, type TestDatabase } from "../store/test-database.ts";
import { wavSeconds } from "../world/customer.ts";
import { nairobi, TestWorld } from "../world/world.ts";

const wanjiru = "+254700000001";
const hangsUpAfter3s = "+254700000103";

const missing = smallDiskMissing();
const describeOnSmallDisk: typeof describeOnSwitch = (title, suite) =>
  missing === undefined
    ? describeOnSwitch(title, suite)
    : describe.skip(`${title} (skipped, ${missing})`, suite);

if (databaseKind === "sqlite") {
  describeOnSmallDisk("a full disk under the database", function () {
    this.timeout(60_000);
    let disk: SmallDisk;
    let database: TestDatabase;
    let world: TestWorld;
    /** Cut off by its limit of 10 s while nothing can be written. */
    let cutOff: string;
    let ended: string;

    before(async () => {
      disk = mountSmallDisk(16);
      database = sqliteFile(join(disk.folder, "sautikit.db"));
      world = await TestWorld.start({}, undefined, { database });
    });
    after(async () => {
      await world.end();
      disk.remove();
    });

    const place = (to: string, more = {}) =>
      world.customer.place({ from: nairobi, to, events_url: world.inbox.url, record: true, ...more });

    it("has new calls refused, and shows those that run", async () => {
      const { customer } = world;
      cutOff = await place(wanjiru, { max_duration_seconds: 10 });
      ended = await place(hangsUpAfter3s);
      for (const id of [cutOff, ended])
        await customer.until(id, "its answer", ({ status }) => status === "answered");
      disk.fill();
      for (let tries = 0; tries < 5; tries++) {
        const { status, body, headers } = await customer.ask("POST", "/v1/calls", {
          body: { from: nairobi, to: wanjiru },
        });
        assert.deepEqual([status, body.error?.code], [503, "database.unavailable"]);
        assert.equal(headers.get("retry-after"), "1");
      }
      assert.equal((await customer.call(cutOff)).status, "answered");
      const ready = await customer.ask("GET", "/readyz");
      assert.equal(ready.status, 503);
    });

    it("keeps no call beyond its limit", async () => {
      const call = await eventually(
        "the carrier to see it end",
        async () => {
          const seen = await world.carrier.calls();
          return seen.find(({ number, ended_at: at }) => number === wanjiru && at !== null);
        },
        { withinMs: 15_000 },
      );
      assert.equal(call.ended_by, "caller");
    });

    it("leaves nothing half-written, and every second charged when there is room again", async () => {
      disk.free();
      const { customer, inbox } = world;
      for (const [id, from, to] of [
        [cutOff, 10, 12],
        [ended, 3, 4],
      ] as const) {
        const call = await customer.ended(id, 40_000);
        assert.equal(call.status, "completed");
        const seconds = call.duration_seconds;
        assert.ok(seconds >= from && seconds <= to, `${seconds} s`);
        await inbox.kind(id, "call.recording.ready", 1, 40_000);
      }
      assert.deepEqual(await database.byHand("PRAGMA integrity_check"), [{ integrity_check: "ok" }]);
      const next = await place(hangsUpAfter3s);
      assert.equal((await customer.ended(next)).status, "completed");
    });

    it("leaves nothing for the auditor to find", () => world.audit());
  });

  describeOnSmallDisk("a full disk under the spool", function () {
    this.timeout(60_000);
    let disk: SmallDisk;
    let world: TestWorld;
    /** Recorded for three seconds when the disk was full, and answered when it was. */
    let begun: string;
    let late: string;

    before(async () => {
      disk = mountSmallDisk(4);
      world = await TestWorld.start({}, undefined, { switchOptions: { spoolDir: disk.folder } });
    });
    after(async () => {
      await world.end();
      disk.remove();
    });

    const place = (to: string) =>
      world.customer.place({ from: nairobi, to, events_url: world.inbox.url, record: true });
    const answered = (id: string) =>
      world.customer.until(id, "its answer", ({ status }) => status === "answered");

    it("ends no call, and charges each for every second", async () => {
      const { customer } = world;
      begun = await place(wanjiru);
      await customer.until(begun, "three seconds of talk", ({ duration_seconds: s }) => s >= 3);
      disk.fill();
      late = await place(wanjiru);
      await answered(late);
      await sleep(4_000);
      for (const id of [begun, late]) assert.equal((await customer.call(id)).status, "answered");
      for (const id of [begun, late]) await customer.hangUp(id);
      const ends = await Promise.all([begun, late].map((id) => customer.ended(id)));
      disk.free();

      const seen = await world.carrier.calls();
      for (const [index, call] of ends.entries()) {
        const { answered_at: from, ended_at: to } = seen[index]!;
        const seconds = (Date.parse(to!) - Date.parse(from!)) / 1000;
        assert.ok(
          Math.abs(call.duration_seconds - seconds) <= 1.5,
          `${call.duration_seconds} of ${seconds} s`,
        );
        assert.equal(call.cost_minor, call.duration_seconds * 5, "KES 3.00 a minute");
      }
      await world.verifyLedger();
    });

    it("has a recording that was begun kept as far as it was written, and told with what it lacks", async () => {
      const [ready] = await world.inbox.kind(begun, "call.recording.ready", 1, 30_000);
      const {
        duration_seconds: seconds,
        talk_ms: talkMs,
        gap_ms: gapMs,
      } = ready!.data as Record<string, number>;
      assert.equal(gapMs, talkMs! - Math.round(seconds! * 1000));
      assert.ok(gapMs >= 3_500, `of ${talkMs} ms ${gapMs} ms are said to be missing`);
      const [leg] = (await world.customer.call(begun)).legs;
      assert.ok(Math.abs(talkMs! - (Date.parse(leg!.ended_at!) - Date.parse(leg!.answered_at!))) <= 150);
      const stored = await world.customer.download(begun, String(ready!.data["recording_id"]));
      assert.ok(Math.abs(wavSeconds(stored) - seconds!) <= 0.001, "as long as it says");
      assert.match(world.sautikit.output(), /A recording is shorter than the talk/);
    });

    it("has one that could not begin told as such", async () => {
      const call = await world.customer.until(
        late,
        "what became of its recording",
        ({ events }) => events.some(({ kind }) => kind === "recording.empty" || kind === "recording.missing"),
        30_000,
      );
      const { payload } = call.events.at(-1)!;
      assert.equal(payload["gap_ms"], payload["talk_ms"]);
      assert.ok(Number(payload["gap_ms"]) >= 3_500);
      const answer = await world.customer.ask("GET", `/v1/calls/${late}/recording`);
      assert.deepEqual([answer.status, answer.body.error.code], [404, "calls.recording_not_found"]);
    });

    it("hinders nothing once there is room, and leaves nothing else for the auditor to find", async () => {
      const next = await place(hangsUpAfter3s);
      await world.customer.ended(next);
      await world.inbox.kind(next, "call.recording.ready");
      // The switch lost the end-of-leg records of those two with the disk; their recordings are as told above.
      const calls = await Promise.all([begun, late].map((id) => world.customer.call(id)));
      const names = [wanjiru, ...calls.flatMap(({ id, legs }) => [id, legs[0]!.id])];
      const known = (line: string) => names.some((name) => line.includes(name));
      assert.deepEqual(
        (await world.auditor.audit()).filter((line) => !known(line)),
        [],
      );
    });
  });
}
