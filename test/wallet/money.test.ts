import { strict as assert } from "node:assert";
import fc from "fast-check";
import { divideHalfUp, splitVat } from "../../engine/wallet/money.ts";

describe("money: rounding", () => {
  for (const [numerator, denominator, expected] of [
    [0, 3, 0],
    [1, 3, 0],
    [2, 3, 1],
    [1, 2, 1],
    [3, 2, 2],
    [149, 100, 1],
    [150, 100, 2],
    [299_999, 600_000, 0],
    [300_000, 600_000, 1],
    [Number.MAX_SAFE_INTEGER, 1, Number.MAX_SAFE_INTEGER],
    [Number.MAX_SAFE_INTEGER, 2, 4_503_599_627_370_496],
  ] as const)
    it(`${numerator} / ${denominator} is ${expected}`, () => {
      assert.equal(divideHalfUp(numerator, denominator), expected);
    });

  it("refuses what doubles cannot count, and what has no half to round up", () => {
    for (const [numerator, denominator] of [
      [Number.MAX_SAFE_INTEGER + 1, 2],
      [0.5, 2],
      [-1, 2],
      [Number.NaN, 2],
      [1, 0],
      [1, -2],
    ] as const)
      assert.throws(() => divideHalfUp(numerator, denominator));
  });
});

describe("money: VAT", () => {
  for (const [gross, basisPoints, net, vat] of [
    [0, 1600, 0, 0],
    [1, 1600, 1, 0],
    [3, 1600, 3, 0],
    [4, 1600, 3, 1],
    [235, 1600, 203, 32],
    [300, 1600, 259, 41],
    [11_600, 1600, 10_000, 1_600],
    [235, 0, 235, 0],
    [105, 1000, 95, 10],
  ] as const)
    it(`${gross} cents at ${basisPoints / 100} % hold ${vat} of tax`, () => {
      assert.deepEqual(splitVat(gross, basisPoints), { netMinor: net, vatMinor: vat });
    });

  it("loses and makes no cent: the parts' sum is the whole", () => {
    fc.assert(
      fc.property(fc.nat(1_000_000_000), fc.nat(10_000), (gross, basisPoints) => {
        const { netMinor, vatMinor } = splitVat(gross, basisPoints);
        assert.equal(netMinor + vatMinor, gross);
        assert.ok(netMinor >= 0 && vatMinor >= 0);
      }),
    );
  });
});
