import assert from "node:assert/strict";
import { describeOnSwitch } from "../peers/switch-under-test.ts";
import { eventually } from "../peers/waiting.ts";
import { nairobi, TestWorld } from "./world.ts";

describeOnSwitch("what is old is forgotten by itself", function () {
  this.timeout(60_000);
  let world: TestWorld;
  before(async () => {
    world = await TestWorld.start();
  });
  after(() => world.end());

  it("a refusal of months ago", async () => {
    const { customer } = world;
    const body = { from: nairobi, to: "+256772000001" };
    assert.equal((await customer.ask("POST", "/v1/calls", { body })).status, 422);
    const refusals = async () => (await customer.ask("GET", "/v1/refusals")).body.data as unknown[];
    assert.equal((await refusals()).length, 1);
    await world.byHand("UPDATE refusals SET minute = minute - 91 * 24 * 60");

    await world.killSautikit();
    await world.startSautikit();

    await eventually("its end", async () => (await refusals()).length === 0 || undefined);
  });
});
