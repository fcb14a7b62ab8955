import assert from "node:assert/strict";
import { dayMs, systemClock, type Clock } from "../../engine/clock.ts";
import { isError } from "../../engine/errors.ts";
import { readBlock } from "../../engine/numbers/inventory-file.ts";
import { importInventory, previewImport } from "../../engine/numbers/inventory.ts";
import { portOut } from "../../engine/numbers/ports.ts";
import type { Store } from "../../engine/store/store.ts";
import { customer, numbersStore } from "./world.ts";

/** The times of a clock that is moved by hand, and pauses that go by. */
const waiting = (clock: Clock): Clock => ({
  ...systemClock,
  nowMs: () => clock.nowMs(),
  nowUs: () => clock.nowUs(),
});

function block(text: string) {
  const numbers = readBlock(text);
  assert.ok(typeof numbers !== "string");
  return numbers;
}

describe("numbers: an inventory that is imported again", () => {
  let store: Store;
  before(async () => {
    store = await numbersStore("+254 20 700 0000-0009");
  });
  after(() => store.close());

  /** The whole block, as the carrier lists it, by the clock of whoever imports it. */
  const again = (parts: Awaited<ReturnType<typeof customer>>["parts"]) =>
    importInventory(
      { ...parts, clock: waiting(parts.clock), store },
      block("+254 20 700 0000-0009"),
      () => ({}),
    );

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

  it("is imported in small steps, between which others write, and run again after a crash it is completed", async () => {
    const { parts } = await customer(store, "2027-03-10T09:00:00Z");
    const numbers = block("+254 20 701 0000-0999");
    const there = async () =>
      (
        await store.read((tx) =>
          tx.all<{ e164: string }>(
            "SELECT e164 FROM number_inventory WHERE e164 LIKE '+25420701%' ORDER BY id",
          ),
        )
      ).map(({ e164 }) => e164);
    const grown: number[] = [];
    const crashing = (at: number): Store => ({
      read: (work) => store.read(work),
      close: () => store.close(),
      async write(work) {
        const before = (await there()).length;
        if (grown.length + 1 === at) throw new Error("killed");
        const result = await store.write(work);
        grown.push((await there()).length - before);
        return result;
      },
    });
    const run = (through: Store) =>
      importInventory(
        { ...parts, clock: waiting(parts.clock), store: through },
        numbers,
        ({ added, known }) => ({ added: added.length, known }),
      );
    const planned = await previewImport(store, numbers);
    assert.deepEqual([planned.added.length, planned.known, planned.others], [1000, 0, 9]);
    await assert.rejects(run(crashing(3)), /killed/);
    assert.deepEqual(
      await there(),
      numbers.slice(0, 500).map(({ e164 }) => e164),
    );
    const rest = await run(crashing(-1));
    assert.deepEqual([rest.added.length, rest.known, rest.others], [500, 500, 9]);
    assert.deepEqual(
      await there(),
      numbers.map(({ e164 }) => e164),
      "each once, in the file's order",
    );
    assert.ok(Math.max(...grown) <= 250, grown.join(", "));
    const again = await run(crashing(-1));
    assert.deepEqual([again.added.length, again.known], [0, 1000]);
    const entries = await store.read((tx) =>
      tx.all<{ after: string }>(
        "SELECT after FROM audit_entries WHERE action = 'numbers import' AND after LIKE '%known%' ORDER BY id",
      ),
    );
    assert.deepEqual(
      entries.map(({ after }) => JSON.parse(after) as object),
      [
        { added: 1000, known: 0 },
        { added: 500, known: 500 },
      ],
    );
  });
});
