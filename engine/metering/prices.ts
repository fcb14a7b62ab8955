import { strict as assert } from "node:assert";
import { recordChange } from "../audit/audit.ts";
import type { Clock } from "../clock.ts";
import { rfc3339Seconds } from "../clock.ts";
import type { Ids, PricingNoticeId } from "../ids.ts";
import { withdrawPriceChange, type WithdrawnChange } from "../store/pricing-changes.ts";
import { deletePrice, insertPrice, keepPrices, type PriceName } from "../store/rates.ts";
import type { Tx } from "../store/store.ts";
import { noticeMs } from "./deck-diff.ts";
import { announce, announceWithdrawal, pricesByName } from "./pricing-notices.ts";

export interface NewPrice {
  name: PriceName;
  /** In the price's own unit. */
  amount: number;
  effectiveAtMs: number;
  /** Less than 30 days of notice are taken. */
  force: boolean;
}

export type PriceSet =
  | { kind: "set"; noticeId: PricingNoticeId | null; beforeAmount: number; withdrawn: number }
  | { kind: "unchanged" }
  /** Its date has passed. */
  | { kind: "past" }
  | { kind: "tooSoon"; earliestMs: number };

/**
 * What a price is from a date on, and announces it. It takes the place of whatever was to come from that date on. VAT is the
 * law's, which gives the notice that it gives.
 */
export async function setPrice(
  tx: Tx,
  { ids, clock }: { ids: Ids; clock: Clock },
  { name, amount, effectiveAtMs, force }: NewPrice,
): Promise<PriceSet> {
  const nowMs = clock.nowMs();
  if (effectiveAtMs <= nowMs) return { kind: "past" };
  const prices = await keepPrices(tx, name);
  const before = prices.findLast((price) => price.effectiveAtMs < effectiveAtMs);
  assert(before, `the deck has no price ${name}`);
  const replaced = prices.filter((price) => price.effectiveAtMs >= effectiveAtMs);
  const same = before.amount === amount;
  if (same && replaced.length === 0) return { kind: "unchanged" };
  const [only] = replaced;
  if (replaced.length === 1 && only?.effectiveAtMs === effectiveAtMs && only.amount === amount)
    return { kind: "unchanged" };
  if (name !== "vat_basis_points" && !force && effectiveAtMs < nowMs + noticeMs)
    return { kind: "tooSoon", earliestMs: nowMs + noticeMs };
  const withdrawnChanges: WithdrawnChange[] = [];
  for (const price of replaced) {
    await deletePrice(tx, name, price.effectiveAtMs);
    withdrawnChanges.push(...(await withdrawPriceChange(tx, name, price.effectiveAtMs, nowMs)));
  }
  await announceWithdrawal(tx, { ids, clock }, withdrawnChanges);
  if (!same) assert(await insertPrice(tx, name, { amount, effectiveAtMs }), "the date is taken");
  const change = {
    ...{ rateId: null, priceName: name, legKind: null, direction: null, prefix: null, country: null },
    ...{ description: pricesByName[name].title, effectiveAtMs },
    ...{ beforeAmount: before.amount, afterAmount: amount },
  };
  const noticeId = await announce(tx, ids, same ? [] : [change], nowMs);
  await recordChange(
    tx,
    { ids, clock },
    {
      workspaceId: null,
      actor: { kind: "operator" },
      action: "prices set",
      subject: name,
      before: { amount: before.amount, withdrawn: replaced.length },
      after: { amount, effective_at: rfc3339Seconds(effectiveAtMs), forced: force },
    },
  );
  return { kind: "set", noticeId, beforeAmount: before.amount, withdrawn: replaced.length };
}
