import type { IntentOwner } from "../ids.ts";
import { insertIntent } from "../store/calls.ts";
import type { Tx } from "../store/store.ts";
import type { ChangeParts } from "./change-parts.ts";
import { isAtMostOnce, type Command } from "./command.ts";

/** Stores one row of what is to be done, where no change of a call gathers it: of a room, or of a leg's deadline. */
export async function intend(
  tx: Tx,
  { ids, clock, changed }: Pick<ChangeParts, "ids" | "clock" | "changed">,
  owner: IntentOwner,
  commands: readonly Command[],
): Promise<void> {
  await insertIntent(tx, {
    id: ids.next("int"),
    callId: owner,
    commands: JSON.stringify(commands),
    atMostOnce: commands.some(isAtMostOnce) ? 1 : 0,
    sentAtMs: null,
    createdAtMs: clock.nowMs(),
  });
  tx.afterCommit(() => changed(owner));
}
