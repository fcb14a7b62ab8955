import assert from "node:assert/strict";
import { takeLease } from "../../engine/store/leases.ts";
import { directoryWritten, sipDirectory } from "../../engine/store/sip-credentials.ts";
import {
  gatewayWritten,
  trunkFilesOfBox,
  trunkFilesWritten,
  trunkGateways,
} from "../../engine/store/trunks.ts";
import { hurried } from "../peers/hurried-clock.ts";
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
    // Another controller leads it, whose list of boxes is longer.
    await here.store.write((tx) => takeLease(tx, "added", "baraka", undefined));
    for (const box of ["box", "added", "gone"])
      await here.store.write(async (tx) => {
        await gatewayWritten(tx, box, "safari", "hash");
        await trunkFilesWritten(tx, box, "hash");
        await directoryWritten(tx, box, "hash");
      });
    const kept = () =>
      here.store.read(async (tx) => ({
        gateways: (await trunkGateways(tx)).map(({ box }) => box),
        files: (await trunkFilesOfBox(tx, "gone"))?.box,
        logins: (await sipDirectory(tx, "gone"))?.box,
      }));
    await here.control(undefined, hurried(20));
    assert.deepEqual(await kept(), { gateways: ["added", "box", "gone"], files: "gone", logins: "gone" });

    await eventually("the other box's end", async () => (await kept()).files === undefined || undefined, {
      withinMs: 15_000,
    });
    assert.deepEqual(await kept(), { gateways: ["added", "box"], files: undefined, logins: undefined });
    for (const box of ["box", "added"])
      assert.deepEqual(
        await here.store.read(async (tx) => [
          (await trunkFilesOfBox(tx, box))?.box,
          (await sipDirectory(tx, box))?.box,
        ]),
        [box, box],
      );
  });
});
