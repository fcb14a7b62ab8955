import type { Clock } from "../clock.ts";
import type { Ids } from "../ids.ts";
import { insertInventory, lastReleases, wholeInventory } from "../store/inventory.ts";
import type { ReadTx, Tx } from "../store/store.ts";
import { restMs } from "./claims.ts";
import type { ListedNumber } from "./inventory-file.ts";

type Listed = Pick<ListedNumber, "e164" | "country">;
/** A number to be added, and when it may be claimed: at once, or when it has rested since its release. */
type AddedNumber = Listed & { availableAtMs: number };

/** What a file would change of the inventory. What it leaves out stays. */
export interface InventoryDiff {
  added: AddedNumber[];
  /** Not added: they went to another carrier. */
  portedOut: Listed[];
  /** There already, and how many of those somebody holds. */
  known: number;
  held: number;
  /** In the inventory, and not in the file. */
  others: number;
}

export async function diffInventory(tx: ReadTx, listed: readonly Listed[]): Promise<InventoryDiff> {
  const whole = await wholeInventory(tx);
  const heldOf = new Map(whole.map(({ e164, held }) => [e164, held]));
  const known = listed.filter(({ e164 }) => heldOf.has(e164));
  const releases = await lastReleases(tx);
  const missing = listed.filter(({ e164 }) => !heldOf.has(e164));
  const left = (number: Listed) => releases.get(number.e164)?.releaseReason === "ported_out";
  return {
    added: missing
      .filter((number) => !left(number))
      .map((number) => {
        const release = releases.get(number.e164);
        return { ...number, availableAtMs: release ? release.releasedAtMs + restMs : 0 };
      }),
    portedOut: missing.filter(left),
    known: known.length,
    held: known.filter(({ e164 }) => heldOf.get(e164)).length,
    others: whole.length - known.length,
  };
}

/** Adds what is not there yet, numbers that somebody holds already among them. Default: to be claimed at once. */
export async function importInventory(
  tx: Tx,
  { ids, clock }: { ids: Ids; clock: Clock },
  listed: readonly (Listed & Partial<AddedNumber>)[],
): Promise<void> {
  const importedAtMs = clock.nowMs();
  for (const { e164, country, availableAtMs = 0 } of listed)
    await insertInventory(tx, { id: ids.next("inv"), e164, country, availableAtMs, importedAtMs });
}
