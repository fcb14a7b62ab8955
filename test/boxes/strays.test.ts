import assert from "node:assert/strict";
import { StrayBoxes } from "../../engine/boxes/strays.ts";
import { systemClock } from "../../engine/clock.ts";
import { leases, releaseLease, takeLease } from "../../engine/store/leases.ts";
import type { Store } from "../../engine/store/store.ts";
import { openTestStore } from "../store/test-database.ts";

describe("a box that is not configured here", () => {
  let store: Store;
  let nowMs = 0;
  let strays: StrayBoxes;
  beforeEach(async () => {
    store = await openTestStore();
    strays = new StrayBoxes({
      ...{ store, configured: ["box"] },
      clock: { ...systemClock, monotonicMs: () => nowMs },
    });
  });
  afterEach(() => store.close());

  const taken = async (holder: string) => {
    const seen = (await store.read(leases)).find(({ name }) => name === "another");
    const fence = await store.write((tx) => takeLease(tx, "another", holder, seen));
    assert.ok(fence !== null);
    return { name: "another", holder, fence };
  };
  const givenBack = (term: Awaited<ReturnType<typeof taken>>) => store.write((tx) => releaseLease(tx, term));
  async function seconds(count: number): Promise<void> {
    for (let passed = 0; passed < count; passed++) {
      nowMs += 1_000;
      await strays.look();
    }
  }
  const isStray = () => strays.strays?.leaderless.includes("another") ?? false;

  it("is a stray once nobody has led it for a minute, whoever had it in between", async () => {
    const asha = await taken("asha");
    await seconds(90);
    assert.deepEqual(strays.strays, { configured: ["box"], leaderless: [] });
    await givenBack(asha);
    await seconds(60);
    assert.equal(isStray(), false);
    await givenBack(await taken("baraka"));
    await seconds(60);
    assert.equal(isStray(), false);
    await seconds(1);
    assert.equal(isStray(), true);
    await taken("asha");
    await seconds(1);
    assert.equal(isStray(), false);
  });

  it("is none by a minute in which the database was away, since nobody could take it", async () => {
    await givenBack(await taken("asha"));
    await seconds(30);
    nowMs += 90_000;
    await seconds(60);
    assert.equal(strays.strays, null);
    await seconds(1);
    assert.equal(isStray(), true);
  });
});
