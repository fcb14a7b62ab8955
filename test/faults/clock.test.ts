import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { EslProxy } from "../peers/esl-proxy.ts";
import { describeOnSwitch } from "../peers/switch-under-test.ts";
import { eventually } from "../peers/waiting.ts";
import type { ApiCall } from "../world/customer.ts";
import { nairobi, TestWorld } from "../world/world.ts";
import { checkCharge } from "./checks.ts";
import { order, takesOrdersAt } from "./random/control.ts";

const hourMs = 3_600_000;
const wanjiru = "+254700000001";
const ringsForEver = "+254700000180";
/** Longer than the sweep of a controller, which looks each second. */
const awayMs = 2_500;

/**
 * A controller that finds its clock stepped may have slept, and takes up its boxes anew. (Of the storage nothing is asked: the `Date` of its
 * answers is Node's own, which the step of this test's clock does not reach, and the S3 client goes by that.)
 */
async function leads({ customer }: TestWorld): Promise<void> {
  await sleep(2_000);
  await eventually(
    "a controller that leads the box",
    async () => {
      const { body } = await customer.ask("GET", "/readyz");
      return (body.checks as Record<string, string>)["switch"] === "ok" || undefined;
    },
    { withinMs: 30_000 },
  );
}

for (const [which, byMs] of [
  ["forward", hourMs],
  ["back", -hourMs],
] as const)
  describeOnSwitch(`a controller whose clock is set ${which} by an hour in the middle of calls`, function () {
    this.timeout(90_000);
    let world: TestWorld;
    let proxy: EslProxy;
    let folder: string;
    const calls: Record<string, ApiCall> = {};
    /** Of each call, to its end, by the tests' own clock: from before it was placed, from the step, and from when it was found again. */
    const lasted: Record<string, { ms: number; sinceStepMs: number; sinceFoundMs: number }> = {};

    before(async () => {
      folder = await mkdtemp(join(tmpdir(), "clock-"));
      const socket = join(folder, "orders.sock");
      world = await TestWorld.start(takesOrdersAt(socket), undefined, {
        reach: async (esl) => {
          proxy = await EslProxy.open(esl);
          return { host: "127.0.0.1", port: proxy.port };
        },
      });
      world.inbox.judgesTime = false;
      const { customer, inbox } = world;
      const placedMs = new Map<string, number>();
      const place = async (to: string, more: Record<string, unknown>) => {
        const nowMs = performance.now();
        const id = await customer.place({ from: nairobi, to, events_url: inbox.url, ...more });
        placedMs.set(id, nowMs);
        return id;
      };
      const ids = {
        waits: await place(wanjiru, { actions: [{ wait: { seconds: 8 } }, { hangup: {} }] }),
        collects: await place(wanjiru, { actions: [{ getDigits: { timeout: 8 } }, { hangup: {} }] }),
        talks: await place(wanjiru, { record: true, actions: [{ dial: { number: "+254700000002" } }] }),
        isLimited: await place(wanjiru, { max_duration_seconds: 10 }),
        rings: await place(ringsForEver, { ring_timeout_seconds: 8 }),
      };
      await customer.until(ids.talks, "the two joined", ({ events }) =>
        events.some(({ kind }) => kind === "leg.bridged"),
      );
      await customer.until(ids.rings, "ringing", ({ status }) => status === "ringing");
      await order(socket, { do: "step", byMs });
      const steppedMs = performance.now();
      for (const id of [ids.waits, ids.collects])
        assert.equal((await customer.call(id)).status, "answered", "in the middle of it");
      // By the clock alone some of them would be over, and for a moment nobody can ask the switch.
      proxy.refuse();
      proxy.cut();
      await sleep(awayMs);
      await proxy.admit();
      await leads(world);
      const foundMs = performance.now();
      const newer = await place("+254700000103", { record: true });
      const ending = Object.entries({ ...ids, newer })
        .filter(([name]) => name !== "talks")
        .map(async ([name, id]) => {
          calls[name] = await customer.ended(id, 40_000);
          const nowMs = performance.now();
          lasted[name] = {
            ms: nowMs - placedMs.get(id)!,
            sinceStepMs: nowMs - steppedMs,
            sinceFoundMs: nowMs - foundMs,
          };
        });
      await sleep(4_000);
      await customer.hangUp(ids.talks);
      calls["talks"] = await customer.ended(ids.talks);
      await Promise.all(ending);
      await order(socket, { do: "step", byMs: 0 });
    });
    after(async () => {
      await proxy.close();
      await world.end();
      await rm(folder, { recursive: true, force: true });
    });

    /** Not before it was due, nor more than so long after that, were it begun at that moment. */
    const within = (
      name: string,
      dueMs: number,
      lateMsMax: number,
      since: "sinceStepMs" | "sinceFoundMs",
    ) => {
      const { ms, [since]: sinceMs } = lasted[name]!;
      assert.ok(ms >= dueMs, `${name} ended ${Math.round(ms)} ms after it was placed`);
      assert.ok(sinceMs <= dueMs + lateMsMax, `${name} ended late: ${Math.round(sinceMs)} ms, ${since}`);
    };

    it("waits as long as it was told to, no shorter and no longer", () => {
      within("waits", 8_000, 3_500, "sinceStepMs");
      // What waits for a caller begins its time anew.
      within("collects", 8_000, 3_500, "sinceFoundMs");
    });

    it("keeps the times that the switch holds", () => {
      // It ends a leg within a second and a quarter.
      const limited = calls["isLimited"]!.legs[0]!.billed_seconds;
      assert.ok(limited >= 10 && limited <= 12, String(limited));
      within("rings", 8_000, 4_000, "sinceStepMs");
      assert.equal(calls["rings"]!.status, "no_answer");
    });

    it("charges every call by the switch's stamps", async () => {
      for (const call of Object.values(calls)) for (const leg of call.legs) await checkCharge(world, leg);
      const [talked] = calls["talks"]!.legs;
      assert.ok(talked!.billed_seconds >= 4 && talked!.billed_seconds <= 20, String(talked!.billed_seconds));
    });

    it("leaves nothing for the auditor to find, once it is right again", () => world.audit());
  });

describeOnSwitch("a leg that was dialled in an hour to come, by a clock that is right again", function () {
  this.timeout(90_000);
  let world: TestWorld;
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "clock-"));
    world = await TestWorld.start(takesOrdersAt(join(folder, "orders.sock")));
    world.inbox.judgesTime = false;
  });
  after(async () => {
    await world.end();
    await rm(folder, { recursive: true, force: true });
  });

  it("is known to be gone as any other, when the switch died with it", async () => {
    const { customer, inbox } = world;
    await order(join(folder, "orders.sock"), { do: "step", byMs: hourMs });
    await leads(world);
    const id = await customer.place({ from: nairobi, to: ringsForEver, events_url: inbox.url });
    await customer.until(id, "ringing", ({ status }) => status === "ringing");
    await order(join(folder, "orders.sock"), { do: "step", byMs: 0 });
    await world.killSwitch();
    await world.startSwitch();
    const call = await customer.ended(id, 40_000);
    assert.equal(call.failure_code, "switch_failed");
    await world.audit();
  });

  it("is charged to the last second that it was proven, whatever the clock says then", async () => {
    const { customer, inbox } = world;
    await order(join(folder, "orders.sock"), { do: "step", byMs: hourMs });
    await leads(world);
    const id = await customer.place({ from: nairobi, to: wanjiru, events_url: inbox.url });
    await customer.until(id, "its answer", ({ status }) => status === "answered");
    await sleep(3_000);
    await world.killSwitch();
    await world.startSwitch();
    const call = await customer.ended(id, 40_000);
    await order(join(folder, "orders.sock"), { do: "step", byMs: 0 });
    assert.ok(call.legs[0]!.billed_seconds <= 6, `${call.legs[0]!.billed_seconds} s`);
    await world.audit();
  });
});
