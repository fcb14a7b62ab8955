import assert from "node:assert/strict";
import fc from "fast-check";
import { DigitReceiver, DigitSender } from "../../../engine/simulator/media/telephone-event.ts";
import { ManualClock } from "./manual-clock.ts";

interface Sent {
  payload: Uint8Array;
  timestamp: number;
}

/** All packets of those digits, with the timestamps they go out with. */
function packetsOf(digits: string, startTimestamp = 0xffff_ff00): Sent[] {
  const sender = new DigitSender();
  sender.add(digits);
  const sent: Sent[] = [];
  for (let timestamp = startTimestamp; sender.busy; timestamp = (timestamp + 160) >>> 0) {
    const packet = sender.next();
    if (packet !== null && packet !== "wait")
      sent.push({ payload: packet.payload, timestamp: (timestamp - packet.slotsAgo * 160) >>> 0 });
  }
  return sent;
}

function heardFrom(packets: readonly Sent[]): { digits: string; durationsMs: number[] } {
  const clock = new ManualClock();
  const heard = { digits: "", durationsMs: [] as number[] };
  const receiver = new DigitReceiver(clock, (digit, durationMs) => {
    heard.digits += digit;
    heard.durationsMs.push(durationMs);
  });
  for (const { payload, timestamp } of packets) {
    receiver.receive(payload, timestamp);
    clock.advance(20);
  }
  clock.advance(1000);
  return heard;
}

describe("digits over RTP", () => {
  const keys = fc
    .array(fc.constantFrom(..."0123456789*#ABCD".split("")), { minLength: 1, maxLength: 12 })
    .map((digits) => digits.join(""));

  it("arrive as they were sent, 100 ms each", () => {
    fc.assert(
      fc.property(keys, fc.nat(0xffff_ffff), (digits, start) => {
        assert.deepEqual(heardFrom(packetsOf(digits, start)), {
          digits,
          durationsMs: digits.split("").map(() => 100),
        });
      }),
    );
  });

  it("take seven packets each, three of them the end", () => {
    const packets = packetsOf("5");
    assert.equal(packets.length, 7);
    assert.deepEqual(
      packets.map(({ payload }) => [payload[1]! >> 7, (payload[2]! << 8) | payload[3]!]),
      [
        [0, 160],
        [0, 320],
        [0, 480],
        [0, 640],
        [1, 800],
        [1, 800],
        [1, 800],
      ],
    );
    assert.deepEqual(new Set(packets.map(({ timestamp }) => timestamp)).size, 1);
  });

  it("arrive each once although packets are lost or repeated, as long as one of each digit arrives", () => {
    const fates = fc.array(fc.constantFrom(0, 1, 2), { minLength: 84, maxLength: 84 });
    fc.assert(
      fc.property(keys, fates, (digits, copies) => {
        const sent = packetsOf(digits);
        const arrived = sent.flatMap((packet, i) => {
          const isFirst = i % 7 === 0;
          return Array.from({ length: Math.max(isFirst ? 1 : 0, copies[i]!) }, () => packet);
        });
        assert.equal(heardFrom(arrived).digits, digits);
      }),
    );
  });

  it("do not come again from packets overtaken by the next digit", () => {
    const [late, ...rest] = packetsOf("12");
    assert.equal(heardFrom([...rest, late!]).digits, "12");
  });

  it("end 200 ms after the last packet when the end is lost", () => {
    const clock = new ManualClock();
    const heard: string[] = [];
    const receiver = new DigitReceiver(clock, (digit) => heard.push(digit));
    const [first] = packetsOf("9");
    receiver.receive(first!.payload, first!.timestamp);
    clock.advance(199);
    assert.deepEqual(heard, []);
    clock.advance(1);
    assert.deepEqual(heard, ["9"]);
  });

  it("leave out what is not a key", () => {
    assert.equal(heardFrom(packetsOf("1x 2é😀#")).digits, "12#");
  });
});
