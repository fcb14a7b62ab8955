import { strict as assert } from "node:assert";
import { recordChange } from "../audit/audit.ts";
import type { Clock } from "../clock.ts";
import type { Ids, PricingNoticeId } from "../ids.ts";
import { withdrawRateChange, type WithdrawnChange } from "../store/pricing-changes.ts";
import { allRates, deleteRate, describeRate, insertRate, keepRates } from "../store/rates.ts";
import type { ReadTx, Tx } from "../store/store.ts";
import { diffDeck, type DeckChange, type DeckDiff } from "./deck-diff.ts";
import type { DeckLine } from "./deck-file.ts";
import { announce, announceWithdrawal, type PricingChange } from "./pricing-notices.ts";

interface Import {
  lines: readonly DeckLine[];
  /** Less than 30 days of notice are taken. */
  force: boolean;
}

/** What an import would do. */
export async function previewDeck(tx: ReadTx, clock: Clock, { lines, force }: Import): Promise<DeckDiff> {
  return diffDeck(await allRates(tx, null), lines, { nowMs: clock.nowMs(), force });
}

/** Imports a deck, and announces what everybody will pay. Where a line is bad it changes nothing. */
export async function importDeck(
  tx: Tx,
  { ids, clock }: { ids: Ids; clock: Clock },
  { lines, force }: Import,
): Promise<DeckDiff & { noticeId: PricingNoticeId | null }> {
  const nowMs = clock.nowMs();
  const diff = diffDeck(await keepRates(tx, null), lines, { nowMs, force });
  if (diff.bad.length > 0) return { ...diff, noticeId: null };
  const withdrawnChanges: WithdrawnChange[] = [];
  for (const { id } of diff.withdrawn) {
    await deleteRate(tx, id);
    withdrawnChanges.push(...(await withdrawRateChange(tx, id, nowMs)));
  }
  await announceWithdrawal(tx, { ids, clock }, withdrawnChanges);
  for (const { id, row } of diff.described) await describeRate(tx, id, row);
  const announced: PricingChange[] = [];
  for (const change of diff.changes) {
    const rateId = ids.next("rate");
    const { microKesPerMinute, ...row } = change.row;
    const price = {
      microKesPerMinute: microKesPerMinute ?? 0,
      ended: microKesPerMinute === null ? 1 : 0,
    } as const;
    assert(await insertRate(tx, { id: rateId, workspaceId: null, ...row, ...price }), "the date is taken");
    announced.push(...told(change, rateId));
  }
  const noticeId = await announce(tx, ids, announced, nowMs);
  const { unchanged, withdrawn, described } = diff;
  const changed = withdrawn.length + described.length + diff.changes.length > 0;
  if (changed)
    await recordChange(
      tx,
      { ids, clock },
      {
        workspaceId: null,
        actor: { kind: "operator" },
        action: "rates import",
        subject: noticeId,
        before: null,
        after: { ...countKinds(diff.changes), unchanged, withdrawn: withdrawn.length, forced: force },
      },
    );
  return { ...diff, noticeId };
}

export const countKinds = (changes: readonly DeckChange[]) => {
  const count = (kind: DeckChange["kind"]) => changes.filter((change) => change.kind === kind).length;
  return { new: count("new"), changed: count("changed"), ended: count("ended") };
};

/** Customers are told of prices that are other ones than before. */
function told({ row, before, after }: DeckChange, rateId: string): PricingChange[] {
  if (before === null || before === after) return [];
  const { legKind, direction, prefix, country, description, effectiveAtMs } = row;
  const place = { rateId, priceName: null, legKind, direction, prefix, country, description };
  return [{ ...place, beforeAmount: before, afterAmount: after, effectiveAtMs }];
}
