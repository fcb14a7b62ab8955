import type { Clock } from "../clock.ts";
import type { Ids } from "../ids.ts";
import { insertInventory, wholeInventory } from "../store/inventory.ts";
import type { ReadTx, Tx } from "../store/store.ts";
import type { ListedNumber } from "./inventory-file.ts";

/** What a file would change of the inventory. What it leaves out stays. */
export interface InventoryDiff {
  added: ListedNumber[];
  /** There already, and how many of those somebody holds. */
  known: number;
  held: number;
  /** In the inventory, and not in the file. */
  others: number;
}

export async function diffInventory(tx: ReadTx, listed: readonly ListedNumber[]): Promise<InventoryDiff> {
  const whole = await wholeInventory(tx);
  const heldOf = new Map(whole.map(({ e164, held }) => [e164, held]));
  const known = listed.filter(({ e164 }) => heldOf.has(e164));
  return {
    added: listed.filter(({ e164 }) => !heldOf.has(e164)),
    known: known.length,
    held: known.filter(({ e164 }) => heldOf.get(e164)).length,
    others: whole.length - known.length,
  };
}

/** Adds what is not there yet, to be claimed at once; numbers that somebody holds already among them. */
export async function importInventory(
  tx: Tx,
  { ids, clock }: { ids: Ids; clock: Clock },
  listed: readonly Pick<ListedNumber, "e164" | "country">[],
): Promise<void> {
  const importedAtMs = clock.nowMs();
  for (const { e164, country } of listed)
    await insertInventory(tx, { id: ids.next("inv"), e164, country, availableAtMs: 0, importedAtMs });
}
