import type { Clock } from "../engine/clock.ts";
import type { Ids } from "../engine/ids.ts";
import { readBlock } from "../engine/numbers/inventory-file.ts";
import { addToInventory } from "../engine/numbers/inventory.ts";
import { hasInventory } from "../engine/store/inventory.ts";
import type { Store } from "../engine/store/store.ts";

/** The first is the product page's, which the demo workspace has. */
const sampleBlock = "+254 20 000 0001-0100";

/** Beside the simulated carrier, which brings calls to whatever number is here: numbers to claim, where there are none. */
export async function seedInventory(store: Store, parts: { ids: Ids; clock: Clock }): Promise<void> {
  const numbers = readBlock(sampleBlock);
  if (typeof numbers === "string") throw new Error(numbers);
  await store.write(async (tx) => {
    if (!(await hasInventory(tx))) await addToInventory(tx, parts, numbers);
  });
}
