import assert from "node:assert/strict";
import { trendOf, type Measure, type Reading } from "./trend.ts";

const heap: Measure = { name: "heap", unit: "MiB", climbMax: 2, climbShareMax: 0.1 };

/** Six readings a minute for an hour. */
const anHourOf = (value: (atS: number) => number): Reading[] =>
  Array.from({ length: 360 }, (_, index) => ({ atS: index * 10, value: value(index * 10) }));

describe("a trend", () => {
  const cases: [what: string, readings: Reading[], flat: boolean][] = [
    ["a constant", anHourOf(() => 15), true],
    ["a saw that ends where it began", anHourOf((atS) => 15 + ((atS / 10) % 30) / 10), true],
    ["one high reading at the end", anHourOf((atS) => (atS === 3590 ? 40 : 15)), true],
    ["what falls", anHourOf((atS) => 100 - atS / 100), true],
    ["a climb of 3 MiB an hour", anHourOf((atS) => 15 + atS / 1200), false],
    ["a climb that a saw hides", anHourOf((atS) => 15 + ((atS / 10) % 30) / 5 + atS / 1200), false],
    ["a climb of 3 % from a high level", anHourOf((atS) => 100 + atS / 1200), true],
  ];
  for (const [what, readings, flat] of cases)
    it(`of ${what} is ${flat ? "flat" : "not flat"}`, () => assert.equal(trendOf(heap, readings).flat, flat));

  it("is of the line of least squares", () => {
    const { slopePerHour, climb, first, last } = trendOf(heap, [
      { atS: 0, value: 1 },
      { atS: 1800, value: 5 },
      { atS: 3600, value: 3 },
    ]);
    assert.deepEqual([slopePerHour, climb, first, last], [2, 2, 1, 3]);
  });

  it("is not judged from two readings", () => {
    assert.throws(() => trendOf(heap, anHourOf(() => 1).slice(0, 2)));
  });
});
