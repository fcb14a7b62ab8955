import { keepTerm } from "../store/leases.ts";
import type { Store } from "../store/store.ts";
import type { Lease } from "./leases.ts";

/** Another holds the lease by now: whatever this one was about to write is its business. */
export class LeaseLost extends Error {
  constructor({ name, fence }: Pick<Lease, "name" | "fence">) {
    super(`The lease of ${name} (fence ${fence}) is another's by now.`);
  }
}

/** The same store for who holds the lease: `write` rejects with LeaseLost, and undoes its work, once another does. */
export function fencedStore(store: Pick<Store, "read" | "write">, lease: Lease): Store {
  return {
    read: (work) => store.read(work),
    write: (work) =>
      store.write(async (tx) => {
        if (!(await keepTerm(tx, lease))) throw new LeaseLost(lease);
        return work(tx);
      }),
    // Whoever opened it closes it.
    close: () => Promise.resolve(),
  };
}
