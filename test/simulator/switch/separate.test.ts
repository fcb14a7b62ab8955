import { strict as assert } from "node:assert";
import fc from "fast-check";
import { readDial } from "../../../engine/simulator/switch/dial.ts";
import { separate } from "../../../engine/simulator/switch/separate.ts";

const variable = (line: string, name: string) => {
  const dial = readDial(line);
  return dial === null || dial === "broken" ? dial : (dial.variables.get(name) ?? null);
};

describe("the variables of an originate", () => {
  // Each answer is the real switch's (1.11.1).
  const rows: [string, string | null][] = [
    ["{u=1,zz='a,b'}", "a"],
    ["{u=1,zz=a\\,b}", "a,b"],
    ["{u=1,zz='a\\,b'}", "a,b"],
    ["{^^;u=1;zz=a,b}", "a,b"],
    ["{u=1,zz='a b',yy=1}", "a b"],
    ["{u=1,zz=a\\sb}", "a b"],
    ["{u=1,zz=a b}", "broken"],
    ["{u=1, zz=sp}", "broken"],
    ["{u=1,zz=,yy=1}", ""],
    ["{u=1,zz='it\\'s'}", "it's"],
    ["{u=1,zz=a=b}", "a=b"],
    ["{u=1,zz}", null],
    ["{u=1}{zz=second}", "second"],
    ["{u=1,zz='a''b'}", "ab"],
    ['{u=1,zz="a,b"}', '"a'],
    ["{u=1,zz=[x]}", "[x]"],
    ["{u=1,zz=a\\\\b}", "a\\b"],
    ["{u=1,zz=a\\nb}", "a\nb"],
    ["{u=1,zz=q'w'e}", "qwe"],
    ["{u=1,zz=1,zz=2}", "2"],
    ["{u=1,zz=x;y}", "x;y"],
    ["{u=1,zz='  lead  '}", "lead"],
    ["{u=1,zz=%41%2c}", "%41%2c"],
  ];
  for (const [braces, expected] of rows) {
    it(`${braces} is ${JSON.stringify(expected)}`, () => {
      assert.equal(variable(`${braces}sofia/gateway/carrier/1 &park()`, "zz"), expected);
    });
  }

  it("carries any value of letters, digits and + whole", () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[\w+.:-]+$/), (value) => {
        assert.equal(variable(`{a=1,zz=${value},b=2}sofia/gateway/carrier/1 &park()`, "zz"), value);
      }),
    );
  });

  it("reads branches, their own variables and the application", () => {
    const dial = readDial(
      "{ignore_early_media=true}[origination_uuid=u1,a='x y']sofia/gateway/carrier/+254700000001," +
        "[origination_uuid=u2]sofia/gateway/carrier/+254700000002 &intercept(u0)",
    );
    assert.ok(dial !== null && dial !== "broken");
    assert.deepEqual(dial.application, { name: "intercept", argument: "u0" });
    assert.deepEqual(
      dial.branches.map((branch) => [branch.destination, Object.fromEntries(branch.variables)]),
      [
        ["sofia/gateway/carrier/+254700000001", { origination_uuid: "u1", a: "x y" }],
        ["sofia/gateway/carrier/+254700000002", { origination_uuid: "u2" }],
      ],
    );
  });

  it("never throws, whatever the line", () => {
    fc.assert(fc.property(fc.string(), (line) => void readDial(line)));
    fc.assert(fc.property(fc.string(), (line) => void separate(line, ",")));
  });
});
