import type { SwitchKind } from "../peers/switch-under-test.ts";

/** One thing that is read again and again, and how much of a trend is still "flat". */
export interface Measure {
  name: string;
  unit: "MiB" | "";
  /** Of one kind of switch alone. */
  only?: SwitchKind;
  /** By how much the line through its values may climb over the time judged: that, or the share of their mean. */
  climbMax: number;
  climbShareMax?: number;
}

export interface Reading {
  /** Since the first call. */
  atS: number;
  value: number;
}

export interface Trend {
  measure: Measure;
  first: number;
  middle: number;
  last: number;
  /** Of the line of least squares. */
  slopePerHour: number;
  /** What that line climbs from the first reading to the last; what it may. */
  climb: number;
  climbMax: number;
  flat: boolean;
}

/** Judges the readings of one measure. What falls is flat: a leak climbs. */
export function trendOf(measure: Measure, readings: readonly Reading[]): Trend {
  if (readings.length < 3) throw new Error(`${measure.name}: ${readings.length} readings show no trend`);
  const valueAt = (index: number) => readings[index]!.value;
  const spanS = readings.at(-1)!.atS - readings[0]!.atS;
  const slopePerS = slopeOf(readings);
  const climb = slopePerS * spanS;
  const climbMax = Math.max(measure.climbMax, (measure.climbShareMax ?? 0) * meanOf(readings, "value"));
  return {
    measure,
    first: valueAt(0),
    middle: valueAt(Math.floor(readings.length / 2)),
    last: valueAt(readings.length - 1),
    slopePerHour: slopePerS * 3600,
    climb,
    climbMax,
    flat: climb <= climbMax,
  };
}

function slopeOf(readings: readonly Reading[]): number {
  const [meanAtS, mean] = [meanOf(readings, "atS"), meanOf(readings, "value")];
  let [together, alone] = [0, 0];
  for (const { atS, value } of readings) {
    together += (atS - meanAtS) * (value - mean);
    alone += (atS - meanAtS) ** 2;
  }
  return together / alone;
}

const meanOf = (readings: readonly Reading[], field: keyof Reading): number =>
  readings.reduce((sum, reading) => sum + reading[field], 0) / readings.length;
