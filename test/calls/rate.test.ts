import assert from "node:assert/strict";
import { readDeck } from "../../engine/metering/deck-file.ts";
import { importDeck } from "../../engine/metering/deck-import.ts";
import { describeOnSwitch } from "../peers/switch-under-test.ts";
import { world, type World } from "./world.ts";

const talksOn = "+254700000001";

describeOnSwitch("the rate of a leg", function () {
  this.timeout(40_000);
  let w: World;
  before(async () => {
    w = await world();
  });
  after(() => w.end());

  it("is fixed when it is dialled: a deck that changes in mid-call changes the next call alone", async () => {
    const first = await w.place({ to: talksOn, maxDurationSeconds: 14_400 });
    await w.until(first, "its answer", ({ status }) => status === "answered");
    const { lines } = readDeck("prefix,kes_per_minute\n254,60");
    const imported = await w.store.write((tx) => importDeck(tx, w, { lines, force: true }));
    assert.deepEqual(imported.bad, []);
    const second = await w.place({ to: talksOn, maxDurationSeconds: 14_400 });
    await w.until(second, "its answer", ({ status }) => status === "answered");
    // The switch's stamps go by ticks: what is answered and ended within one lasts no time at all.
    await w.until(second, "its second second", ({ duration_seconds }) => duration_seconds >= 2);
    for (const id of [first, second]) await w.hangUp(id);

    for (const [id, centsPerSecond] of [
      [first, 5],
      [second, 100],
    ] as const) {
      const [leg] = (await w.ended(id)).legs;
      assert.ok(leg!.billed_seconds > 0);
      assert.equal(leg!.cost_minor, leg!.billed_seconds * centsPerSecond);
    }
  });
});
