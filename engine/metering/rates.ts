import { isNeverRated } from "../e164.ts";
import type { Ids, WorkspaceId } from "../ids.ts";
import {
  type Direction,
  type LegKind,
  type PriceName,
  type RateRow,
  findRate,
  hasDeck,
  hasPrice,
  insertPrice,
  insertRate,
  rateDates,
} from "../store/rates.ts";
import type { ReadTx, Tx } from "../store/store.ts";

export interface Rate {
  microKesPerMinute: number;
  /** ISO 3166 alpha-2; null where the rate is not a country's. */
  country: string | null;
  prefix: string;
}

export interface RateRequest {
  workspaceId: WorkspaceId;
  legKind: LegKind;
  direction: Direction;
  /** The other party: E.164 with `+`; anything else (a SIP name, a hidden number) has only the rates of all. */
  remoteE164: string;
  atMs: number;
}

/** What a minute costs: the longest prefix, there a rate of the workspace's own, there the latest. Null: no call. */
export async function rateFor(tx: ReadTx, request: RateRequest): Promise<Rate | null> {
  const { workspaceId, legKind, direction, remoteE164, atMs } = request;
  if (legKind === "pstn" && direction === "outbound" && isNeverRated(remoteE164)) return null;
  const prefixes = prefixesOf(remoteE164);
  const rate = await findRate(tx, { workspaceId, legKind, direction, prefixes, atMs });
  return rate
    ? { microKesPerMinute: rate.microKesPerMinute, country: rate.country, prefix: rate.prefix }
    : null;
}

/** `254…`, `25…`, `2…` down to the empty one, which every number has. */
export function prefixesOf(remoteE164: string): string[] {
  const digits = /^\+([0-9]{1,15})$/.exec(remoteE164)?.[1] ?? "";
  return Array.from({ length: digits.length + 1 }, (_, cut) => digits.slice(0, digits.length - cut));
}

export interface RateLookup {
  rate: RateRow;
  /** When a call to that number next costs something else; null: not that anybody knows. */
  nextChange: { atMs: number; microKesPerMinute: number | null } | null;
}

/** What a call to a number costs a workspace, and what it will. Null: it is not sold. */
export async function lookUpRate(
  tx: ReadTx,
  { workspaceId, remoteE164, atMs }: Pick<RateRequest, "workspaceId" | "remoteE164" | "atMs">,
): Promise<RateLookup | null> {
  if (isNeverRated(remoteE164)) return null;
  const kind = { legKind: "pstn", direction: "outbound" } as const;
  const question = { workspaceId, ...kind, prefixes: prefixesOf(remoteE164), atMs };
  const rate = await findRate(tx, question);
  if (!rate) return null;
  for (const later of await rateDates(tx, question)) {
    const then = await findRate(tx, { ...question, atMs: later });
    const microKesPerMinute = then?.microKesPerMinute ?? null;
    if (microKesPerMinute !== rate.microKesPerMinute)
      return { rate, nextChange: { atMs: later, microKesPerMinute } };
  }
  return { rate, nextChange: null };
}

type ShippedRate = Pick<
  RateRow,
  "legKind" | "direction" | "prefix" | "country" | "description" | "microKesPerMinute"
>;

const kes = (shillings: number) => shillings * 1_000_000;

/** The product page's prices, and a sample of neighbours: an operator imports a deck of their own before selling those. */
const shippedRates: readonly ShippedRate[] = [
  outbound("254", "KE", "Kenya", kes(3)),
  outbound("256", "UG", "Uganda (sample rate)", kes(25)),
  outbound("255", "TZ", "Tanzania (sample rate)", kes(30)),
  outbound("250", "RW", "Rwanda (sample rate)", kes(35)),
  free("pstn", "inbound", "Inbound calls"),
  free("sip", "outbound", "To a SIP device"),
  free("sip", "inbound", "From a SIP device"),
  free("browser", "outbound", "To a browser"),
  free("browser", "inbound", "From a browser"),
];

const shippedPrices: Record<PriceName, number> = {
  number_monthly: 10_000,
  vat_basis_points: 1_600,
  recording_free_gb: 5,
  recording_gb_month: 200,
};

/** The product page's own `updated_at`. */
const shippedAtMs = Date.UTC(2026, 5, 27);

/** Stores the shipped deck where there is none. One that is there, the operator's above all, is left as it is. */
export async function seedShippedDeck(tx: Tx, ids: Ids, nowMs: number): Promise<void> {
  const effectiveAtMs = Math.min(shippedAtMs, nowMs);
  if (!(await hasDeck(tx)))
    for (const rate of shippedRates)
      await insertRate(tx, {
        id: `rate_${ids.bytes(10).toString("hex")}`,
        workspaceId: null,
        ...rate,
        effectiveAtMs,
      });
  for (const [name, amount] of Object.entries(shippedPrices) as [PriceName, number][])
    if (!(await hasPrice(tx, name))) await insertPrice(tx, name, { amount, effectiveAtMs });
}

function outbound(
  prefix: string,
  country: string,
  description: string,
  microKesPerMinute: number,
): ShippedRate {
  return { legKind: "pstn", direction: "outbound", prefix, country, description, microKesPerMinute };
}

function free(legKind: LegKind, direction: Direction, description: string): ShippedRate {
  return { legKind, direction, prefix: "", country: null, description, microKesPerMinute: 0 };
}
