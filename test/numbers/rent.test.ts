import assert from "node:assert/strict";
import fc from "fast-check";
import { businessDayAfter } from "../../engine/numbers/business-days.ts";
import { dayMs } from "../../engine/clock.ts";
import { localDay } from "../../engine/east-africa-time.ts";
import { monthEndMs } from "../../engine/numbers/rent.ts";

describe("numbers: the month of a number", () => {
  const ends = (claimed: string, count: number) =>
    Array.from({ length: count }, (_, index) => localDay(monthEndMs(Date.parse(claimed), index + 1)));

  it("claimed on the 31st ends on a shorter month's last day, and on the 31st again after it", () => {
    assert.deepEqual(ends("2027-10-31T10:00:00Z", 7), [
      ...["2027-11-30", "2027-12-31", "2028-01-31", "2028-02-29", "2028-03-31", "2028-04-30", "2028-05-31"],
    ]);
    assert.deepEqual(ends("2026-12-30T10:00:00Z", 3), ["2027-01-30", "2027-02-28", "2027-03-30"]);
  });

  it("goes by the day in East Africa, not in Greenwich", () => {
    // There it is the 1st of July already.
    assert.deepEqual(ends("2026-06-30T22:00:00Z", 2), ["2026-08-01", "2026-09-01"]);
    assert.deepEqual(ends("2026-06-30T20:00:00Z", 2), ["2026-07-30", "2026-08-30"]);
  });

  it("is a calendar month, at the time of day of the claim, whenever that was", () => {
    const anyTime = fc.integer({ min: Date.UTC(2026, 0), max: Date.UTC(2050, 0) });
    fc.assert(
      fc.property(anyTime, fc.integer({ min: 1, max: 600 }), (claimedMs, months) => {
        const [before, end] = [monthEndMs(claimedMs, months - 1), monthEndMs(claimedMs, months)];
        const days = (end - before) / dayMs;
        assert.ok(Number.isInteger(days) && days >= 28 && days <= 31, `${days} days`);
        const day = Number(localDay(end).slice(8));
        const claimedDay = Number(localDay(claimedMs).slice(8));
        const next = localDay(end + dayMs).slice(8);
        assert.ok(day === claimedDay || (day < claimedDay && next === "01"), localDay(end));
      }),
    );
    assert.equal(monthEndMs(Date.UTC(2026, 5, 27, 10), 0), Date.UTC(2026, 5, 27, 10));
  });
});

describe("numbers: working days", () => {
  for (const [from, days, expected] of [
    // A Saturday morning.
    ["2026-06-27T10:00:00Z", 2, "2026-06-30"],
    ["2026-06-27T10:00:00Z", 5, "2026-07-03"],
    ["2026-06-24T10:00:00Z", 2, "2026-06-26"],
    ["2026-06-24T10:00:00Z", 5, "2026-07-01"],
    // Thursday in Greenwich, Friday in Nairobi.
    ["2026-06-25T22:00:00Z", 2, "2026-06-30"],
  ] as const)
    it(`${days} after ${from} is ${expected}`, () => {
      assert.equal(businessDayAfter(Date.parse(from), days), expected);
    });
});
