import { parseE164 } from "../e164.ts";
import { swapPlaces, type LegRow } from "../store/calls.ts";
import type { CallChange } from "./call-change.ts";
import { failureCodeOf, mostTelling, type FailureCode } from "./leg-state.ts";

/** What the end of the last of a call's own legs makes of a call that nobody answered. */
export function fateOf(
  change: CallChange,
  last: LegRow,
  failureCode: FailureCode,
): { leg: LegRow; failureCode: FailureCode } {
  const others = change.ownLegs.filter((leg) => leg !== last);
  const ends = others.map((leg) => ({ leg, failureCode: failureCodeOf(causeOf(leg)) }));
  return mostTelling([...ends, { leg: last, failureCode }]) ?? { leg: last, failureCode };
}

/**
 * The one of the call's own legs that has the call, once that is known. Several may have answered in the same 20 ms, of
 * which the switch keeps one, and not the one whose event came first: it is known when no other is left.
 */
export function winnerOf(change: CallChange): LegRow | undefined {
  const [winner, ...others] = change.ownLegs.filter((leg) => leg.endedAtUs === null);
  return others.length === 0 && winner?.answeredAtUs != null ? winner : undefined;
}

/** The call is this leg's from here on: it takes the first place among the legs, and the call has its number. */
export async function giveCall(change: CallChange, winner: LegRow): Promise<void> {
  const { legs, firstLeg } = change;
  if (winner !== firstLeg) {
    await swapPlaces(change.tx, firstLeg, winner);
    [firstLeg.position, winner.position] = [winner.position, firstLeg.position];
    legs.sort((a, b) => a.position - b.position);
    const parsed = parseE164(winner.toE164);
    const country = (parsed.ok ? parsed.country : null) ?? change.call.country;
    change.setCall({ toE164: winner.toE164, country });
  }
  change.setCall({ status: "answered", answeredAtUs: winner.answeredAtUs });
}

const causeOf = (leg: LegRow) => (leg.hangupCause ?? "").toUpperCase() as Uppercase<string>;
