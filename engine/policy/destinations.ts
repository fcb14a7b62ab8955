import { destinationClass, parseE164, type DestinationClass } from "../e164.ts";
import { invalidField } from "../errors.ts";
import type { WorkspaceId } from "../ids.ts";
import { prefixesOf, rateFor, type Rate } from "../metering/rates.ts";
import { refusedPrefixAmong, type RefusedPrefixRow } from "../store/refused-prefixes.ts";
import type { ReadTx } from "../store/store.ts";
import { kes } from "../wallet/money.ts";
import { CallRefused, type RefusedNumber } from "./refusal.ts";
import type { CallRules } from "./rules.ts";

/** Where a leg may go, and what a minute of it costs. */
export interface Destination {
  e164: string;
  country: string | null;
  rateMicroKesPerMinute: number;
}

/** What is known of a number whoever calls it; looked up before the workspace's row is kept, so that nobody waits for it. */
export interface Looked extends RefusedNumber {
  class: DestinationClass;
  rate: Rate | null;
  refusedByOperator: RefusedPrefixRow | null;
}

const microKesPerMinor = 10_000;

export async function lookUp(
  tx: ReadTx,
  workspaceId: WorkspaceId,
  number: RefusedNumber,
  atMs: number,
): Promise<Looked> {
  const found = { ...number, class: destinationClass(number.e164) };
  if (found.class !== "e164") return { ...found, rate: null, refusedByOperator: null };
  const rate = await rateFor(tx, {
    ...{ workspaceId, legKind: "pstn", direction: "outbound" },
    ...{ remoteE164: number.e164, atMs },
  });
  const refused = await refusedPrefixAmong(tx, prefixesOf(number.e164));
  return { ...found, rate, refusedByOperator: refused ?? null };
}

/** Whether that workspace may call it at all, whatever the hour, the money and its other calls. Throws `validation.invalid`. */
export function judge(looked: Looked, rules: CallRules): Destination | CallRefused {
  const { e164, field, rate, refusedByOperator } = looked;
  const refuse = (reason: "destination" | "country", message: string) =>
    new CallRefused(reason, message, { number: looked, fieldCode: "destination" });
  switch (looked.class) {
    case "emergency":
      return refuse(
        "destination",
        `${e164} is an emergency number; Sautikit does not place emergency calls.`,
      );
    case "shortCode":
      return refuse("destination", `${e164} is a short code.`);
    case "premium":
      return refuse("destination", `${e164} is a premium or satellite number.`);
    case "invalid":
      throw invalidField(field, "e164", "must be E.164: + and 8 to 15 digits");
    case "e164":
  }
  if (!rate) return refuse("destination", `There is no rate for ${e164}.`);
  // The number's own country before the rate's: +1 covers twenty of them. One that nobody knows is not allowed.
  const parsed = parseE164(e164);
  const country = (parsed.ok ? parsed.country : null) ?? rate.country;
  if (country === null || !rules.allowedCountries.includes(country)) {
    const where = country ?? "a country that cannot be told";
    return refuse(
      "country",
      `Calls to ${where} are not allowed; an owner can add it to allowed_countries of the workspace.`,
    );
  }
  const own = rules.refusedPrefixes.find((prefix) => e164.startsWith(prefix));
  if (own !== undefined || refusedByOperator) {
    const whose =
      own === undefined
        ? `The operator has refused +${refusedByOperator?.prefix ?? ""}`
        : `${own} is in refused_prefixes of the workspace`;
    return new CallRefused("refused_prefix", `${whose}; ${e164} is not called.`, { number: looked });
  }
  const { highestRatePerMinuteMinor: highest } = rules;
  if (highest !== null && rate.microKesPerMinute > highest * microKesPerMinor) {
    const costs = kes(Math.ceil(rate.microKesPerMinute / microKesPerMinor));
    const message = `A minute to ${e164} costs ${costs}, more than the ${kes(highest)} that this workspace pays.`;
    return new CallRefused("rate_too_high", message, { number: looked });
  }
  return { e164, country, rateMicroKesPerMinute: rate.microKesPerMinute };
}
