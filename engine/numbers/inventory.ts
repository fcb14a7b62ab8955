import { recordChange } from "../audit/audit.ts";
import type { Clock } from "../clock.ts";
import type { Ids } from "../ids.ts";
import type { JsonObject } from "../json.ts";
import { countInventory, insertInventory, inventoryOf, lastReleases } from "../store/inventory.ts";
import type { ReadTx, Store, Tx } from "../store/store.ts";
import { restMs } from "./claims.ts";
import type { ListedNumber } from "./inventory-file.ts";

type Listed = Pick<ListedNumber, "e164" | "country">;
/** A number to be added, and when it may be claimed: at once, or when it has rested since its release. */
type AddedNumber = Listed & { availableAtMs: number };

/** What numbers of a file would change of the inventory. What it leaves out stays. */
export interface InventoryDiff {
  added: AddedNumber[];
  /** Not added: they went to another carrier. */
  portedOut: Listed[];
  /** There already, and how many of those somebody holds. */
  known: number;
  held: number;
}

/** So many rows are looked up, or added, in a few ms. */
const batch = 250;
/** Longer than another process waits between two tries to write, so that its turn comes between any two batches. */
const pauseMs = 30;

/** Of so many numbers as one query takes. */
export async function diffInventory(tx: ReadTx, listed: readonly Listed[]): Promise<InventoryDiff> {
  const heldOf = await inventoryOf(
    tx,
    listed.map(({ e164 }) => e164),
  );
  const missing = listed.filter(({ e164 }) => !heldOf.has(e164));
  const releases = await lastReleases(
    tx,
    missing.map(({ e164 }) => e164),
  );
  const left = ({ e164 }: Listed) => releases.get(e164)?.releaseReason === "ported_out";
  return {
    added: missing
      .filter((number) => !left(number))
      .map((number) => {
        const release = releases.get(number.e164);
        return { ...number, availableAtMs: release ? release.releasedAtMs + restMs : 0 };
      }),
    portedOut: missing.filter(left),
    known: heldOf.size,
    held: [...heldOf.values()].filter((held) => held).length,
  };
}

/** Adds what is not there yet, numbers that somebody holds already among them. Default: to be claimed at once. */
export async function addToInventory(
  tx: Tx,
  { ids, clock }: { ids: Ids; clock: Clock },
  listed: readonly (Listed & Partial<AddedNumber>)[],
): Promise<void> {
  const importedAtMs = clock.nowMs();
  for (const { e164, country, availableAtMs = 0 } of listed)
    await insertInventory(tx, { id: ids.next("inv"), e164, country, availableAtMs, importedAtMs });
}

/** What an import would do, or has done: and how many numbers the inventory has beside the file's. */
export type InventoryImport = InventoryDiff & { others: number };

/** The same of a whole file, from one moment of the inventory to the next. */
export async function previewImport(store: Store, listed: readonly Listed[]): Promise<InventoryImport> {
  const whole = { ...none(), others: 0 };
  for (const some of batches(listed)) addUp(whole, await store.read((tx) => diffInventory(tx, some)));
  return { ...whole, others: (await store.read(countInventory)) - whole.known };
}

/**
 * Imports a file that was found to be without fault: so many numbers in each transaction, with time between them for others
 * to write, since a call that comes in waits for its own. One that was interrupted has added what it has; run again it adds
 * the rest. The operator's entry, `described` of what there is to be done, is in the first transaction that adds anything.
 */
export async function importInventory(
  { store, ids, clock }: { store: Store; ids: Ids; clock: Clock },
  listed: readonly Listed[],
  described: (planned: InventoryImport) => JsonObject,
): Promise<InventoryImport> {
  const planned = await previewImport(store, listed);
  const done: InventoryDiff = none();
  let written = false;
  for (const some of batches(listed)) {
    const seen = await store.read((tx) => diffInventory(tx, some));
    if (seen.added.length === 0) {
      addUp(done, seen);
      continue;
    }
    const entry = written ? null : described(planned);
    addUp(
      done,
      await store.write(async (tx) => {
        const diff = await diffInventory(tx, some);
        await addToInventory(tx, { ids, clock }, diff.added);
        if (entry && diff.added.length > 0)
          await recordChange(
            tx,
            { ids, clock },
            {
              ...{ workspaceId: null, actor: { kind: "operator" }, action: "numbers import", subject: null },
              ...{ before: null, after: entry },
            },
          );
        return diff;
      }),
    );
    written = true;
    await clock.sleep(pauseMs);
  }
  return { ...done, others: planned.others };
}

const none = (): InventoryDiff => ({ added: [], portedOut: [], known: 0, held: 0 });

function addUp(sum: InventoryDiff, more: InventoryDiff): void {
  sum.added.push(...more.added);
  sum.portedOut.push(...more.portedOut);
  sum.known += more.known;
  sum.held += more.held;
}

function* batches<T>(all: readonly T[]): Generator<readonly T[]> {
  for (let from = 0; from < all.length; from += batch) yield all.slice(from, from + batch);
}
