import assert from "node:assert/strict";
import fc from "fast-check";
import { Reception } from "../../../engine/simulator/media/reception.ts";
import { readRtp, writeRtp } from "../../../engine/simulator/media/rtp-packet.ts";

const packet = (sequence: number, ssrc = 1) => ({
  payloadType: 0,
  marker: false,
  sequence: sequence & 0xffff,
  timestamp: (sequence * 160) >>> 0,
  ssrc,
  payload: new Uint8Array(160),
});

describe("the statistics of a stream", () => {
  it("count what is missing between the first and the last packet, across the wrap of the numbers", () => {
    const fates = fc.array(fc.boolean(), { minLength: 1, maxLength: 300 });
    fc.assert(
      fc.property(fc.nat(0xffff), fates, (start, arrives) => {
        const reception = new Reception();
        const whole = [true, ...arrives, true];
        for (const [i, arrived] of whole.entries()) {
          if (arrived) reception.count(packet(start + i), i * 20, true);
        }
        assert.equal(reception.packetsLost, whole.filter((arrived) => !arrived).length);
        assert.equal(reception.packetsReceived, whole.filter((arrived) => arrived).length);
      }),
    );
  });

  it("do not take reordered packets for lost ones", () => {
    const reception = new Reception();
    for (const sequence of [0, 2, 1, 3]) reception.count(packet(sequence), sequence * 20, true);
    assert.equal(reception.packetsLost, 0);
  });

  it("keep the losses of a stream that another has followed", () => {
    const reception = new Reception();
    for (const sequence of [0, 2]) reception.count(packet(sequence, 1), sequence * 20, true);
    for (const sequence of [900, 903]) reception.count(packet(sequence, 2), sequence * 20, true);
    assert.equal(reception.packetsLost, 3);
  });

  it("have no jitter on an even stream, and that of RFC 3550 §6.4.1 on an uneven one", () => {
    const even = new Reception();
    for (let i = 0; i < 100; i += 1) even.count(packet(i), i * 20, true);
    assert.equal(even.jitterMs, 0);

    const uneven = new Reception();
    for (let i = 0; i < 500; i += 1) uneven.count(packet(i), i * 20 + (i % 2) * 8, true);
    assert.ok(Math.abs(uneven.jitterMs - 8) < 0.1);
  });
});

describe("an RTP packet", () => {
  it("reads as it was written", () => {
    const any = fc.record({
      payloadType: fc.nat(127),
      marker: fc.boolean(),
      sequence: fc.nat(0xffff),
      timestamp: fc.nat(0xffff_ffff),
      ssrc: fc.nat(0xffff_ffff),
      payload: fc.uint8Array({ maxLength: 200 }),
    });
    fc.assert(
      fc.property(any, (written) => {
        const read = readRtp(writeRtp(written));
        assert.deepEqual(read && { ...read, payload: Uint8Array.from(read.payload) }, { ...written });
      }),
    );
  });

  it("is read past contributing sources and an extension, and without its padding", () => {
    const head = writeRtp({ ...packet(7), payload: new Uint8Array() });
    head.writeUInt8(0x80 | 0x20 | 0x10 | 1, 0);
    const bytes = Buffer.concat([head, Buffer.from([9, 9, 9, 9, 0, 0, 0, 1, 8, 8, 8, 8, 1, 2, 3, 0, 2])]);
    assert.deepEqual([...readRtp(bytes)!.payload], [1, 2, 3]);
  });

  it("is refused, not thrown over, when its lengths are lies", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        readRtp(Buffer.from(bytes));
      }),
    );
  });
});
