import assert from "node:assert/strict";
import { systemClock } from "../../../engine/clock.ts";
import { type Carrier, startCarrier } from "../../../engine/simulator/carrier/carrier.ts";
import {
  anyOtherNumber,
  dialledNumber,
  magicNumbers,
} from "../../../engine/simulator/carrier/magic-numbers.ts";
import { parsePhoneNumberFromString } from "libphonenumber-js";
import { dominantTone } from "../../../engine/simulator/media/goertzel.ts";
import { toneSource } from "../../../engine/simulator/media/tone.ts";
import type { SipAgent, SipCall } from "../../../engine/simulator/sip/call.ts";
import { agent, closeAgents, dial, happens, hear, host, mediaOf, sounds, within } from "../sip/agents.ts";

describe("the simulated carrier", function () {
  this.timeout(10_000);
  let carrier: Carrier;
  let exchange: SipAgent;
  beforeEach(async () => {
    carrier = await startCarrier({ host, port: 0, clock: systemClock });
    exchange = await agent();
  });
  afterEach(async () => {
    await closeAgents();
    await carrier.close();
  });

  const call = (number: string): SipCall => dial(exchange, carrier, number);
  const answered = async (number: string): Promise<SipCall> => {
    const made = call(number);
    await happens(made, "answered");
    return made;
  };
  const heardBy = async (made: SipCall): Promise<number | undefined> => dominantTone(await hear(made))?.hz;

  it("lets every number but the magic ones ring and answers it with 440 Hz", async () => {
    const made = call("+254712345678");
    const answers = happens(made, "answered");
    await happens(made, "ringing");
    await answers;
    assert.equal(await heardBy(made), 440);
    const { invitedAtMs, answeredAtMs } = carrier.calls[0]!;
    assert.ok(answeredAtMs! - invitedAtMs >= anyOtherNumber.beforeMs);
  });

  for (const [number, hz] of [
    ["+254700000001", 440],
    ["+254700000002", 880],
  ] as const) {
    it(`answers ${number} at once with ${hz} Hz of its own`, async () => {
      assert.equal(await heardBy(await answered(number)), hz);
    });
  }

  it("rings for a while before it answers +254700000003", async () => {
    const made = call("+254700000003");
    await happens(made, "ringing");
    await happens(made, "answered", 7000);
  });

  it("sends digits back from +254700000004 and writes them down", async () => {
    const made = await answered("+254700000004");
    const back = within(
      "three digits",
      new Promise((resolve) => {
        let digits = "";
        mediaOf(made).onDigit((digit) => {
          digits += digit;
          if (digits.length === 3) resolve(digits);
        });
      }),
    );
    mediaOf(made).sendDigits("17#");
    assert.equal(await back, "17#");
    assert.equal(carrier.calls[0]?.digits, "17#");
  });

  it("sends back the audio it hears from +254700000005", async () => {
    const made = await answered("+254700000005");
    mediaOf(made).setSource(toneSource({ hz: 1000 }));
    await hear(made, 5);
    assert.ok(sounds(await hear(made), 1000));
  });

  it("loses a third of the packets of +254700000006", async () => {
    const made = await answered("+254700000006");
    await hear(made, 40);
    const { packetsLost, packetsReceived } = mediaOf(made).stats;
    assert.ok(Math.abs(packetsLost / (packetsLost + packetsReceived) - 1 / 3) < 0.03);
  });

  it("sends nothing from +254700000007 and hears all the same", async () => {
    const made = await answered("+254700000007");
    mediaOf(made).setSource(toneSource({ hz: 1000 }));
    const theirs = carrier.calls[0]!;
    await within(
      "a second of sound",
      new Promise<void>((resolve) => theirs.media!.onFrame(() => theirs.heard.length > 0 && resolve())),
    );
    assert.deepEqual(
      theirs.heard.map(({ hz, seconds }) => [hz, seconds]),
      [[1000, 1]],
    );
    assert.equal(mediaOf(made).stats.packetsReceived, 0);
  });

  it("hangs up +254700000103 three seconds after the answer", async () => {
    const made = await answered("+254700000103");
    assert.deepEqual(await happens(made, "ended"), [{ by: "them", status: null, q850: 16 }]);
    const { answeredAtMs, endedAtMs, endedBy } = carrier.calls[0]!;
    assert.ok(Math.abs(endedAtMs! - answeredAtMs! - 3000) < 200);
    assert.equal(endedBy, "carrier");
  });

  it("rings +254700000180 until the caller gives up", async () => {
    const made = call("+254700000180");
    await happens(made, "ringing");
    made.end({ q850: 19 });
    const { endedBy, status, q850 } = await endOf(carrier);
    assert.deepEqual([endedBy, status, q850], ["caller", 487, 19]);
  });

  it("plays an announcement before it answers +254700000183 with another tone", async () => {
    const made = call("+254700000183");
    const answers = happens(made, "answered");
    await happens(made, "early");
    assert.equal(await heardBy(made), 620);
    await answers;
    await hear(made, 5);
    assert.equal(await heardBy(made), 880);
  });

  it("plays an announcement and never answers +254700000185", async () => {
    const made = call("+254700000185");
    const ends = happens(made, "ended");
    await happens(made, "early");
    assert.equal(await heardBy(made), 620);
    assert.deepEqual(await ends, [{ by: "them", status: 480, q850: null }]);
  });

  for (const status of [404, 480, 486, 503, 603]) {
    it(`refuses +254700000${status} with ${status}`, async () => {
      const [ended] = await happens(call(`+254700000${status}`), "ended");
      assert.equal(ended.status, status);
    });
  }

  it("counts each call once, and shows what it saw", async () => {
    const [first, second] = await Promise.all([answered("0700000001"), answered("254700000001")]);
    first.end();
    await endOf(carrier);
    await happens(call("+254700000486"), "ended");

    const response = await fetch(`${carrier.statusUrl}/calls`);
    const { calls, numbers } = (await response.json()) as { calls: unknown[]; numbers: unknown };
    assert.deepEqual(numbers, {
      "+254700000001": { invites: 2, answered: 2, ended_by_carrier: 0, ended_by_caller: 1 },
      "+254700000486": { invites: 1, answered: 0, ended_by_carrier: 1, ended_by_caller: 0 },
    });
    assert.equal(calls.length, 3);
    assert.equal((await fetch(`${carrier.statusUrl}/other`)).status, 404);
    assert.equal(second.state, "answered");
  });
});

describe("the magic numbers", () => {
  it("are valid Kenyan mobile numbers", () => {
    for (const number of Object.keys(magicNumbers)) {
      const parsed = parsePhoneNumberFromString(number);
      assert.ok(parsed?.isValid() && parsed.country === "KE", number);
    }
  });

  const rows: [string, string][] = [
    ["+254712345678", "+254712345678"],
    ["254712345678", "+254712345678"],
    ["00254712345678", "+254712345678"],
    ["0712345678", "+254712345678"],
    ["+254712345678;phone-context=x", "+254712345678"],
    ["otieno", "otieno"],
  ];
  for (const [dialled, number] of rows) {
    it(`are found when ${dialled} is dialled`, () => assert.equal(dialledNumber(dialled), number));
  }
});

async function endOf(carrier: Carrier): Promise<Carrier["calls"][number]> {
  const deadline = systemClock.monotonicMs() + 5000;
  for (;;) {
    const ended = carrier.calls.find(({ endedAtMs }) => endedAtMs !== null);
    if (ended) return ended;
    if (systemClock.monotonicMs() > deadline) throw new Error("no call has ended at the carrier");
    await systemClock.sleep(5);
  }
}
