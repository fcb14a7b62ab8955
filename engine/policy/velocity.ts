import { firstDialledAtMs, isCalling, numbersDialled, shortAmongNewest } from "../store/call-pace.ts";
import type { ReadTx } from "../store/store.ts";
import type { WorkspaceRow } from "../store/workspaces.ts";
import type { Destination } from "./destinations.ts";
import { CallRefused, type RefusedNumber } from "./refusal.ts";

/** A talk of less than 6 s is short; so many of them in so long are too many. */
export const shortSpanMs = 600_000;
const rangeSpanMs = 3_600_000;
const newCountryMs = 3_600_000;
/** What has to pass before old calls no longer count is not reckoned: a little is gained with each minute. */
const retryAfterSeconds = 60;
/** Whose calls abroad are none. */
const home = "KE";

/**
 * Throws where as many talks as may be were short lately, and at least half of the newest ones: whoever talks a lot has some that
 * are. `short`: how many, counted up to the most.
 */
export async function requireLongerTalks(
  tx: ReadTx,
  { id, shortCallsMax }: Pick<WorkspaceRow, "id" | "shortCallsMax">,
  short: number,
  nowMs: number,
): Promise<void> {
  if (shortCallsMax === null || short < shortCallsMax) return;
  const newest = { afterMs: nowMs - shortSpanMs, newest: 2 * shortCallsMax };
  if ((await shortAmongNewest(tx, id, newest)) < shortCallsMax) return;
  throw new CallRefused(
    "short_calls",
    `${shortCallsMax} calls of the last 10 minutes were over within 6 seconds of their answer.`,
    { retryAfterSeconds },
  );
}

const rangeOf = (e164: string) => e164.slice(0, -3);

/**
 * Those numbers that would be one too many of their range within an hour, the ones before them taken as dialled. A number that
 * was dialled within the hour may be again.
 */
export async function tooManyOfRange(
  tx: ReadTx,
  { id, numbersPerRangeMax }: Pick<WorkspaceRow, "id" | "numbersPerRangeMax">,
  numbers: readonly RefusedNumber[],
  nowMs: number,
): Promise<CallRefused[]> {
  if (numbersPerRangeMax === null) return [];
  const dialled = new Map<string, Set<string>>();
  const refused: CallRefused[] = [];
  for (const number of numbers) {
    const range = rangeOf(number.e164);
    const known = dialled.get(range) ?? new Set(await numbersDialled(tx, id, range, nowMs - rangeSpanMs));
    dialled.set(range, known);
    if (known.has(number.e164)) continue;
    if (known.size < numbersPerRangeMax) known.add(number.e164);
    else
      refused.push(
        new CallRefused(
          "number_range",
          `${numbersPerRangeMax} numbers that begin with ${range} were called within an hour; ${number.e164} would be one more.`,
          { number, retryAfterSeconds },
        ),
      );
  }
  return refused;
}

/** A foreign country that is new to a workspace, or is not any more. */
export interface CountryWatch {
  /** It was never called. */
  isFirst: boolean;
  /** One call at a time goes there until then; null: as many as may. */
  untilMs: number | null;
  /** Whether that one is under way. */
  taken: boolean;
}

export async function watchOf(
  tx: ReadTx,
  { id, newCountryWatch }: Pick<WorkspaceRow, "id" | "newCountryWatch">,
  country: string,
  nowMs: number,
): Promise<CountryWatch> {
  const firstMs = await firstDialledAtMs(tx, id, country);
  const isFirst = firstMs === null;
  const endsMs = (firstMs ?? nowMs) + newCountryMs;
  const untilMs = newCountryWatch === 1 && nowMs < endsMs ? endsMs : null;
  return { isFirst, untilMs, taken: !isFirst && untilMs !== null && (await isCalling(tx, id, country)) };
}

export function refuseBusyCountry(
  number: RefusedNumber,
  country: string,
  untilMs: number,
  nowMs: number,
): CallRefused {
  return new CallRefused(
    "new_country",
    `${country} was first called less than an hour ago: until then one call at a time goes there.`,
    { number, retryAfterSeconds: Math.min(retryAfterSeconds, Math.ceil((untilMs - nowMs) / 1000)) },
  );
}

export const isForeign = <D extends Destination>(destination: D): destination is D & { country: string } =>
  destination.country !== null && destination.country !== home;
