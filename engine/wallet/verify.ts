import {
  type Breach,
  type Invariant,
  breachesOf,
  breachesShownMax,
  invariants,
  overdrawnWallets,
} from "../store/ledger-invariants.ts";
import type { ReadTx } from "../store/store.ts";

export interface Finding {
  /** What always holds, as a sentence. */
  name: string;
  ok: boolean;
  /** What breaks it, or what there is to report. */
  detail: string;
}

/** Asks the whole ledger every invariant that it keeps, and reports each. Reads everything: not for a busy moment. */
export async function verifyLedger(tx: ReadTx): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const invariant of invariants) findings.push(await find(tx, invariant));
  findings.push(await reportOverdrawn(tx));
  return findings;
}

async function find(tx: ReadTx, invariant: Invariant): Promise<Finding> {
  const breaches = await breachesOf(tx, invariant);
  return {
    name: invariant.name,
    ok: breaches.length === 0,
    detail: breaches.length === 0 ? "holds" : describe(breaches),
  };
}

function describe(breaches: readonly Breach[]): string {
  const shown = breaches
    .slice(0, breachesShownMax)
    .map(({ subject, found, expected }) => `${subject}: ${found ?? "nothing"}, not ${expected ?? "nothing"}`);
  return shown.join("; ") + (breaches.length > shown.length ? "; and more" : "");
}

/** Not a breach: a running call may leave a wallet slightly negative, and the next top-up covers it. */
async function reportOverdrawn(tx: ReadTx): Promise<Finding> {
  const { wallets, lowestMinor } = await overdrawnWallets(tx);
  return {
    name: "wallets below zero, for the record",
    ok: true,
    detail: wallets === 0 ? "none is" : `${wallets} below zero, the lowest at ${lowestMinor ?? 0} cents`,
  };
}
