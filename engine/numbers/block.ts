import { recordChange } from "../audit/audit.ts";
import { rfc3339Seconds, type Clock } from "../clock.ts";
import type { Ids } from "../ids.ts";
import {
  isInService,
  numberByE164,
  numberToChange,
  updateBlocked,
  type NumberRow,
} from "../store/numbers.ts";
import type { Tx } from "../store/store.ts";
import { keepWorkspace } from "../store/workspaces.ts";
import type { Outbox } from "../webhooks/outbox.ts";
import { tellWorkspace } from "../webhooks/workspace-events.ts";

interface Parts {
  clock: Clock;
  ids: Ids;
  outbox: Outbox;
}

/**
 * Takes a number out of service by the operator's hand, or ends that: apart from its rent, which goes on either way. The
 * number as it is then; null: nobody holds it. What is so already stays so.
 */
export async function blockNumber(
  tx: Tx,
  parts: Parts,
  e164: string,
  blocked: boolean,
): Promise<NumberRow | null> {
  const held = await numberByE164(tx, e164);
  // Before the number's row, as every change of one: a call that is let in sees it.
  if (held) await keepWorkspace(tx, held.workspaceId);
  const before = held && (await numberToChange(tx, held.workspaceId, held.id));
  if (!before || before.status === "released") return null;
  if ((before.blockedAtMs !== null) === blocked) return before;
  const nowMs = parts.clock.nowMs();
  const after = { ...before, blockedAtMs: blocked ? nowMs : null };
  await updateBlocked(tx, before.id, after.blockedAtMs);
  await recordChange(tx, parts, {
    ...{ workspaceId: before.workspaceId, actor: { kind: "operator" }, subject: before.id },
    action: blocked ? "number suspend" : "number resume",
    before: { number: e164, suspended_by_operator: !blocked },
    after: { number: e164, suspended_by_operator: blocked },
  });
  if (!blocked) await tellResumed(tx, parts, after);
  else if (isInService(before))
    await tellWorkspace(tx, parts, {
      workspaceId: before.workspaceId,
      kind: "number.suspended",
      data: {
        ...{ number_id: before.id, number: e164, reason: "operator", owed_minor: null },
        ...{ suspended_at: rfc3339Seconds(nowMs), release_at: null },
      },
    });
  return after;
}

/** Told once it can be called again; not where something else keeps it out of service. */
export async function tellResumed(tx: Tx, parts: Parts, number: NumberRow): Promise<void> {
  if (!isInService(number)) return;
  await tellWorkspace(tx, parts, {
    workspaceId: number.workspaceId,
    kind: "number.resumed",
    data: {
      ...{ number_id: number.id, number: number.e164 },
      resumed_at: rfc3339Seconds(parts.clock.nowMs()),
    },
  });
}
