import assert from "node:assert/strict";
import { moneyEndsAtUs, secondsOfMoney } from "../../engine/metering/money-end.ts";

const rate = (kesPerMinute: number) => ({ rateMicroKesPerMinute: kesPerMinute * 1_000_000 });
const table: [what: string, availableMinor: number, kesPerMinute: number[], seconds: number | null][] = [
  ["one leg at KES 3.00 a minute spends 5 cents a second", 50, [3], 10],
  ["what does not pay a whole second more is left over", 54, [3], 10],
  ["two legs spend twice as fast", 50, [3, 3], 5],
  ["fifty legs", 1000, Array.from({ length: 50 }, () => 3), 4],
  ["legs of several rates", 100, [3, 21], 2],
  ["nothing left", 0, [3], 0],
  ["less than nothing", -70, [3], 0],
  ["free legs never end for want of money", 0, [0], null],
  ["no leg at all", 100, [], null],
  ["a month of money is no problem", 100_000_000_00, [3], 2_000_000_000],
];

describe("the end of the money", () => {
  for (const [what, availableMinor, rates, seconds] of table) {
    it(what, () => assert.equal(secondsOfMoney(availableMinor, rates.map(rate)), seconds));
  }

  it("is reckoned from now, less what has been run up", () => {
    const leg = { ...rate(3), answeredAtUs: 1_000_000_000 };
    // 4 seconds have run up 20 of the 100 cents; 80 last 16 seconds more.
    assert.equal(moneyEndsAtUs(100, [leg], 1_004_000_000), 1_020_000_000);
    assert.equal(moneyEndsAtUs(100, [{ ...leg, ...rate(0) }], 1_004_000_000), null);
  });
});
