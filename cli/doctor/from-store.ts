import type { Clock } from "../../engine/clock.ts";
import type { Store } from "../../engine/store/store.ts";
import type { Config } from "../config.ts";
import { openStore } from "../open-store.ts";
import { doubtful, wordsOf, type Finding } from "./finding.ts";

/** What is found in the database; that it is away is another part's to say. */
export async function fromStore(
  config: Config,
  clock: Clock,
  look: (store: Store) => Promise<Finding>,
): Promise<Finding> {
  let store;
  try {
    store = await openStore(config, { clock });
    return await look(store);
  } catch (error) {
    return doubtful(`not looked at: ${wordsOf(error)}`, "Mend what is wrong with the database first.");
  } finally {
    await store?.close();
  }
}
