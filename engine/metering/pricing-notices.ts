import type { Ids, PricingNoticeId } from "../ids.ts";
import type { Clock } from "../clock.ts";
import {
  insertNotice,
  insertPricingChange,
  keepNotice,
  tellWithdrawal,
  type PricingChangeRow,
  type WithdrawnChange,
} from "../store/pricing-changes.ts";
import type { Direction, LegKind, PriceName } from "../store/rates.ts";
import type { Tx } from "../store/store.ts";
import { kesText } from "./deck-file.ts";

/** A change of what everybody pays. */
export type PricingChange = Pick<
  PricingChangeRow,
  | "rateId"
  | "priceName"
  | "legKind"
  | "direction"
  | "prefix"
  | "country"
  | "description"
  | "beforeAmount"
  | "afterAmount"
  | "effectiveAtMs"
>;

/** Announces changes: they are listed from now on, and mailed to every owner. Null: there is nothing to announce. */
export async function announce(
  tx: Tx,
  ids: Ids,
  changes: readonly PricingChange[],
  nowMs: number,
): Promise<PricingNoticeId | null> {
  if (changes.length === 0) return null;
  const noticeId = ids.next("prc");
  await insertNotice(tx, { id: noticeId, createdAtMs: nowMs, withdrawsId: null });
  for (const change of changes)
    await insertPricingChange(tx, { id: ids.next("chg"), noticeId, announcedAtMs: nowMs, ...change });
  return noticeId;
}

/** Has those who were told of these changes told that they do not come, a mail for each notice that had announced some. */
export async function announceWithdrawal(
  tx: Tx,
  { ids, clock }: { ids: Ids; clock: Clock },
  changes: readonly WithdrawnChange[],
): Promise<void> {
  const byNotice = [...Map.groupBy(changes, ({ noticeId }) => noticeId)];
  for (const [withdrawsId, theirs] of byNotice.sort(([a], [b]) => (a < b ? -1 : 1))) {
    const notice = await keepNotice(tx, withdrawsId);
    // Nobody was told, and now nobody is.
    if (!notice || notice.mailedUpTo === "") continue;
    const id = ids.next("prc");
    // Of now, when it is kept: what was mailed is older.
    await insertNotice(tx, { id, createdAtMs: clock.nowMs(), withdrawsId });
    for (const change of theirs) await tellWithdrawal(tx, change.id, id);
  }
}

export const priceUnits = ["kes_per_minute", "kes_per_month", "kes_per_gb_month", "gb", "percent"] as const;
export type PriceUnit = (typeof priceUnits)[number];

/** What a price is called, what it is in, and how many of that one of its amounts is. */
export const pricesByName: Record<PriceName, { title: string; unit: PriceUnit; decimals: 0 | 2 }> = {
  number_monthly: { title: "Number rental, before VAT", unit: "kes_per_month", decimals: 2 },
  vat_basis_points: { title: "VAT", unit: "percent", decimals: 2 },
  recording_free_gb: { title: "Recording storage that is free", unit: "gb", decimals: 0 },
  recording_gb_month: { title: "Recording storage above that", unit: "kes_per_gb_month", decimals: 2 },
};

const calls: Record<Direction, string> = { outbound: "Calls to", inbound: "Calls from" };
const parties: Record<LegKind, string> = { pstn: "any number", sip: "SIP devices", browser: "browsers" };

/** A change as customers see it. */
export function changeView(row: PricingChangeRow) {
  const { priceName: name, legKind, direction, afterAmount } = row;
  const what = name
    ? { item: name, ...pricesByName[name] }
    : {
        item: direction === "inbound" ? ("inbound_call" as const) : ("outbound_call" as const),
        title: `${calls[direction ?? "outbound"]} ${partyOf(row)} (${row.description.replace(" (sample rate)", "")})`,
        unit: "kes_per_minute" as const,
      };
  const amount = (raw: number) =>
    "decimals" in what ? (what.decimals === 2 ? raw / 100 : raw) : Number(kesText(raw));
  return {
    item: what.item,
    leg_kind: legKind,
    title: what.title,
    unit: what.unit,
    before: amount(row.beforeAmount),
    after: afterAmount === null ? null : amount(afterAmount),
  };
}

function partyOf({ legKind, prefix }: PricingChangeRow): string {
  const kind = legKind ?? "pstn";
  if (!prefix) return parties[kind];
  return kind === "pstn" ? `+${prefix}` : `${parties[kind]} with +${prefix}`;
}
