import { z } from "zod";
import { done, stay, type Verb } from "./verb.ts";

/** `wait`: nothing happens for so many seconds; the caller hears silence. */
export const wait: Verb<{ seconds: number }, { untilMs: number }> = {
  name: "wait",
  meaning:
    "Nothing happens for so long; the caller hears silence, or, before an inbound call is answered, ringing.",
  schema: z.strictObject({
    seconds: z.number().min(1).max(600).meta({ description: "Seconds, fractions too." }),
  }),
  begin(spec, scene) {
    const untilMs = scene.nowMs + Math.round(spec.seconds * 1000);
    return stay({ untilMs }, [], untilMs);
  },
  on(state, fact, scene) {
    if (fact.kind !== "wake") return null;
    return scene.nowMs >= state.untilMs ? done() : stay(state, [], state.untilMs);
  },
};
