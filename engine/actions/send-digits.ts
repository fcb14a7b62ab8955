import { z } from "zod";
import { command, done, stay, type Verb } from "./verb.ts";

/** A digit and the pause behind it on a leg that hears nothing, and what `w` and `W` add: the switch's own figures. */
const digitMs = 640;
const pauseMs = { w: 500, W: 1000 } as const;
/** Until the command is at the switch, and the first digit on its way. */
const roomMs = 250;

export const digitsToSend = z
  .string()
  .regex(/^[0-9*#wW]{1,64}$/, "must be 1 to 64 of 0-9 * # w W")
  .meta({ description: "`w` is a pause of half a second, `W` of a second." });

/** `sendDigits`: sends DTMF (RFC 4733) to the call's party, and waits until it is out. */
export const sendDigits: Verb<{ digits: string }, { untilMs: number }> = {
  name: "sendDigits",
  needsAnswer: true,
  meaning: "Sends digits to the party, as RFC 4733 events, and waits until they are out.",
  schema: z.strictObject({
    digits: digitsToSend,
  }),
  begin({ digits }, scene) {
    const untilMs = scene.nowMs + msOf(digits);
    return stay(
      { untilMs },
      [
        { kind: "event", event: "digits.sent", payload: { digits } },
        command({ kind: "sendDigits", leg: scene.leg, digits }),
      ],
      untilMs,
    );
  },
  on(state, fact, scene) {
    if (fact.kind !== "wake") return null;
    return scene.nowMs >= state.untilMs ? done() : stay(state, [], state.untilMs);
  },
};

const msOf = (digits: string) =>
  Array.from(digits).reduce(
    (ms, digit) => ms + (digit === "w" || digit === "W" ? pauseMs[digit] : digitMs),
    roomMs,
  );
