import assert from "node:assert/strict";
import { systemClock, type Clock } from "../../engine/clock.ts";
import { directoryWritten, sipDirectory } from "../../engine/store/sip-credentials.ts";
import {
  gatewayWritten,
  trunkFilesOfBox,
  trunkFilesWritten,
  trunkGateways,
} from "../../engine/store/trunks.ts";
import { describeOnSwitch } from "../peers/switch-under-test.ts";
import { eventually } from "../peers/waiting.ts";
import { world, type World } from "./world.ts";

describeOnSwitch("what is kept of boxes", function () {
  this.timeout(30_000);
  let here: World;
  before(async () => {
    here = await world();
  });
  after(() => here.end());

  it("that are not configured any more is forgotten within a minute or two, and of no others", async () => {
    for (const box of ["box", "gone"])
      await here.store.write(async (tx) => {
        await gatewayWritten(tx, box, "safari", "hash");
        await trunkFilesWritten(tx, box, "hash");
        await directoryWritten(tx, box, "hash");
      });
    let laterMs = 0;
    const time: Clock = Object.assign(Object.create(systemClock) as Clock, {
      monotonicMs: () => systemClock.monotonicMs() + laterMs,
    });
    const kept = () =>
      here.store.read(async (tx) => ({
        gateways: (await trunkGateways(tx)).map(({ box }) => box),
        files: (await trunkFilesOfBox(tx, "gone"))?.box,
        logins: (await sipDirectory(tx, "gone"))?.box,
      }));
    await here.control(undefined, time);
    assert.deepEqual(await kept(), { gateways: ["box", "gone"], files: "gone", logins: "gone" });

    await eventually("the other box's end", async () => {
      // Counted from its first look, which nobody is told of.
      laterMs += 61_000;
      return (await kept()).files === undefined || undefined;
    });
    assert.deepEqual(await kept(), { gateways: ["box"], files: undefined, logins: undefined });
    const own = await here.store.read(async (tx) => [
      (await trunkFilesOfBox(tx, "box"))?.box,
      (await sipDirectory(tx, "box"))?.box,
    ]);
    assert.deepEqual(own, ["box", "box"]);
  });
});
