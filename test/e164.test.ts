import { strict as assert } from "node:assert";
import fc from "fast-check";
import { destinationClass, isNeverRated, numberFromCarrier, parseE164 } from "../engine/e164.ts";

describe("E.164", () => {
  for (const [text, country] of [
    ["+254712345678", "KE"],
    ["+254110000001", "KE"],
    ["+254200000001", "KE"],
    ["+254722000001", "KE"],
    ["+254700000010", "KE"],
    ["+254700000099", "KE"],
    ["+256712345678", "UG"],
    ["+255712345678", "TZ"],
    ["+250712345678", "RW"],
    ["+12025550123", "US"],
    // Jamaica, within North America's plan: not the United States'.
    ["+18765551234", "JM"],
    ["+442071838750", "GB"],
    // Plausible, and of a plan that 25 countries share.
    ["+11234567890", null],
  ] as const)
    it(`reads ${text}, of ${country ?? "no one country"}`, () => {
      assert.deepEqual(parseE164(text), { ok: true, e164: text, country });
      assert.equal(destinationClass(text), "e164");
    });

  for (const [text, reason] of [
    ["", /\+ and 8 to 15 digits/],
    ["+", /digits/],
    ["254712345678", /\+/],
    ["0712345678", /\+/],
    ["00254712345678", /\+/],
    ["+254 712 345 678", /digits/],
    ["+254-712-345678", /digits/],
    ["+254712345678 ", /digits/],
    ["\n+254712345678", /digits/],
    ["+254712345678\n", /digits/],
    ["+254712345678;ext=9", /digits/],
    ["+254712345678x9", /digits/],
    ["+254712345678,1", /digits/],
    ["+254FLOWERS", /digits/],
    ["+٢٥٤٧١٢٣٤٥٦٧٨", /digits/],
    ["++254712345678", /digits/],
    ["tel:+254712345678", /digits/],
    ["+0712345678", /digits/],
    ["+2547123456789012", /digits/],
    ["+2540712345678", /write \+254712345678/],
    ["+25471234567890", /not as long/],
    ["+999123456789", /no country code/],
    ["+442071", /digits/],
  ] as const)
    it(`refuses ${JSON.stringify(text)}`, () => {
      const parsed = parseE164(text);
      assert.equal(parsed.ok, false);
      assert.match(parsed.reason, reason);
    });

  it("lets through nothing but + and digits, whatever the text", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringMatching(/^\+[0-9]{0,20}.?$/)), (text) => {
        const parsed = parseE164(text);
        if (parsed.ok) assert.match(text, /^\+[1-9][0-9]{7,14}$/);
        const dialled = destinationClass(text) === "e164";
        assert.ok(!dialled || parsed.ok, "what is dialled is E.164");
      }),
    );
  });
});

describe("destinations", () => {
  for (const [text, expected] of [
    ["999", "emergency"],
    ["112", "emergency"],
    ["911", "emergency"],
    ["0999", "emergency"],
    ["000", "emergency"],
    ["1199", "emergency"],
    ["116", "emergency"],
    ["+254999", "emergency"],
    ["+254112", "emergency"],
    ["+254911", "emergency"],
    ["+2540999", "emergency"],
    ["+2541199", "emergency"],
    ["+256999", "emergency"],
    ["+255112", "emergency"],
    ["+1911", "emergency"],
    ["+44112", "emergency"],
    ["100", "shortCode"],
    ["22522", "shortCode"],
    ["+254100", "shortCode"],
    ["+25422522", "shortCode"],
    ["+254123456", "shortCode"],
    ["+870773111632", "premium"],
    ["+881612345678", "premium"],
    ["+882131234567", "premium"],
    ["+883510012345", "premium"],
    ["+979123456789", "premium"],
    ["+254900123456", "premium"],
    ["+19002345678", "premium"],
    ["+449012345678", "premium"],
    ["", "invalid"],
    ["+", "invalid"],
    ["0", "invalid"],
    ["9 9 9", "invalid"],
    ["999x", "invalid"],
    ["712345678", "invalid"],
    ["0712345678", "invalid"],
    ["254712345678", "invalid"],
    ["+2540712345678", "invalid"],
    ["sip:otieno@devices.example", "invalid"],
  ] as const)
    it(`${JSON.stringify(text)} is ${expected}`, () => {
      assert.equal(destinationClass(text), expected);
    });

  it("the ranges that nobody sells are known by their prefix alone", () => {
    assert.ok(isNeverRated("+8816"));
    assert.ok(!isNeverRated("+254712345678"));
    assert.ok(!isNeverRated("881612345678"));
  });
});

describe("A number as a carrier writes it", () => {
  for (const [text, e164] of [
    ["+254722000001", "+254722000001"],
    ["254722000001", "+254722000001"],
    ["00254722000001", "+254722000001"],
    ["0722000001", "+254722000001"],
    ["722000001", "+254722000001"],
    ["0200000001", "+254200000001"],
    ["200000001", "+254200000001"],
    ["+254722000001;npdi;rn=+254700", "+254722000001"],
    ["447911123456", "+447911123456"],
    ["00447911123456", "+447911123456"],
    ["12025550123", "+12025550123"],
  ] as const)
    it(`is ${e164} where it is ${text}`, () => assert.equal(numberFromCarrier(text), e164));

  for (const text of [
    ...["", "anonymous", "Restricted", "unknown", "wanjiru", "+", "0", "000", "999", "20222", "+25472"],
    ...["+254722000001x", "+2547220000012345678", "tel:+254722000001", "+254 722 000001", "٠٧٢٢٠٠٠٠٠١"],
  ])
    it(`is none where it is ${JSON.stringify(text)}`, () => assert.equal(numberFromCarrier(text), null));

  it("is E.164 or none, whatever comes", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[+0]{0,3}[0-9]{0,20}(;.*)?$/)), (text) => {
        const number = numberFromCarrier(text);
        assert.ok(number === null || parseE164(number).ok, `${text}: ${number}`);
      }),
    );
  });
});
