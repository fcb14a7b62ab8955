import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { describeOnSwitch } from "../peers/switch-under-test.ts";
import { wavSeconds, type ApiCall } from "../world/customer.ts";
import { nairobi, TestWorld } from "../world/world.ts";

const talksOn = "+254700000001";
const isNotHeard = "+254700000007";
const hangsUpAfter3s = "+254700000103";
const awayMs = 7_000;

describeOnSwitch(
  `a controller that is killed in a record action, and back after ${awayMs / 1000} s`,
  function () {
    this.timeout(60_000);
    let world: TestWorld;
    let silent: string;
    let talking: string;
    let gone: string;
    let beeping: string;

    before(async () => {
      world = await TestWorld.start();
      const { customer } = world;
      silent = await place(isNotHeard, { timeout: 2 });
      talking = await place(talksOn, { maxLength: 4 });
      gone = await place(hangsUpAfter3s, {});
      for (const id of [silent, talking, gone])
        await customer.until(id, "recording", has("recording.started"));
      beeping = await place("+254700000002", { maxLength: 2 });
      await customer.until(beeping, "the beep", has("action.started"));
      await world.killSautikit();
      await sleep(awayMs);
      await world.startSautikit();
    });
    after(() => world.end());

    const place = (to: string, spec: Record<string, unknown>) =>
      world.customer.place({
        ...{ from: nairobi, to, events_url: world.inbox.url },
        actions: [{ record: { action: world.inbox.url, ...spec } }],
      });
    const has = (kind: string) => (call: ApiCall) => call.events.some((event) => event.kind === kind);

    /** What was told of it, once, and how long the stored file is. */
    async function recorded(id: string) {
      const [told] = await world.inbox.kind(id, "call.recorded");
      await world.inbox.kind(id, "call.recording.ready");
      const call = await world.customer.ended(id);
      assert.equal(call.events.filter(({ kind }) => kind === "call.recorded").length, 1);
      const ids = call.legs[0]!.recording_ids;
      assert.equal(ids.length, 1);
      return { data: told!.data, call, seconds: wavSeconds(await world.customer.download(id, ids[0]!)) };
    }

    const within = (seconds: number, from: number, to: number) =>
      assert.ok(seconds >= from && seconds <= to, `${seconds} s`);

    it("finds a caller's silence kept by the switch: the file ends with it, and the URL is asked", async () => {
      const { data, call, seconds } = await recorded(silent);
      within(seconds, 1.9, 2.6);
      assert.deepEqual([data["reason"], data["duration_seconds"]], ["silence", null]);
      assert.ok(has("document.ended")(call));
    });

    it("finds the longest time kept by the switch", async () => {
      const { data, seconds } = await recorded(talking);
      within(seconds, 3.9, 5.5);
      assert.equal(data["reason"], "max_length");
    });

    it("tells of a caller who hung up meanwhile", async () => {
      const { data, seconds } = await recorded(gone);
      within(seconds, 1.5, 3.2);
      assert.equal(data["reason"], "hangup");
    });

    it("records after a beep whose end it missed", async () => {
      const { data, seconds } = await recorded(beeping);
      within(seconds, 1.7, 3.2);
      assert.equal(data["reason"], "max_length");
    });

    it("stands up to the auditor", () => world.audit());
  },
);
