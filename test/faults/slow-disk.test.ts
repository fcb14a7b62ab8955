import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describeOnSwitch } from "../peers/switch-under-test.ts";
import { nairobi, TestWorld } from "../world/world.ts";
import { placeUntilTaken } from "./careful-customer.ts";
import { checkCharge, rungTimes } from "./checks.ts";
import { order, takesOrdersAt } from "./random/control.ts";

/** Each commit; a good disk takes a millisecond or two. */
const commitMs = 250;

describeOnSwitch(`a disk that takes ${commitMs} ms to sync`, function () {
  this.timeout(120_000);
  let world: TestWorld;
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "slow-disk-"));
    world = await TestWorld.start(takesOrdersAt(join(folder, "orders.sock")));
  });
  after(async () => {
    await world.end();
    await rm(folder, { recursive: true, force: true });
  });

  it("takes calls, each once, in bounded time, and charges each second", async () => {
    const { customer, inbox } = world;
    const talking = await customer.place({
      ...{ from: nairobi, to: "+254700000001", events_url: inbox.url, record: true },
      actions: [{ dial: { number: "+254700000002" } }],
    });
    await customer.until(talking, "the two joined", ({ events }) =>
      events.some(({ kind }) => kind === "leg.bridged"),
    );
    await order(join(folder, "orders.sock"), { do: "slow", commitMs });

    const numbers = Array.from({ length: 5 }, (_, index) => `+2547126000${index}0`);
    const since = performance.now();
    const placed = await Promise.all(numbers.map((number) => placeUntilTaken(world, number)));
    const tookMs = performance.now() - since;
    await sleep(3_000);
    await customer.hangUp(talking);
    for (const { callId } of placed) await customer.hangUp(callId);

    // Two requests a call, side by side: they share commits.
    assert.ok(tookMs <= 20_000, `${Math.round(tookMs)} ms`);
    for (const { number, ids, callId } of placed) {
      assert.equal(ids.size, 1);
      const call = await customer.ended(callId, 60_000);
      for (const leg of call.legs) await checkCharge(world, leg);
      assert.ok((await rungTimes(world, number)) <= 1, `${number} rang twice`);
    }
    const call = await customer.ended(talking, 60_000);
    for (const leg of call.legs) await checkCharge(world, leg);
    await order(join(folder, "orders.sock"), { do: "slow", commitMs: 0 });
    await world.audit();
  });
});
