import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { join } from "node:path";
import { startCarrierProcess } from "../peers/carrier-process.ts";
import { startSautikit } from "../peers/child.ts";
import { boxName, describeOnSwitch, startSwitchUnderTest } from "../peers/switch-under-test.ts";
import { nairobi, TestWorld } from "../world/world.ts";

describeOnSwitch("a controller with the spool of one of its boxes", function () {
  this.timeout(120_000);

  it("waits longer for the record of a leg that was dialled on the other, and that nobody has heard of", async () => {
    const carrier = await startCarrierProcess();
    const second = await startSwitchUnderTest({ carrier });
    const storage = { S3_ENDPOINT: "http://127.0.0.1:9", S3_ACCESS_KEY_ID: "a", S3_SECRET_ACCESS_KEY: "b" };
    const world = await TestWorld.start(storage, "api", { carrier, beside: [second] });
    try {
      const [mine, others] = [boxName(world.switch), boxName(second)];
      const placed = [];
      for (const to of ["+254700000001", "+254700000002"])
        placed.push(await world.customer.place({ from: nairobi, to }));
      // As a controller leaves them that dies with the originates on their way.
      const nowMs = Date.now();
      await world.byHand(
        `UPDATE intents SET sent_at_ms = ${nowMs}; UPDATE legs SET dialled_at_ms = ${nowMs}`,
      );
      const rows = (await world.byHand("SELECT call_id, box FROM legs")) as {
        call_id: string;
        box: string;
      }[];
      const callAt = (box: string) => rows.find((row) => row.box === box)!.call_id;
      assert.deepEqual([callAt(mine), callAt(others)].sort(), placed.sort());

      const env = { ...world.env, DATA_DIR: join(world.folder, "asha"), SPOOL_BOXES: mine };
      const roles = ["start", "--role", "controller,spool"];
      const { child } = await startSautikit(roles, { folder: world.folder, env });
      try {
        const ended = await world.customer.ended(callAt(mine), 30_000);
        assert.equal(ended.failure_code, "controller_restarted");
        await sleep(8_000);
        assert.equal((await world.customer.call(callAt(others))).ended_at, null);
      } finally {
        await child.stop();
      }
    } finally {
      await world.end();
      await second.stop();
    }
  });
});
