import { recordChange } from "../audit/audit.ts";
import { rfc3339Seconds, type Clock } from "../clock.ts";
import type { Ids, WorkspaceId } from "../ids.ts";
import { deleteRate, insertRate, keepRates } from "../store/rates.ts";
import type { Tx } from "../store/store.ts";
import { keepWorkspace } from "../store/workspaces.ts";
import { kesText } from "./deck-file.ts";

export interface OwnRate {
  workspaceId: WorkspaceId;
  /** Digits after the +. */
  prefix: string;
  country: string | null;
  /** Null: what everybody pays. */
  microKesPerMinute: number | null;
  /** Now, or later. */
  effectiveAtMs: number;
}

/** What one workspace pays for calls to a prefix, whatever everybody does. It takes the place of what was to come. */
export async function setOwnRate(
  tx: Tx,
  { ids, clock }: { ids: Ids; clock: Clock },
  { workspaceId, prefix, country, microKesPerMinute, effectiveAtMs }: OwnRate,
): Promise<void> {
  await keepWorkspace(tx, workspaceId);
  const own = (await keepRates(tx, workspaceId)).filter(
    (row) => row.legKind === "pstn" && row.direction === "outbound" && row.prefix === prefix,
  );
  for (const row of own) if (row.effectiveAtMs >= effectiveAtMs) await deleteRate(tx, row.id);
  const before = own.findLast((row) => row.effectiveAtMs < effectiveAtMs);
  await insertRate(tx, {
    id: ids.next("rate"),
    ...{ workspaceId, legKind: "pstn", direction: "outbound", prefix, country, effectiveAtMs },
    description: "Own rate",
    microKesPerMinute: microKesPerMinute ?? 0,
    ended: microKesPerMinute === null ? 1 : 0,
  });
  const price = (micro: number | null) => (micro === null ? null : kesText(micro));
  await recordChange(
    tx,
    { ids, clock },
    {
      workspaceId,
      actor: { kind: "operator" },
      action: "rates set",
      subject: `+${prefix}`,
      before: { kes_per_minute: price(before && !before.ended ? before.microKesPerMinute : null) },
      after: { kes_per_minute: price(microKesPerMinute), effective_at: rfc3339Seconds(effectiveAtMs) },
    },
  );
}
