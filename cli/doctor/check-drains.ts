import type { Clock } from "../../engine/clock.ts";
import type { Config } from "../config.ts";
import { boxNamesOf } from "../open-calls.ts";
import { drainedSince } from "../operator/boxes.ts";
import { doubtful, sound, type Finding } from "./finding.ts";
import { fromStore } from "./from-store.ts";

/** Whether a box is kept from new calls: one that was forgotten so carries nothing, and is missed only in the busy hour. */
export function checkDrains(config: Config, clock: Clock): Promise<Finding> {
  return fromStore(config, clock, async (store) => {
    const since = await store.read(drainedSince);
    const boxes = boxNamesOf(config);
    const drained = boxes.filter((box) => since.has(box));
    if (drained.length === 0) return sound("none is being drained");
    const names = drained.map((box) => `${box} (since ${since.get(box) ?? "nobody knows when"})`).join(", ");
    return doubtful(
      drained.length === boxes.length
        ? `no new calls are taken: ${names} ${boxes.length === 1 ? "is" : "are all"} being drained`
        : `being drained, without new calls: ${names}`,
      "npx sautikit box undrain BOX, once its maintenance is over (docs/many.md).",
    );
  });
}
