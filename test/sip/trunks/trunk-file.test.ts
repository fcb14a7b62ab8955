import assert from "node:assert/strict";
import { dialledNumber, readTrunkFile, type Trunk } from "../../../engine/sip/trunks/trunk-file.ts";

const read = (text: string, edge = true) =>
  readTrunkFile(text, { edge, secretOf: (name) => ({ TRUNK_PASSWORD: "s3cret" })[name] });

function trunkOf(text: string, edge = true): Trunk {
  const file = read(text, edge);
  assert.ok(file.ok, JSON.stringify(file));
  return file.trunks[0]!;
}

describe("trunks.yaml", () => {
  it("takes a name and an address, and fills in the rest", () => {
    assert.deepEqual(trunkOf("trunks: [{ name: one, host: 192.0.2.7 }]"), {
      ...{ name: "one", via: "edge", host: "192.0.2.7", port: 5060, transport: "udp", login: null },
      ...{ registerSeconds: null, addresses: ["192.0.2.7/32"], prefixes: [""], numberFormat: "e164" },
      ...{
        techPrefix: "",
        codecs: ["PCMA", "PCMU"],
        channels: null,
        priority: 10,
        weight: 1,
        pingSeconds: 15,
      },
    });
  });

  it("is spoken to by the boxes themselves without an edge, over TLS, by a name, or with a login", () => {
    const login = "username: u, password_env: TRUNK_PASSWORD";
    const where = "addresses: [192.0.2.0/24]";
    assert.equal(trunkOf("trunks: [{ name: one, host: 192.0.2.7 }]", false).via, "switch");
    assert.equal(trunkOf(`trunks: [{ name: one, host: sip.example.com, ${where} }]`).via, "switch");
    const tls = trunkOf("trunks: [{ name: one, host: 192.0.2.7, transport: tls }]");
    assert.deepEqual([tls.via, tls.port], ["switch", 5061]);
    const registers = trunkOf(`trunks: [{ name: one, host: sip.example.com, ${login}, register: true }]`);
    assert.deepEqual(registers.login, { username: "u", password: "s3cret", realm: null });
    assert.deepEqual([registers.via, registers.registerSeconds], ["switch", 600]);
  });

  for (const [what, text, field, code] of [
    ["no YAML", "trunks: [", "body", "yaml"],
    ["a key that stands there twice", "trunks: []\ntrunks: []", "body", "yaml"],
    ["aliases", "a: &a [x]\ntrunks: *a", "body", "yaml"],
    ["a key nobody knows", "trunks: [{ name: a, host: 192.0.2.7, prot: 5 }]", "trunks[0].prot", "unknown"],
    ["no host", "trunks: [{ name: a }]", "trunks[0].host", "required"],
    ["a host that is none", "trunks: [{ name: a, host: '192.0.2.7;x' }]", "trunks[0].host", "format"],
    [
      "a range that is none",
      "trunks: [{ name: a, host: 192.0.2.7, addresses: [192.0.2.0/33] }]",
      "trunks[0].addresses[0]",
      "invalid",
    ],
    [
      "a name without addresses",
      "trunks: [{ name: a, host: sip.example.com }]",
      "trunks[0].addresses",
      "value",
    ],
    [
      "a name over the edge",
      "trunks: [{ name: a, host: sip.example.com, via: edge, addresses: [192.0.2.7] }]",
      "trunks[0].host",
      "value",
    ],
    [
      "TLS over the edge",
      "trunks: [{ name: a, host: 192.0.2.7, via: edge, transport: tls }]",
      "trunks[0].transport",
      "value",
    ],
    [
      "a login without a password",
      "trunks: [{ name: a, host: 192.0.2.7, username: u }]",
      "trunks[0].password",
      "value",
    ],
    [
      "a secret that is not set",
      "trunks: [{ name: a, host: 192.0.2.7, username: u, password_env: NONE }]",
      "trunks[0].password_env",
      "value",
    ],
    [
      "a password that would break the switch's configuration",
      "trunks: [{ name: a, host: 192.0.2.7, username: u, password: 'a\"/>' }]",
      "trunks[0].password",
      "format",
    ],
    [
      "a name twice",
      "trunks: [{ name: a, host: 192.0.2.7 }, { name: a, host: 192.0.2.8 }]",
      "trunks[1].name",
      "value",
    ],
  ] as const) {
    it(`is refused with the field's place: ${what}`, () => {
      const file = read(text);
      assert.ok(!file.ok);
      assert.deepEqual(
        file.bad.map(({ field, code }) => [field, code]),
        [[field, code]],
      );
    });
  }

  it("takes an address for a range of one", () => {
    const { addresses } = trunkOf(
      "trunks: [{ name: one, host: 192.0.2.7, addresses: [192.0.2.8, 192.0.2.0/30] }]",
    );
    assert.deepEqual(addresses, ["192.0.2.8/32", "192.0.2.0/30"]);
  });

  it("does not repeat a password that was taken for an alias", () => {
    const file = read("trunks: [{ name: a, host: 192.0.2.7, username: u, password: *S3cret }]");
    assert.ok(!file.ok);
    assert.doesNotMatch(JSON.stringify(file), /S3cret/);
    assert.match(file.bad[0]!.message, /quotes/);
  });

  it("says everything that is wrong at once", () => {
    const file = read("trunks: [{ name: A, host: 192.0.2.7 }, { name: b, host: 192.0.2.7, port: 0 }]");
    assert.ok(!file.ok);
    assert.deepEqual(
      file.bad.map(({ field }) => field),
      ["trunks[0].name", "trunks[1].port"],
    );
  });

  it("writes numbers as the carrier wants them", () => {
    const trunk = trunkOf("trunks: [{ name: one, host: 192.0.2.7 }]");
    const as = (more: Partial<Trunk>, number: `+${string}` = "+254700000001") =>
      dialledNumber({ ...trunk, ...more }, number);
    assert.equal(as({}), "+254700000001");
    assert.equal(as({ numberFormat: "digits" }), "254700000001");
    assert.equal(as({ numberFormat: "international" }), "00254700000001");
    assert.equal(as({ numberFormat: "national" }), "0700000001");
    assert.equal(as({ numberFormat: "national" }, "+447700900001"), "000447700900001");
    assert.equal(as({ numberFormat: "digits", techPrefix: "99" }), "99254700000001");
  });
});
