import type { CallId, LegId } from "../ids.ts";
import { intentsOfCall } from "../store/calls.ts";
import type { ReadTx } from "../store/store.ts";
import type { Command } from "./command.ts";

/** Whether it was decided to end this leg, and not done yet: nobody is rung, or answered, only to be hung up. */
export async function hangUpWaits(tx: ReadTx, call: CallId, leg: LegId): Promise<boolean> {
  const intents = await intentsOfCall(tx, call);
  return intents.some(({ commands }) =>
    (JSON.parse(commands) as Command[]).some((command) => command.kind === "hangUp" && command.leg === leg),
  );
}
