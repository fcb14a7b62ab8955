import type { EndRecord } from "./end-records.ts";
import { deathOf, type Evidence, type History, type Span } from "./evidence.ts";
import type { CdrRow, LegRow, TransactionRow } from "./books.ts";
import type { Heartbeat } from "./heartbeats.ts";
import { movedInWallet } from "./ledger.ts";

/** What a leg must have been charged. */
export interface Charge {
  seconds: bigint;
  cents: bigint;
}

/** Whole seconds begun, then the price rounded half up, once: 60 seconds a minute, 10,000 micro-KES a cent. */
export function chargeOf(answeredUs: bigint, endedUs: bigint, microKesPerMinute: bigint): Charge {
  if (answeredUs === 0n || endedUs <= answeredUs) return { seconds: 0n, cents: 0n };
  const seconds = (endedUs - answeredUs + 999_999n) / 1_000_000n;
  return { seconds, cents: (2n * seconds * microKesPerMinute + 600_000n) / 1_200_000n };
}

/** Every leg against the switch's own stamps: its CDR, its row, and the one debit of its customer's wallet. */
export function checkMoney(evidence: Evidence): string[] {
  const { books, records } = evidence;
  const cdrs = new Map(books.cdrs.map((cdr) => [cdr.leg_id, cdr]));
  const legs = new Map(books.legs.map((leg) => [leg.id, leg]));
  const findings: string[] = [];
  // On a machine so busy that one in hundreds is taken and gone within the auditor's own delay.
  if (evidence.missedRecords.size > books.legs.length / 100)
    for (const leg of evidence.missedRecords)
      findings.push(`${leg}: the auditor came too late to keep its end-of-leg record, and cannot judge it`);
  for (const leg of books.legs) {
    const cdr = cdrs.get(leg.id);
    if (!cdr) {
      findings.push(`${leg.id} (of ${leg.call_id}, to ${leg.to_e164}) has no CDR: it was never settled`);
      continue;
    }
    const of = (finding: string) => `${leg.id} (of ${leg.call_id}, known by ${cdr.ended_by}): ${finding}`;
    if (cdr.rate_micro_kes_per_minute !== leg.rate_micro_kes_per_minute)
      findings.push(
        of(`charged at ${cdr.rate_micro_kes_per_minute} micro-KES, not ${leg.rate_micro_kes_per_minute}`),
      );
    const record = records.get(leg.id);
    findings.push(
      ...(record ? checkStamps(record, cdr) : checkWithoutRecord(evidence, leg, cdr)).map(of),
      ...checkCharged(evidence, leg, cdr, record).map(of),
    );
  }
  for (const leg of records.keys())
    if (!legs.has(leg)) findings.push(`${leg}: the switch made this leg, and the books do not have it`);
  for (const cdr of books.cdrs)
    if (!legs.has(cdr.leg_id)) findings.push(`${cdr.leg_id}: a CDR of a leg that the books do not have`);
  return [...findings, ...checkDebits(evidence)];
}

/** The switch told the whole truth of this leg, to the microsecond. */
function checkStamps(record: EndRecord, cdr: CdrRow): string[] {
  const findings: string[] = [];
  const answeredUs = cdr.answered_at_us ?? 0n;
  if (answeredUs !== record.answeredUs)
    findings.push(`answered at ${answeredUs} µs, while the switch says ${record.answeredUs}`);
  if (cdr.ended_at_us !== record.endedUs)
    findings.push(`ended at ${cdr.ended_at_us} µs, while the switch says ${record.endedUs}`);
  return findings;
}

/** The clocks of two processes of one machine, and the switch's ticks of 20 ms. */
const tickMs = 25;
/** How much may be lost under the last moment in which the leg could be proven, where nobody saw when that was. */
const lostMsMax = 2_000;

/** A leg that the switch left no record of: it died, or it never had the leg. */
function checkWithoutRecord({ history, missedRecords }: Evidence, leg: LegRow, cdr: CdrRow): string[] {
  if (missedRecords.has(leg.id)) return [];
  if (cdr.ended_by === "controller")
    return cdr.answered_at_us === null ? [] : ["never known to the switch, and yet it was answered"];
  if (cdr.ended_by !== "last_proven") return ["the switch wrote no record of it, and was not lost"];
  const death = deathOf(history, leg);
  if (!death) return ["said to have ended with its switch, which nobody killed since it was dialled"];
  if (cdr.answered_at_us === null) return [];
  const endedMs = Number(cdr.ended_at_us) / 1000;
  const answeredMs = Number(cdr.answered_at_us) / 1000;
  const provable = Math.max(answeredMs, lastProvableMs(history, death));
  if (endedMs > death.toMs + tickMs)
    return [`charged for ${Math.round(endedMs - death.toMs)} ms after its switch's death`];
  if (provable - endedMs > (history.heartbeats ? tickMs : lostMsMax))
    return [
      `charged to ${Math.round(provable - endedMs)} ms before the last moment in which it could be proven`,
    ];
  return [];
}

/** A controller that has only just started asks the switch for the first time within this. */
const firstHeartbeatMs = 2_500;

/** Until when a controller was there to see the leg alive. */
function lastProvableMs({ controllers, heartbeats, locks }: History, death: Span): number {
  const seen = heartbeats
    ? heartbeats
        .filter((heartbeat) => heartbeat.answeredMs <= death.fromMs && isStored(heartbeat, locks))
        .map(({ afterMs }) => afterMs)
    : controllers
        .filter(({ fromMs, toMs }) => Math.min(toMs, death.fromMs) - fromMs >= firstHeartbeatMs)
        .map(({ toMs }) => Math.min(toMs, death.fromMs));
  return Math.max(0, ...seen);
}

/** A controller stores what it was answered before it asks again, a second later, unless it cannot. */
const isStored = ({ answeredMs, nextAskedMs }: Heartbeat, locks: readonly Span[]): boolean =>
  nextAskedMs !== null && !locks.some(({ fromMs, toMs }) => fromMs <= nextAskedMs && toMs >= answeredMs);

/** Its seconds and price, in the CDR and on the leg: by the switch's stamps, or by the CDR's own where there are none. */
function checkCharged(
  { books }: Evidence,
  leg: LegRow,
  cdr: CdrRow,
  record: EndRecord | undefined,
): string[] {
  const [answeredUs, endedUs] = record
    ? [record.answeredUs, record.endedUs]
    : [cdr.answered_at_us ?? 0n, cdr.ended_at_us];
  const due = chargeOf(answeredUs, endedUs, leg.rate_micro_kes_per_minute);
  const findings: string[] = [];
  for (const [where, row] of [
    ["its CDR", cdr],
    ["its row", leg],
  ] as const) {
    if (row.billed_seconds !== due.seconds)
      findings.push(
        `${where} says ${row.billed_seconds} s, and from ${answeredUs} to ${endedUs} µs are ${due.seconds} s begun`,
      );
    if (row.cost_minor !== due.cents)
      findings.push(`${where} says ${row.cost_minor} cents, and ${due.seconds} s cost ${due.cents}`);
  }
  const debits = debitsOf(books).get(leg.id) ?? [];
  const debited = debits.reduce((sum, { id }) => sum - movedInWallet(books, leg.workspace_id, id), 0n);
  if (due.cents === 0n ? debits.length > 0 : debits.length !== 1)
    findings.push(
      `charged ${debits.length} times (${debits.map(({ reference }) => reference).join(", ")}), not ${due.cents === 0n ? "at all" : "once"}`,
    );
  if (debited !== due.cents)
    findings.push(`its customer's wallet paid ${debited} cents for it, and it costs ${due.cents}`);
  return findings;
}

const debitsByBooks = new WeakMap<Evidence["books"], Map<string, TransactionRow[]>>();

/** Every transaction that names a leg, by whatever reference. */
function debitsOf(books: Evidence["books"]): Map<string, TransactionRow[]> {
  const known = debitsByBooks.get(books);
  if (known) return known;
  const debits = Map.groupBy(
    books.transactions,
    ({ reference }) => /leg_[0-9a-z]{26}/.exec(reference)?.[0] ?? "",
  );
  debitsByBooks.set(books, debits);
  return debits;
}

/** No call is paid for without a leg that it was paid for. */
function checkDebits({ books }: Evidence): string[] {
  const legs = new Set(books.legs.map(({ id }) => id));
  return [...debitsOf(books)].flatMap(([leg, transactions]) => {
    const calls = leg === "" ? transactions.filter(({ kind }) => kind === "call") : transactions;
    return legs.has(leg) ? [] : calls.map(({ id, reference }) => `${id} (${reference}) charges for no leg`);
  });
}
