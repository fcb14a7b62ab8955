import assert from "node:assert/strict";
import { dayMs } from "../../engine/clock.ts";
import { isError } from "../../engine/errors.ts";
import { readBlock } from "../../engine/numbers/inventory-file.ts";
import { diffInventory, importInventory } from "../../engine/numbers/inventory.ts";
import { portOut } from "../../engine/numbers/ports.ts";
import type { Store } from "../../engine/store/store.ts";
import { customer, numbersStore } from "./world.ts";

describe("numbers: an inventory that is imported again", () => {
  let store: Store;
  before(async () => {
    store = await numbersStore("+254 20 700 0000-0009");
  });
  after(() => store.close());

  /** The whole block, as the carrier lists it, by the clock of whoever imports it. */
  const again = (parts: Awaited<ReturnType<typeof customer>>["parts"]) =>
    store.write(async (tx) => {
      const numbers = readBlock("+254 20 700 0000-0009");
      assert.ok(typeof numbers !== "string");
      const diff = await diffInventory(tx, numbers);
      await importInventory(tx, parts, diff.added);
      return diff;
    });

  it("leaves out what went to another carrier", async () => {
    const wanjiru = await customer(store, "2027-01-10T09:00:00Z", 500);
    const number = "+254207000001";
    await wanjiru.claim(number);
    wanjiru.clock.advanceTo(wanjiru.clock.nowMs() + 31 * dayMs);
    await wanjiru.look();
    await store.write((tx) => portOut(tx, wanjiru.parts, number));
    const { added, portedOut } = await again(wanjiru.parts);
    assert.deepEqual(added, []);
    assert.deepEqual(
      portedOut.map(({ e164 }) => e164),
      [number],
    );
    await assert.rejects(wanjiru.claim(number), (error) => isError(error, "numbers.not_in_inventory"));
  });

  it("has what was released rest as long as if it had been there", async () => {
    const otieno = await customer(store, "2027-03-10T09:00:00Z", 500);
    const number = "+254207000002";
    const id = await otieno.claim(number);
    // As one that the operator gave by hand: it was in no inventory.
    await store.write((tx) => tx.run("DELETE FROM number_inventory WHERE e164 = ?", [number]));
    await otieno.release(id);
    assert.equal((await again(otieno.parts)).added.length, 1);
    await assert.rejects(otieno.claim(number), (error) => isError(error, "numbers.resting"));
    otieno.clock.advanceTo(otieno.clock.nowMs() + 30 * dayMs);
    await otieno.claim(number);
  });
});
