import type { SpooledRow } from "../engine/store/recordings.ts";

/** What is lost at a recording's two ends, each at most some 20 ms frames, is none. */
const gapMsMin = 100;
const gapShareMin = 0.02;
/** Nobody asks for a recording of a leg that ended so long ago. */
const clocksApartUsMin = 5_000_000;

/**
 * How long there was something to record, ms, by the switch's stamps: from the leg's answer, or from the recording's
 * own start where that came earlier (from ringing) or was asked for later, to its end. Null: not known.
 */
export function talkMsOf(row: SpooledRow): number | null {
  // One that was found ended, the word of its end lost, ended nobody knows when.
  const foundEnded = row.status === "uploading" && row.startedAtUs !== null;
  const endUs = earlier(row.endedAtUs ?? (foundEnded ? null : row.legEndedAtUs), row.legEndedAtUs);
  const startUs = startUsOf(row);
  return endUs === null || startUs === null ? null : Math.max(0, Math.round((endUs - startUs) / 1000));
}

/** The switch may close the file, and stamp that, a moment after the leg's end. */
const earlier = (endedAtUs: number | null, legEndedAtUs: number | null) =>
  endedAtUs === null || legEndedAtUs === null ? endedAtUs : Math.min(endedAtUs, legEndedAtUs);

function startUsOf(row: SpooledRow): number | null {
  const { createdAtMs, startedAtUs, legDialledAtMs, legAnsweredAtUs, legEndedAtUs } = row;
  // A caller's, by the switch's own stamp, whenever we heard of that.
  const askedByAnswer = legAnsweredAtUs !== null && createdAtMs === Math.floor(legAnsweredAtUs / 1000);
  const askedLater = legDialledAtMs !== null && createdAtMs > legDialledAtMs && !askedByAnswer;
  // Our clock was ahead of the switch's: when it was asked for is not known.
  const afterTheEnd = legEndedAtUs !== null && createdAtMs * 1000 > legEndedAtUs + clocksApartUsMin;
  if (askedLater) return startedAtUs ?? (afterTheEnd ? legAnsweredAtUs : createdAtMs * 1000);
  if (startedAtUs === null || legAnsweredAtUs === null) return startedAtUs ?? legAnsweredAtUs;
  // One that began late has lost what was said before.
  return Math.min(startedAtUs, legAnsweredAtUs);
}

/** Whether so much is missing that somebody must hear of it: more than 2 % and more than 100 ms. */
export function isShort(durationMs: number, talkMs: number | null): boolean {
  return talkMs !== null && talkMs - durationMs > Math.max(gapMsMin, talkMs * gapShareMin);
}
