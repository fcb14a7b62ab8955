import type { Clock } from "../../engine/clock.ts";
import { boxStates } from "../../engine/store/leases.ts";
import type { Config } from "../config.ts";
import { boxNamesOf } from "../open-calls.ts";
import { doubtful, sound, type Finding } from "./finding.ts";
import { fromStore } from "./from-store.ts";

/** Whether a box is kept from new calls: one that was forgotten so carries nothing, and is missed only in the busy hour. */
export function checkDrains(config: Config, clock: Clock): Promise<Finding> {
  return fromStore(config, clock, async (store) => {
    const states = await store.read(boxStates);
    const boxes = boxNamesOf(config);
    const drained = boxes.filter((box) =>
      states.some(({ name, draining }) => name === box && draining === 1),
    );
    if (drained.length === 0) return sound("none is being drained");
    const names = drained.join(", ");
    return doubtful(
      drained.length === boxes.length
        ? `no new calls are taken: ${names} ${boxes.length === 1 ? "is" : "are all"} being drained`
        : `being drained, without new calls: ${names}`,
      "npx sautikit box undrain BOX, once its maintenance is over (docs/many.md).",
    );
  });
}
