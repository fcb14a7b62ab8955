import { strict as assert } from "node:assert";
import fc from "fast-check";
import { accruedMinor } from "../../engine/metering/accrual.ts";
import { billedSeconds, priceOfLeg } from "../../engine/metering/price.ts";

const answeredAtUs = Date.UTC(2026, 6, 1, 6) * 1000;
const threeShillings = 3_000_000;
const price = (talkUs: number, rateMicroKesPerMinute = threeShillings) =>
  priceOfLeg({ answeredAtUs, endedAtUs: answeredAtUs + talkUs, rateMicroKesPerMinute });

describe("metering: seconds", () => {
  for (const [talkUs, expected] of [
    [0, 0],
    [1, 1],
    [999_999, 1],
    [1_000_000, 1],
    [1_000_001, 2],
    [46_000_001, 47],
    [47_000_000, 47],
    [14_400_000_000, 14_400],
    // The host's clock was set back in mid-call.
    [-1, 0],
    [-5_000_000, 0],
  ] as const)
    it(`${talkUs} µs from answer to end are ${expected} s`, () => {
      assert.equal(billedSeconds(answeredAtUs, answeredAtUs + talkUs), expected);
    });

  it("a leg that nobody answered has none, however long it rang", () => {
    assert.equal(billedSeconds(null, answeredAtUs), 0);
  });

  it("refuses stamps that are not whole microseconds", () => {
    assert.throws(() => billedSeconds(0.5, 1));
    assert.throws(() => billedSeconds(0, Number.NaN));
    assert.throws(() => billedSeconds(0, Number.MAX_SAFE_INTEGER + 1));
  });
});

describe("metering: the price of a leg", () => {
  for (const [what, seconds, rate, costMinor] of [
    ["the product page's call", 47, threeShillings, 235],
    ["a second at KES 3.00", 1, threeShillings, 5],
    ["a minute at KES 3.00", 60, threeShillings, 300],
    ["a free call", 3_600, 0, 0],
    ["half a cent, rounded up", 1, 300_000, 1],
    ["a hair less than half a cent", 1, 299_999, 0],
    ["seven seconds at KES 2.50, 29.17 cents", 7, 2_500_000, 29],
    ["nine seconds at KES 2.50, 37.5 cents", 9, 2_500_000, 38],
    ["four hours at KES 350", 14_400, 350_000_000, 8_400_000],
  ] as const)
    it(`${what}: ${costMinor} cents`, () => {
      assert.deepEqual(price(seconds * 1_000_000, rate), { billedSeconds: seconds, costMinor });
    });

  it("rounds the product once: a minute of seconds costs what the minute costs", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 14_400 }), fc.nat(1_000_000_000), (seconds, rate) => {
        const exact = (BigInt(seconds) * BigInt(rate) * 2n + 600_000n) / 1_200_000n;
        assert.equal(BigInt(price(seconds * 1_000_000, rate).costMinor), exact);
      }),
    );
  });

  it("never falls while the call goes on", () => {
    const talkUs = fc.nat(14_400_000_000);
    fc.assert(
      fc.property(talkUs, talkUs, fc.nat(1_000_000_000), (one, other, rate) => {
        const [shorter, longer] = [Math.min(one, other), Math.max(one, other)];
        assert.ok(price(shorter, rate).costMinor <= price(longer, rate).costMinor);
      }),
    );
  });

  it("refuses a rate below zero, a fraction, and a product that doubles cannot count", () => {
    for (const rate of [-1, 0.5, Number.NaN, Number.MAX_SAFE_INTEGER])
      assert.throws(() => price(2_000_000, rate));
  });
});

describe("metering: accrual", () => {
  const leg = { answeredAtUs, rateMicroKesPerMinute: threeShillings };

  it("is the sum of what each leg would cost if it ended now", () => {
    const nowUs = answeredAtUs + 47_000_000;
    const legs = [leg, { ...leg, answeredAtUs: nowUs - 1 }, { ...leg, rateMicroKesPerMinute: 0 }];
    assert.equal(accruedMinor(legs, nowUs), 235 + 5);
  });

  it("counts neither a leg that only rings nor one answered by a clock ahead of ours", () => {
    const legs = [
      { ...leg, answeredAtUs: null },
      { ...leg, answeredAtUs: answeredAtUs + 1 },
    ];
    assert.equal(accruedMinor(legs, answeredAtUs), 0);
  });

  it("is nothing without legs", () => {
    assert.equal(accruedMinor([], answeredAtUs), 0);
  });
});
