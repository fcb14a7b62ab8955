import assert from "node:assert/strict";
import { asBlocks, readInventoryFile } from "../../engine/numbers/inventory-file.ts";

const numbersOf = (text: string) => {
  const { numbers, faults } = readInventoryFile(text);
  assert.deepEqual(faults, []);
  return numbers.map(({ e164 }) => e164);
};

describe("numbers: the inventory's file", () => {
  it("has a number or a block a line, as carriers write them", () => {
    const numbers = numbersOf("+254 20 700 0000-0999\n");
    assert.equal(numbers.length, 1000);
    assert.deepEqual([numbers[0], numbers[999]], ["+254207000000", "+254207000999"]);
    assert.deepEqual(numbersOf("# Telkom's\r\n\r\n+254207100001\n+254 20 710 0007 - 0009\n"), [
      ...["+254207100001", "+254207100007", "+254207100008", "+254207100009"],
    ]);
  });

  it("has the numbers in the column headed so, or else in the first", () => {
    assert.deepEqual(numbersOf('city,Number,note\nNairobi,+254207000001,"bought, in June"\n'), [
      "+254207000001",
    ]);
    assert.deepEqual(numbersOf("\uFEFF+254207000001,Nairobi\n"), ["+254207000001"]);
  });

  it("knows each number's country", () => {
    const { numbers } = readInventoryFile("+254207000001\n+256414000001\n");
    assert.deepEqual(
      numbers.map(({ country }) => country),
      ["ke", "ug"],
    );
  });

  const bad: [what: string, text: string, line: number, says: RegExp][] = [
    ["a word", "+254207000001\nNairobi\n", 2, /"Nairobi" is neither a number .* nor a block/],
    ["a national number", "+254207000001\n\n0207000002\n", 3, /neither a number/],
    ["a number that is too short", "+25420700\n", 1, /\+25420700 is not as long/],
    ["a number twice", "+254207000001\n+254207000002\n+254207000001\n", 3, /is on line 1 already/],
    [
      "a number within a block",
      "+254 20 700 0000-0999\n+254207000500\n",
      2,
      /\+254207000500 is on line 1 already/,
    ],
    [
      "blocks that overlap",
      "# x\n+254 20 700 0000-0099\n+254 20 700 0090-0199\n",
      3,
      /\+254207000090 is on line 2/,
    ],
    ["a block that ends before it begins", "+254 20 700 0999-0000\n", 1, /ends before it begins/],
    ["a block of half a country", "+254 20 000 0000-9999999\n", 1, /more than 10000 numbers/],
    [
      "a block with a whole number behind the dash",
      "+254207000000-254207000999\n",
      1,
      /as long as the number/,
    ],
    ["a premium number", "+254900123456\n", 1, /premium/],
    ["a quote that is not closed", '+254207000001\n"+254207000002\n', 2, /[Qq]uote/],
    ["nothing", "# nothing\n", 1, /there is no number/],
  ];
  for (const [what, text, line, says] of bad)
    it(`with ${what} is refused, by the line`, () => {
      const { faults } = readInventoryFile(text);
      assert.equal(faults[0]?.line, line, JSON.stringify(faults));
      assert.match(faults[0].message, says);
    });

  it("with several faults names them all", () => {
    const { faults } = readInventoryFile("one\n+254207000001\ntwo\n+254207000001\n");
    assert.deepEqual(
      faults.map(({ line }) => line),
      [1, 3, 4],
    );
  });

  it("is summed up in blocks that can be read again", () => {
    const numbers = numbersOf("+254 20 700 0000-0999\n+254207001005\n+254 20 700 1007-1008\n");
    const blocks = asBlocks([...numbers].reverse());
    assert.deepEqual(blocks, ["+254207000000-999", "+254207001005", "+254207001007-8"]);
    assert.deepEqual(numbersOf(blocks.join("\n")), numbers);
  });
});
