import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { describeOnSwitch } from "../peers/switch-under-test.ts";
import { eventually } from "../peers/waiting.ts";
import { nairobi, TestWorld } from "../world/world.ts";
import { checkCharge, rungTimes } from "./checks.ts";

/** It answers a heartbeat each second; three that are missed are enough. */
const noticedMsMax = 12_000;

describeOnSwitch("a switch that stands still (SIGSTOP), its connections open", function () {
  this.timeout(90_000);
  let world: TestWorld;
  before(async () => {
    world = await TestWorld.start();
  });
  after(async () => {
    world.switch.child.kill("SIGCONT");
    await world.end();
  });

  it("is noticed within seconds, rings nobody twice, and goes on with the calls that were up", async () => {
    const { customer, inbox } = world;
    const talking = await customer.place({
      ...{ from: nairobi, to: "+254700000001", events_url: inbox.url, record: true },
      actions: [{ dial: { number: "+254700000002" } }],
    });
    await customer.until(talking, "the two joined", ({ events }) =>
      events.some(({ kind }) => kind === "leg.bridged"),
    );
    const ready = (status: number) =>
      eventually(
        `${status} from /readyz`,
        async () => ((await customer.ask("GET", "/readyz")).status === status ? true : undefined),
        { withinMs: noticedMsMax },
      );

    world.switch.child.kill("SIGSTOP");
    await ready(503);
    const number = "+254712700001";
    const meanwhile = await customer.place({ from: nairobi, to: number, events_url: inbox.url });
    world.switch.child.kill("SIGCONT");
    await ready(200);
    await sleep(1_500);

    const { status } = await customer.call(talking);
    assert.equal(status, "answered");
    for (const id of [talking, meanwhile]) {
      await customer.hangUp(id);
      const call = await customer.ended(id, 40_000);
      for (const leg of call.legs) await checkCharge(world, leg);
    }
    assert.ok((await rungTimes(world, number)) <= 1);
    await world.audit();
  });
});
