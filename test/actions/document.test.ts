import assert from "node:assert/strict";
import fc from "fast-check";
import { documentSchema, itemOf, verbs } from "../../engine/actions/document.ts";

const otieno = "+254712345678";

/** What is wrong with a document: each issue as `path: message`. */
function problems(document: unknown): string[] {
  const checked = documentSchema.safeParse(document);
  return (checked.error?.issues ?? []).map((issue) => {
    const path = issue.path.map((key) => (typeof key === "number" ? `[${key}]` : `.${String(key)}`)).join("");
    return `${path.replace(/^\./, "")}: ${issue.message}`;
  });
}

describe("a voice document", () => {
  it("may be one item or fifty", () => {
    assert.deepEqual(problems([{ hangup: {} }]), []);
    assert.deepEqual(problems(Array(50).fill({ wait: { seconds: 1 } })), []);
    assert.deepEqual(
      problems([
        { play: { url: "https://example.com/welcome.wav", loop: 0 } },
        { dial: { number: otieno, callerId: "+254200000001", timeout: 5, record: true, maxDuration: 10 } },
        { wait: { seconds: 600 } },
        { hangup: {} },
      ]),
      [],
    );
  });

  const wrong: [name: string, document: unknown, path: RegExp][] = [
    ["is empty", [], /^: /],
    ["has 51 items", Array(51).fill({ hangup: {} }), /^: /],
    ["is no array", { actions: [] }, /^: /],
    ["has an item that is null", [null], /^\[0\]: must be an object with exactly one verb/],
    ["has an item that is a list", [{ hangup: {} }, []], /^\[1\]: must be an object with exactly one verb/],
    ["has an item without a verb", [{}], /^\[0\]: must be an object with exactly one verb/],
    [
      "has an item with two verbs",
      [{ hangup: {}, wait: { seconds: 1 } }],
      /^\[0\]: must be an object with exactly one verb/,
    ],
    [
      "has an unknown verb",
      [{ sing: {} }],
      /^\[0\]: is an unknown verb; known are say, play, getDigits, dial/,
    ],
    ["has a verb that only objects inherit", [{ toString: {} }], /^\[0\]: is an unknown verb/],
    ["has a verb named constructor", [{ constructor: {} }], /^\[0\]: is an unknown verb/],
    [
      "dials a number that is not E.164",
      [{ wait: { seconds: 1 } }, { dial: { number: "0712345678" } }],
      /^\[1\]\.dial\.number: must be E\.164/,
    ],
    ["dials with nothing said", [{ dial: {} }], /^\[0\]\.dial: must have one of number, numbers and sip/],
    ["dials with a line break", [{ dial: { number: `${otieno}\n` } }], /^\[0\]\.dial\.number: /],
    ["dials with a misspelt option", [{ dial: { number: otieno, timeOut: 5 } }], /^\[0\]\.dial: .*timeOut/],
    ["dials for 4 s", [{ dial: { number: otieno, timeout: 4 } }], /^\[0\]\.dial\.timeout: /],
    ["dials for 121 s", [{ dial: { number: otieno, timeout: 121 } }], /^\[0\]\.dial\.timeout: /],
    ["talks for 9 s", [{ dial: { number: otieno, maxDuration: 9 } }], /^\[0\]\.dial\.maxDuration: /],
    ["records sometimes", [{ dial: { number: otieno, record: "sometimes" } }], /^\[0\]\.dial\.record: /],
    [
      "plays a file",
      [{ play: { url: "file:///etc/passwd" } }],
      /^\[0\]\.play\.url: must be an http or https/,
    ],
    ["plays by ftp", [{ play: { url: "ftp://example.com/a.wav" } }], /^\[0\]\.play\.url: must be an http/],
    ["plays nothing", [{ play: {} }], /^\[0\]\.play\.url: /],
    ["plays 21 times", [{ play: { url: "https://example.com/a.wav", loop: 21 } }], /^\[0\]\.play\.loop: /],
    [
      "plays half a time",
      [{ play: { url: "https://example.com/a.wav", loop: 0.5 } }],
      /^\[0\]\.play\.loop: /,
    ],
    ["dials nobody", [{ dial: { timeout: 5 } }], /^\[0\]\.dial: must have one of/],
    [
      "dials a number and a list",
      [{ dial: { number: "+254712345678", numbers: ["+254712345679"] } }],
      /^\[0\]\.dial\.numbers: cannot stand beside number/,
    ],
    ["dials an empty list", [{ dial: { numbers: [] } }], /^\[0\]\.dial\.numbers: /],
    [
      "dials eleven",
      [{ dial: { numbers: Array.from({ length: 11 }, (_, n) => `+2547123456${n + 10}`) } }],
      /^\[0\]\.dial\.numbers: /,
    ],
    [
      "dials somebody twice",
      [{ dial: { numbers: ["+254712345678", "+254712345679", "+254712345678"] } }],
      /^\[0\]\.dial\.numbers\[2\]: stands in the list twice/,
    ],
    ["dials no device", [{ dial: { sip: "sip:Otieno Kamau" } }], /^\[0\]\.dial\.sip: must be sip:/],
    ["dials a device of the web's", [{ dial: { sip: "https://otieno" } }], /^\[0\]\.dial\.sip: must be sip:/],
    [
      "dials a device and a number",
      [{ dial: { sip: "sip:k7w2mq9xh4td", number: "+254712345678" } }],
      /^\[0\]\.dial\.sip: cannot stand beside number/,
    ],
    [
      "records several from ringing",
      [{ dial: { numbers: ["+254712345678", "+254712345679"], record: "from-ringing" } }],
      /^\[0\]\.dial\.record: of several/,
    ],
    [
      "rings back from a file",
      [{ dial: { number: "+254712345678", ringback: "file:///etc/passwd" } }],
      /^\[0\]\.dial\.ringback: must be an http/,
    ],
    [
      "hangs up on a word",
      [{ dial: { number: "+254712345678", hangupOnStar: "*" } }],
      /^\[0\]\.dial\.hangupOnStar: /,
    ],
    ["waits for nothing", [{ wait: { seconds: 0 } }], /^\[0\]\.wait\.seconds: /],
    ["waits for 601 s", [{ wait: { seconds: 601 } }], /^\[0\]\.wait\.seconds: /],
    ["waits in words", [{ wait: { seconds: "5" } }], /^\[0\]\.wait\.seconds: /],
    ["hangs up with a reason", [{ hangup: { reason: "tired" } }], /^\[0\]\.hangup: .*reason/],
    ["hangs up with null", [{ hangup: null }], /^\[0\]\.hangup: /],
  ];
  for (const [name, document, path] of wrong) {
    it(`that ${name} is refused, and the refusal says where`, () => {
      const found = problems(document);
      assert.ok(
        found.some((problem) => path.test(problem)),
        `${String(path)} is not in ${found.join(" | ")}`,
      );
    });
  }

  it("names every place that is wrong, not only the first", () => {
    const found = problems([{ dial: { number: "x", timeout: 1 } }, { wait: { seconds: 0 } }]);
    for (const path of ["[0].dial.number", "[0].dial.timeout", "[1].wait.seconds"]) {
      assert.ok(
        found.some((problem) => problem.startsWith(`${path}:`)),
        path,
      );
    }
  });

  it("of any JSON at all is accepted or refused, never an error", () => {
    const verbish = fc.oneof(
      fc.constantFrom(...Object.keys(verbs), "say", "__proto__", "constructor", "toString"),
      fc.string(),
    );
    const item = fc.oneof(
      fc.jsonValue(),
      fc.dictionary(verbish, fc.jsonValue(), { maxKeys: 2 }),
      fc.tuple(verbish, fc.jsonValue()).map(([verb, spec]) => ({ [verb]: spec })),
    );
    fc.assert(
      fc.property(fc.oneof(fc.jsonValue(), fc.array(item)), (document) => {
        const checked = documentSchema.safeParse(document);
        if (!checked.success) assert.ok(checked.error.issues.length > 0);
        // What passes can be run: each item is found again, and its verb begins.
        else for (const accepted of checked.data) assert.ok(itemOf(accepted).verb.name in verbs);
      }),
      { numRuns: 2000 },
    );
  });
});
