import assert from "node:assert/strict";
import fc from "fast-check";
import { readHep } from "../../../engine/sip/trace/hep.ts";

/** As a real FreeSWITCH 1.11.1 sent it, shortened. */
const invite = "INVITE sip:+254700000001@127.0.0.1:5070 SIP/2.0\r\nCall-ID: a\r\n\r\n";
const chunk = (type: number, value: Buffer, vendor = 0) => {
  const head = Buffer.alloc(6);
  head.writeUInt16BE(vendor, 0);
  head.writeUInt16BE(type, 2);
  head.writeUInt16BE(6 + value.length, 4);
  return Buffer.concat([head, value]);
};
const hex = (text: string) => Buffer.from(text, "hex");
const wanted: readonly (readonly [number, Buffer])[] = [
  [1, hex("02")],
  [2, hex("11")],
  [7, hex("13c4")],
  [8, hex("13ce")],
  [9, hex("6b0b9f00")],
  [10, hex("0001e240")],
  [11, hex("01")],
  [12, hex("000000c8")],
  [3, hex("7f000001")],
  [4, hex("c0000201")],
  [15, Buffer.from(invite)],
];
const packet = (chunks: readonly Buffer[]) => {
  const all = Buffer.concat(chunks);
  const head = Buffer.from("HEP3\0\0");
  head.writeUInt16BE(all.length + 6, 4);
  return Buffer.concat([head, all]);
};
const with_ = (type: number, value: Buffer | null) =>
  packet(
    wanted.flatMap(([one, is]) =>
      one !== type ? [chunk(one, is)] : value === null ? [] : [chunk(one, value)],
    ),
  );
const good = packet(wanted.map(([type, value]) => chunk(type, value)));

describe("a captured SIP message (HEP3)", () => {
  it("has its time, both addresses and the text", () => {
    const { payload, ...rest } = readHep(good)!;
    assert.equal(payload.toString(), invite);
    assert.deepEqual(rest, {
      ...{ atUs: 0x6b0b9f00 * 1_000_000 + 123_456, protocol: "udp" },
      ...{ source: "127.0.0.1:5060", destination: "192.0.2.1:5070" },
    });
  });

  it("may be of IPv6, TCP or TLS, and have chunks of others' in it", () => {
    const six = hex("20010db8000000000000000000000001");
    const chunks = wanted
      .filter(([type]) => type !== 3 && type !== 4)
      .map(([type, value]) => chunk(type, type === 2 ? hex("16") : value));
    const read = readHep(packet([chunk(5, hex("ff"), 7), chunk(6, six), chunk(5, six), ...chunks]));
    assert.deepEqual([read?.source, read?.protocol], ["[2001:db8:0:0:0:0:0:1]:5060", "tls"]);
    assert.equal(readHep(with_(2, hex("06")))?.protocol, "tcp");
  });

  const bad: Record<string, Buffer> = {
    nothing: Buffer.alloc(0),
    "another version": Buffer.from("HEP2\0\x06"),
    "a length that is not its own": Buffer.concat([good, Buffer.from("x")]),
    "half of it": good.subarray(0, good.length / 2),
    "a chunk longer than the rest": packet([Buffer.from([0, 0, 0, 15, 255, 255])]),
    "a chunk shorter than its head": packet([Buffer.from([0, 0, 0, 15, 0, 5])]),
    "a chunk of nothing": packet([Buffer.from([0, 0, 0, 15, 0, 0])]),
    "a chunk twice": packet([...wanted, wanted[0]!].map(([type, value]) => chunk(type, value))),
    RTCP: with_(11, hex("05")),
    "no text": with_(15, null),
    "no source": with_(3, null),
    "an address of three bytes": with_(4, hex("7f0000")),
    "a port of one byte": with_(7, hex("13")),
    "a protocol of another world": with_(2, hex("84")),
  };
  for (const [what, bytes] of Object.entries(bad))
    it(`is none: ${what}`, () => assert.equal(readHep(bytes), null));

  it("of any bytes is read or refused, and nothing is thrown", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(good.length - 1), (noise, at) => {
        readHep(Buffer.from(noise));
        readHep(packet([Buffer.from(noise)]));
        const hit = Buffer.from(good);
        hit.set(noise.subarray(0, good.length - at), at);
        readHep(hit);
      }),
      { numRuns: 2000 },
    );
  });
});
