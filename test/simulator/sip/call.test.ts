import assert from "node:assert/strict";
import { toneSource } from "../../../engine/simulator/media/tone.ts";
import {
  agent,
  answeredCall,
  closeAgents,
  dial,
  happens,
  hear,
  mediaOf,
  nextInvite,
  sounds,
  within,
} from "./agents.ts";

describe("a call between two SIP agents", function () {
  this.timeout(10_000);
  afterEach(closeAgents);

  it("rings, is answered, and carries each side's tone to the other", async () => {
    const [nairobi, kisumu] = await Promise.all([agent(), agent()]);
    const arriving = nextInvite(kisumu);
    const wanjiru = dial(nairobi, kisumu, "+254722000001");
    const rings = happens(wanjiru, "ringing");
    const answers = happens(wanjiru, "answered");

    const otieno = await arriving;
    assert.equal(otieno.toUser, "+254722000001");
    assert.equal(otieno.fromUser, "wanjiru");
    assert.equal(otieno.callId, wanjiru.callId);
    otieno.ring();
    assert.deepEqual(await rings, [180]);
    assert.equal(wanjiru.media, null);
    const acknowledged = happens(otieno, "answered");
    otieno.answer();
    await Promise.all([answers, acknowledged]);

    mediaOf(wanjiru).setSource(toneSource({ hz: 440 }));
    mediaOf(otieno).setSource(toneSource({ hz: 880 }));
    const [atOtieno, atWanjiru] = await Promise.all([hear(otieno), hear(wanjiru)]);
    assert.ok(sounds(atOtieno, 440) && !sounds(atOtieno, 880));
    assert.ok(sounds(atWanjiru, 880) && !sounds(atWanjiru, 440));
  });

  for (const law of ["PCMU", "PCMA"] as const) {
    it(`speaks ${law} where that is all one side knows`, async () => {
      const [nairobi, kisumu] = await Promise.all([agent(), agent({ laws: [law] })]);
      const { wanjiru, otieno } = await answeredCall(nairobi, kisumu);

      mediaOf(wanjiru).setSource(toneSource({ hz: 440 }));
      assert.ok(sounds(await hear(otieno), 440));
    });
  }

  it("is refused with 488 when the two have no codec in common", async () => {
    const [nairobi, kisumu] = await Promise.all([agent({ laws: ["PCMU"] }), agent({ laws: ["PCMA"] })]);
    kisumu.onInvite(() => assert.fail("no call may arrive"));
    const [ended] = await happens(dial(nairobi, kisumu), "ended");
    assert.deepEqual(ended, { by: "them", status: 488, q850: null });
  });

  it("carries early media before the answer, and goes on after it", async () => {
    const [nairobi, kisumu] = await Promise.all([agent(), agent()]);
    const arriving = nextInvite(kisumu);
    const wanjiru = dial(nairobi, kisumu);
    const early = happens(wanjiru, "early");
    const answers = happens(wanjiru, "answered");

    const otieno = await arriving;
    otieno.earlyMedia();
    mediaOf(otieno).setSource(toneSource({ hz: 620 }));
    assert.deepEqual(await early, [183]);
    assert.equal(wanjiru.state, "early");
    assert.ok(sounds(await hear(wanjiru), 620));

    mediaOf(otieno).setSource(toneSource({ hz: 440 }));
    otieno.answer();
    await answers;
    await hear(wanjiru, 5);
    assert.ok(sounds(await hear(wanjiru), 440));
  });

  for (const status of [404, 480, 486, 503, 603]) {
    it(`tells a refusal with ${status} from everything else`, async () => {
      const [nairobi, kisumu] = await Promise.all([agent(), agent()]);
      kisumu.onInvite((call) => call.reject(status));
      const [ended] = await happens(dial(nairobi, kisumu), "ended");
      assert.deepEqual(ended, { by: "them", status, q850: null });
    });
  }

  it("ends with 487 on both sides when the caller gives up, and says why", async () => {
    const [nairobi, kisumu] = await Promise.all([agent(), agent()]);
    const arriving = nextInvite(kisumu);
    const wanjiru = dial(nairobi, kisumu);
    const rings = happens(wanjiru, "ringing");
    const otieno = await arriving;
    otieno.ring();
    await rings;

    const ends = Promise.all([happens(wanjiru, "ended"), happens(otieno, "ended")]);
    wanjiru.end({ q850: 16, reason: 'SIP;cause=200;text="Call completed, elsewhere"' });
    const [[atWanjiru], [atOtieno]] = await ends;
    assert.deepEqual(atWanjiru, { by: "us", status: 487, q850: 16 });
    assert.deepEqual(atOtieno, { by: "them", status: 487, q850: 16 });
  });

  it("ends at once when the caller gives up before anything has come back", async () => {
    const [nairobi, kisumu] = await Promise.all([agent(), agent()]);
    const wanjiru = dial(nairobi, kisumu);
    const ended = happens(wanjiru, "ended");
    wanjiru.end();
    assert.deepEqual(await ended, [{ by: "us", status: 487, q850: null }]);
  });

  it("is hung up again when the answer overtakes the CANCEL", async () => {
    const [nairobi, kisumu] = await Promise.all([agent(), agent()]);
    const arriving = nextInvite(kisumu);
    const wanjiru = dial(nairobi, kisumu);
    const rings = happens(wanjiru, "ringing");
    const otieno = await arriving;
    otieno.ring();
    await rings;

    // In one turn of the loop: the 200 and the CANCEL cross on the wire.
    const ends = Promise.all([happens(wanjiru, "ended"), happens(otieno, "ended")]);
    otieno.answer();
    wanjiru.end();
    const [[atWanjiru], [atOtieno]] = await ends;
    assert.deepEqual(atWanjiru, { by: "us", status: 487, q850: null });
    assert.deepEqual(atOtieno, { by: "them", status: null, q850: null });
  });

  for (const who of ["caller", "callee"] as const) {
    it(`ends on both sides when the ${who} hangs up, with the Q.850 cause`, async () => {
      const { wanjiru, otieno } = await answeredCall(await agent(), await agent());
      const ends = Promise.all([happens(wanjiru, "ended"), happens(otieno, "ended")]);
      (who === "caller" ? wanjiru : otieno).end({ q850: 31 });
      const [[atWanjiru], [atOtieno]] = await ends;
      const ended = { status: null, q850: 31 };
      assert.deepEqual(atWanjiru, { ...ended, by: who === "caller" ? "us" : "them" });
      assert.deepEqual(atOtieno, { ...ended, by: who === "caller" ? "them" : "us" });
    });
  }

  it("sends no BYE before the ACK when the callee hangs up in between", async () => {
    const [nairobi, kisumu] = await Promise.all([agent(), agent()]);
    kisumu.onInvite((call) => {
      call.answer();
      call.end({ q850: 16 });
    });
    const wanjiru = dial(nairobi, kisumu);
    const [, [ended]] = await Promise.all([happens(wanjiru, "answered"), happens(wanjiru, "ended")]);
    assert.deepEqual(ended, { by: "them", status: null, q850: 16 });
  });

  it("carries digits both ways, each once", async () => {
    const { wanjiru, otieno } = await answeredCall(await agent(), await agent());
    mediaOf(wanjiru).setSource(toneSource({ hz: 440 }));
    const collect = (call: typeof wanjiru, length: number): Promise<string> =>
      within(
        `${length} digits`,
        new Promise((resolve) => {
          let digits = "";
          mediaOf(call).onDigit((digit, durationMs) => {
            digits += digit;
            assert.equal(durationMs, 100);
            if (digits.length === length) resolve(digits);
          });
        }),
      );

    const both = Promise.all([collect(otieno, 6), collect(wanjiru, 3)]);
    mediaOf(wanjiru).sendDigits("1*9#0A");
    mediaOf(otieno).sendDigits("442");
    assert.deepEqual(await both, ["1*9#0A", "442"]);
  });

  it("is held and taken back by re-INVITEs, and is silent in between", async () => {
    const { wanjiru, otieno } = await answeredCall(await agent(), await agent());
    mediaOf(otieno).setSource(toneSource({ hz: 880 }));
    await hear(wanjiru, 3);

    const held = happens(otieno, "direction");
    wanjiru.changeDirection("sendonly");
    assert.deepEqual(await held, ["sendonly"]);
    const sentWhenHeld = mediaOf(otieno).stats.packetsSent;
    mediaOf(wanjiru).setSource(toneSource({ hz: 440 }));
    assert.ok(sounds(await hear(otieno), 440));
    assert.equal(mediaOf(otieno).stats.packetsSent, sentWhenHeld);

    const back = within("the call back", new Promise((resolve) => otieno.on("direction", resolve)));
    wanjiru.changeDirection("sendrecv");
    assert.equal(await back, "sendrecv");
    assert.ok(sounds(await hear(wanjiru), 880));
  });

  it("goes on sending while it is held where the agent is told so", async () => {
    const { wanjiru, otieno } = await answeredCall(await agent(), await agent({ sendsWhileHeld: true }));
    mediaOf(otieno).setSource(toneSource({ hz: 880 }));
    const held = happens(otieno, "direction");
    wanjiru.changeDirection("inactive");
    assert.deepEqual(await held, ["inactive"]);
    assert.ok(sounds(await hear(wanjiru), 880));
  });

  it("survives both sides asking for a hold at once", async () => {
    const { wanjiru, otieno } = await answeredCall(await agent(), await agent());
    const both = Promise.race([happens(otieno, "direction"), happens(wanjiru, "direction")]);
    wanjiru.changeDirection("sendonly");
    otieno.changeDirection("sendonly");
    assert.deepEqual(await both, ["sendonly"]);
  });

  it("stands 50 times at once, each with its own tone", async () => {
    const [nairobi, kisumu] = await Promise.all([agent(), agent()]);
    kisumu.onInvite((call) => {
      call.answer();
      mediaOf(call).setSource(toneSource({ hz: Number(call.toUser) }));
    });
    const tones = Array.from({ length: 50 }, (_, i) => 400 + 20 * i);
    const heard = await Promise.all(
      tones.map(async (hz) => {
        const call = dial(nairobi, kisumu, String(hz));
        await happens(call, "answered");
        return sounds(await hear(call), hz);
      }),
    );
    assert.deepEqual(
      heard,
      tones.map(() => true),
    );
  });

  it("ends on both sides when an agent closes", async () => {
    const nairobi = await agent();
    const { wanjiru, otieno } = await answeredCall(nairobi, await agent());
    const ends = Promise.all([happens(wanjiru, "ended"), happens(otieno, "ended")]);
    await nairobi.close();
    const [[atWanjiru], [atOtieno]] = await ends;
    assert.equal(atWanjiru.by, "us");
    assert.equal(atOtieno.by, "them");
  });
});
