import { strict as assert } from "node:assert";
import { dialSchema, devicesOf, uriOf } from "../../engine/actions/dial-spec.ts";
import { isSipHost, parseSipUri, sipUriText } from "../../engine/sip/sip-uri.ts";
import { deviceContact, isDeviceContact } from "../../engine/switch/devices.ts";

describe("SIP URIs that documents may dial", () => {
  for (const [text, expected] of [
    ["sip:alice@pbx.example.co.ke", ["alice", "pbx.example.co.ke", null, "udp"]],
    ["sip:Alice.W_1+x-y@PBX.Example.co.ke:5070", ["Alice.W_1+x-y", "pbx.example.co.ke", 5070, "udp"]],
    ["sip:100@203.0.113.9;transport=tcp", ["100", "203.0.113.9", null, "tcp"]],
    ["sip:+254722000001@203.0.113.9:65535;transport=tls", ["+254722000001", "203.0.113.9", 65_535, "tls"]],
    ["sip:a@localhost;transport=udp", ["a", "localhost", null, "udp"]],
  ] as const) {
    it(`${text} is one, and what is made of it goes into a dial string`, () => {
      const uri = parseSipUri(text)!;
      assert.deepEqual([uri.user, uri.host, uri.port, uri.transport], expected);
      assert.deepEqual(parseSipUri(sipUriText(uri)), uri);
      const contact = deviceContact(sipUriText(uri), { host: "203.0.113.9", port: 5060 }, uri.transport);
      assert.ok(contact !== null && isDeviceContact(contact), String(contact));
      assert.deepEqual(uriOf({ sip: text }), uri);
    });
  }

  for (const text of [
    ...["sip:alice", "alice@pbx.example", "sip:@pbx.example", "sip:alice@", "tel:+254722000001"],
    ...[
      "sips:alice@pbx.example",
      "SIP:alice@pbx.example",
      " sip:alice@pbx.example",
      "sip:alice@pbx.example\n",
    ],
    // What FreeSWITCH splits a dial string on, expands, or takes for an endpoint.
    ...["sip:a,b@pbx.example", "sip:a|b@pbx.example", "sip:a b@pbx.example", "sip:a:_:b@pbx.example"],
    ...["sip:a[x=1]@pbx.example", "sip:{x=1}a@pbx.example", "sip:<x>a@pbx.example", "sip:${x}@pbx.example"],
    ...[
      "sip:a@pbx.example,loopback/x",
      "sip:a/b@pbx.example",
      "sip:a%2Cb@pbx.example",
      "sip:a'b@pbx.example",
    ],
    ...[
      "sip:a:secret@pbx.example",
      "sip:a@b@pbx.example",
      "sip:é@pbx.example",
      `sip:${"a".repeat(65)}@x.example`,
    ],
    ...[
      "sip:a@pbx.example;maddr=10.0.0.1",
      "sip:a@pbx.example;fs_path=sip:10.0.0.1",
      "sip:a@pbx.example?X=1",
    ],
    ...[
      "sip:a@pbx.example;transport=ws",
      "sip:a@pbx.example;transport=tcp;lr",
      "sip:a@pbx.example;Transport=TCP",
    ],
    ...[
      "sip:a@pbx.example:0",
      "sip:a@pbx.example:65536",
      "sip:a@pbx.example:",
      "sip:a@pbx.example:5060:5060",
    ],
    ...["sip:a@127.1", "sip:a@2130706433", "sip:a@0x7f000001", "sip:a@0177.0.0.1", "sip:a@1.2.3.256"],
    ...["sip:a@[::1]", "sip:a@-x.example", "sip:a@x-.example", "sip:a@pbx..example", "sip:a@pbx.example."],
    ...["sip:a@pbx_1.example", `sip:a@${"a".repeat(64)}.example`, `sip:a@${"a.".repeat(127)}example`],
  ]) {
    it(`${JSON.stringify(text)} is none`, () => {
      assert.equal(parseSipUri(text), null);
    });
  }

  it("a document's `sip` is a credential, a number or a URI; where it may be two of these it is read as both", () => {
    const read = (sip: string) => {
      const { success, data } = dialSchema.safeParse({ sip });
      return success ? [devicesOf(data), uriOf(data)?.host ?? null] : "refused";
    };
    assert.deepEqual(read("sip:k7w2mq9xh4td"), [{ login: "k7w2mq9xh4td" }, null]);
    assert.deepEqual(read("sips:k7w2mq9xh4td@sip.example"), [{ login: "k7w2mq9xh4td" }, null]);
    assert.deepEqual(read("sip:k7w2mq9xh4td@sip.example"), [{ login: "k7w2mq9xh4td" }, "sip.example"]);
    assert.deepEqual(read("sip:+254200000001@a.example"), [{ number: "+254200000001" }, "a.example"]);
    assert.deepEqual(read("sip:Alice@pbx.example:5070"), [null, "pbx.example"]);
    for (const sip of ["sip:Alice", "sip:Alice@1.2.3.256", "sip:a.b@x.example:99999", "sip:a,b@x.example"])
      assert.equal(read(sip), "refused", sip);
  });

  it("a host is told from an address in disguise", () => {
    const hosts = ["pbx.example", "localhost", "a-b.c1.example", "203.0.113.9", "xn--bcher-kva.example"];
    assert.deepEqual(hosts.map(isSipHost), [true, true, true, true, true]);
    const others = ["", "1", "127.1", "10.0.0.0x1", "a.1", "256.1.1.1", "a b", "a,b.example", "é.example"];
    assert.ok(!others.some(isSipHost));
  });
});
