import type { IntentOwner } from "../ids.ts";
import { boxOfOwner } from "../store/calls.ts";
import type { Store } from "../store/store.ts";

/** Enough for what is told of all the calls that run. */
const keptMax = 20_000;

/** Which box a call, or a room, is on: read once each. */
export class Owners {
  readonly #store: Pick<Store, "read">;
  readonly #boxes = new Map<IntentOwner, Promise<string | null>>();

  constructor(store: Pick<Store, "read">) {
    this.#store = store;
  }

  /** Null: none is known. Never rejects. */
  boxOf(owner: IntentOwner): Promise<string | null> {
    let box = this.#boxes.get(owner);
    if (box === undefined) {
      box = this.#store.read((tx) => boxOfOwner(tx, owner)).catch(() => null);
      this.#boxes.set(owner, box);
      void box.then((found) => {
        // It may be told before it is there to be read.
        if (found === null) this.#boxes.delete(owner);
      });
      const [oldest] = this.#boxes.keys();
      if (this.#boxes.size > keptMax && oldest !== undefined) this.#boxes.delete(oldest);
    }
    return box;
  }
}
