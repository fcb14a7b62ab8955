import { parseArgs } from "node:util";
import { rfc3339Seconds } from "../../engine/clock.ts";
import { dateMs } from "../../engine/east-africa-time.ts";
import { setPrice } from "../../engine/metering/prices.ts";
import { pricesByName } from "../../engine/metering/pricing-notices.ts";
import { allPrices, priceNames, type PriceName } from "../../engine/store/rates.ts";
import { decimalKes } from "../../engine/wallet/money.ts";
import { UsageError } from "../usage.ts";
import { print, words, type Desk } from "./desk.ts";
import { notADate } from "./rates.ts";

/** What a price is from a date on; shillings and GB as they are said, VAT in hundredths of a percent, as its name says. */
export async function pricesSet({ store, ids, clock }: Desk, args: string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { from: { type: "string" }, force: { type: "boolean", default: false } },
  });
  const [typed = "", text = ""] = words(positionals, "NAME", "AMOUNT");
  const name = priceNames.find((known) => known === typed);
  if (!name) throw new Error(`There is no price "${typed}"; known are ${priceNames.join(", ")}.`);
  const amount = amountOf(name, text);
  if (values.from === undefined) throw new UsageError("prices set NAME AMOUNT --from DATE: it needs a date.");
  const effectiveAtMs = dateMs(values.from);
  if (effectiveAtMs === null) throw notADate("--from", values.from);
  const price = { name, amount, effectiveAtMs, force: values.force };
  const set = await store.write((tx) => setPrice(tx, { ids, clock }, price));
  if (set.kind === "past")
    throw new Error("--from: the date has passed; a price changes in the future alone.");
  if (set.kind === "tooSoon")
    throw new Error(
      `A price that everybody pays changes 30 days after it is set, not sooner: from ${rfc3339Seconds(set.earliestMs)} ` +
        "on. Nothing was changed (--force).",
    );
  print({
    name,
    amount: text,
    effective_from: rfc3339Seconds(effectiveAtMs),
    set: set.kind === "set",
    withdrawn: set.kind === "set" ? set.withdrawn : 0,
    notice_id: set.kind === "set" ? set.noticeId : null,
  });
}

/** A line for each price and date. */
export async function pricesList({ store }: Desk, args: string[]): Promise<void> {
  words(args);
  for (const { name, amount, effectiveAtMs } of await store.read(allPrices))
    print({ name, amount: asTyped(name, amount), effective_from: rfc3339Seconds(effectiveAtMs) });
}

const inShillings = (name: PriceName) => pricesByName[name].unit.startsWith("kes");

function amountOf(name: PriceName, text: string): number {
  const pattern = inShillings(name) ? /^(\d{1,8})(?:\.(\d{1,2}))?$/ : /^(\d{1,8})$/;
  const [, whole, decimals = ""] = pattern.exec(text) ?? [];
  if (whole === undefined)
    throw new Error(
      `prices set ${name}: ${inShillings(name) ? "shillings like 100 or 99.50" : "a whole number"}, not "${text}".`,
    );
  return inShillings(name) ? Number(whole) * 100 + Number(decimals.padEnd(2, "0")) : Number(whole);
}

const asTyped = (name: PriceName, amount: number) =>
  inShillings(name) ? decimalKes(amount) : String(amount);
