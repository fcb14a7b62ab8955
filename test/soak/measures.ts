import type { Measure } from "./trend.ts";

const mib = (name: string, climbMax: number): Measure => ({ name, unit: "MiB", climbMax });
const count = (name: string, climbMax: number, climbShareMax?: number): Measure => ({
  ...{ name, unit: "", climbMax },
  ...(climbShareMax === undefined ? {} : { climbShareMax }),
});

/** What must be the same after an hour as after a minute, however long the run. */
const counts: Measure[] = [
  count("sautikit: descriptors", 6),
  count("sautikit: threads", 2),
  count("sautikit: timers", 12),
  count("sautikit: handles", 6, 0.1),
  count("store: live calls", 3, 0.1),
  count("store: live legs", 3, 0.1),
  count("store: intents", 3),
  count("store: deliveries to make", 6),
  count("store: recordings to store", 4),
  count("spool: files", 6),
  count("switch: descriptors", 8),
  count("switch: threads", 8),
  count("carrier: descriptors", 8),
  count("carrier: threads", 2),
];

/** For an hour: 4,320 calls, so that 1 KiB kept for each would be 4 MiB. */
export const anHour: Measure[] = [
  mib("sautikit: live heap", 3),
  mib("sautikit: buffers", 3),
  mib("sautikit: resident memory", 16),
  count("sautikit: CPU, ms a second", 20, 0.2),
  ...counts,
  { ...mib("switch: live heap", 3), only: "simulator" },
  mib("switch: resident memory", 16),
  count("switch: CPU, ms a second", 40, 0.2),
  mib("carrier: live heap", 3),
  mib("carrier: resident memory", 16),
];

/** For two minutes, in which code is still compiled and the simulated carrier's list of calls still grows. */
export const twoMinutes: Measure[] = [
  mib("sautikit: live heap", 1.5),
  mib("sautikit: buffers", 3),
  mib("sautikit: resident memory", 20),
  ...counts,
  { ...mib("switch: live heap", 2), only: "simulator" },
  mib("switch: resident memory", 30),
  mib("carrier: live heap", 8),
  mib("carrier: resident memory", 30),
];
