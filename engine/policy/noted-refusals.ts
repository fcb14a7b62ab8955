import { rfc3339Ms, type Clock } from "../clock.ts";
import type { CallId, Ids, WorkspaceId } from "../ids.ts";
import { countBefore, countRefusal, sweepOldRefusals, sweepRefusals } from "../store/refusals.ts";
import type { Tx } from "../store/store.ts";
import type { Outbox } from "../webhooks/outbox.ts";
import { tellWorkspace } from "../webhooks/workspace-events.ts";
import type { CallRefused, RefusalSource } from "./refusal.ts";

const minuteMs = 60_000;
/** They are kept for 90 days; those of a kind are swept as further ones come, and all others in time. */
const keptMinutes = 90 * 24 * 60;
const sweptAtOnce = 10;
const forgottenAtOnce = 1_000;

/** Of kinds that nobody is refused for any more; to be done now and then. */
export const forgetOldRefusals = (tx: Tx, nowMs: number): Promise<void> =>
  sweepOldRefusals(tx, Math.floor(nowMs / minuteMs) - keptMinutes, forgottenAtOnce);

/**
 * One row and one event for each reason, source and minute of a workspace, however many are refused: the further ones are
 * counted in the row. An event's `count` stands for its own and for those of the minute told before that were only counted.
 */
export async function noteRefusal(
  tx: Tx,
  parts: { clock: Clock; ids: Ids; outbox: Outbox },
  { reason, code, message }: CallRefused,
  {
    workspaceId,
    source,
    from,
    to,
    callId = null,
  }: {
    workspaceId: WorkspaceId;
    source: RefusalSource;
    from: string | null;
    to: string | null;
    callId?: CallId | null;
  },
): Promise<void> {
  const nowMs = parts.clock.nowMs();
  const of = { workspaceId, reason, source, minute: Math.floor(nowMs / minuteMs) };
  const { id, count } = await countRefusal(tx, {
    ...of,
    ...{ id: parts.ids.next("ref"), fromE164: from, toE164: to, callId, message, createdAtMs: nowMs },
  });
  if (count > 1) return;
  await sweepRefusals(tx, of, of.minute - keptMinutes, sweptAtOnce);
  const onlyCounted = Math.max((await countBefore(tx, of)) - 1, 0);
  await tellWorkspace(tx, parts, {
    workspaceId,
    kind: "calls.refused",
    data: {
      ...{ refusal_id: id, reason, code, message, source, from, to, call_id: callId },
      ...{ count: 1 + onlyCounted, refused_at: rfc3339Ms(nowMs) },
    },
  });
}
