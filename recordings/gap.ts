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
  const { createdAtMs, startedAtUs, legAnsweredAtUs, legEndedAtUs } = row;
  const createdAtUs = createdAtMs * 1000;
  // Our clock was ahead of the switch's, or behind it: when it was asked for is not known, but that somebody talked by then.
  const isOff =
    (legEndedAtUs !== null && createdAtUs > legEndedAtUs + clocksApartUsMin) ||
    (legAnsweredAtUs !== null && createdAtUs < legAnsweredAtUs);
  if (wasAskedInCall(row)) return startedAtUs ?? (isOff ? legAnsweredAtUs : createdAtUs);
  if (startedAtUs === null || legAnsweredAtUs === null) return startedAtUs ?? legAnsweredAtUs;
  // One that began late has lost what was said before.
  return Math.min(startedAtUs, legAnsweredAtUs);
}

/** Of a row of a version that did not say, by two stamps of our clock, between which it may have been set. */
const wasAskedInCall = ({ askedInCall, createdAtMs, legDialledAtMs }: SpooledRow): boolean =>
  askedInCall === null ? legDialledAtMs !== null && createdAtMs > legDialledAtMs : askedInCall === 1;

/** Whether so much is missing that somebody must hear of it: more than 2 % and more than 100 ms. */
export function isShort(durationMs: number, talkMs: number | null): boolean {
  return talkMs !== null && talkMs - durationMs > Math.max(gapMsMin, talkMs * gapShareMin);
}
