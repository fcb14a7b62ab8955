import type { Clock } from "../clock.ts";
import type { Log } from "../log.ts";
import { boxByName, liveLegsOfStrays, type Strays } from "../store/calls.ts";
import { forgetDirectoriesOfStrays } from "../store/sip-credentials.ts";
import type { Store } from "../store/store.ts";
import { forgetTrunksOfStrays } from "../store/trunks.ts";
import { lastProvenUs, lostLeg, type LegNews } from "./leg-progress.ts";

/**
 * Ends the legs of boxes that are nobody's any more: nobody will ever tell of them, and they would hold their place
 * and run up money for ever. Billed to the last moment in which they were proven to live.
 */
export async function endLegsOfUnknownBoxes(
  parts: { store: Store; clock: Clock; log: Log; news: (news: LegNews) => Promise<unknown> },
  strays: Strays,
): Promise<void> {
  const { store, clock, log, news } = parts;
  for (const leg of await store.read((tx) => liveLegsOfStrays(tx, strays))) {
    log.warn({ leg: leg.id, box: leg.box }, "ending a leg of a box that is not configured any more");
    const box = await store.read((tx) => boxByName(tx, leg.box));
    await news(lostLeg(leg, lastProvenUs(leg, box?.aliveAtUs), clock.nowUs(), "switch_not_configured"));
  }
}

/** What was kept of how far those boxes are with their trunks and their lists of logins. */
export async function forgetUnknownBoxes({ store }: { store: Store }, strays: Strays): Promise<void> {
  await store.write(async (tx) => {
    await forgetTrunksOfStrays(tx, strays);
    await forgetDirectoriesOfStrays(tx, strays);
  });
}
