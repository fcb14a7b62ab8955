import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import fc from "fast-check";
import { systemClock } from "../../engine/clock.ts";
import type { LegId } from "../../engine/ids.ts";
import type { HungUp } from "../../engine/switch/switch.ts";
import { sideBySide } from "../peers/side-by-side.ts";
import { eventually } from "../peers/waiting.ts";
import { describeContract } from "./report.ts";
import { numbers, World } from "./world.ts";

describeContract("the contract of the switch: what it tells", function () {
  this.timeout(60_000);
  let world: World;
  /** Whether a leg's record was complete when its last event came. */
  const recordedAtEvent = new Map<LegId, boolean>();
  before(async () => {
    world = await World.open();
    world.box.onEvent((event) => {
      if (event.kind === "hungUp") recordedAtEvent.set(event.leg, world.record(event.leg) !== undefined);
    });
  });
  after(() => world.close());
  const test = sideBySide(6);

  const listed = async (leg: LegId) => (await world.box.listChannels()).find((row) => row.leg === leg);

  for (const [number, kind, state] of [
    [numbers.answers440, "answered", "active"],
    [numbers.ringsForEver, "ringing", "ringing"],
    [numbers.announcesThenRefuses, "earlyMedia", "early"],
  ] as const) {
    test(`a leg is listed as ${state} within two seconds, and no longer when it is over`, async () => {
      const nowS = Math.floor(systemClock.nowMs() / 1000);
      const { leg } = world.dial(number);
      await world.event(leg, kind);
      const row = await eventually(
        "its row",
        async () => {
          const found = await listed(leg);
          return found?.state === state ? found : undefined;
        },
        { withinMs: 2000 },
      );
      assert.ok(row.createdAtS >= nowS && row.createdAtS <= nowS + 2);
      await world.box.hangUp(leg, "NORMAL_CLEARING");
      const gone = async () => ((await listed(leg)) === undefined ? true : undefined);
      await eventually("the end of its row", gone, { withinMs: 2000 });
    });
  }

  test("the facts of a channel are exact at once, and equal to its events", async () => {
    const { leg } = world.dial(numbers.ringsThenAnswers);
    const created = await world.event(leg, "created");
    const unanswered = await world.box.channelFacts(leg);
    assert.deepEqual([unanswered?.answeredAtUs, unanswered?.bridgedTo], [null, null]);
    const ringing = await world.event(leg, "ringing");
    const answered = await world.event(leg, "answered");
    assert.deepEqual(await world.box.channelFacts(leg), {
      leg,
      createdAtUs: created.atUs,
      ringingAtUs: ringing.atUs,
      answeredAtUs: answered.atUs,
      bridgedTo: null,
      hungUp: false,
      relayed: false,
      playback: null,
    });
    await world.box.hangUp(leg, "NORMAL_CLEARING");
    assert.equal(await world.box.channelFacts(leg), null);
  });

  test("the facts name the other leg while there is one", async () => {
    const [waiting, joining] = await world.pair(undefined, ({ leg }) =>
      world.box.setVariable(leg, "park_after_bridge", "true"),
    );
    assert.equal((await world.box.channelFacts(waiting.leg))?.bridgedTo, joining.leg);
    assert.equal((await world.box.channelFacts(joining.leg))?.bridgedTo, waiting.leg);
    await world.box.hangUp(joining.leg, "NORMAL_CLEARING");
    await world.event(joining.leg, "hungUp");
    assert.equal((await world.box.channelFacts(waiting.leg))?.bridgedTo, null);
    await world.box.hangUp(waiting.leg, "NORMAL_CLEARING");
  });

  for (const told of ["waiting", "joining"] as const) {
    // Which of the two is over first is chance on a busy machine: mostly the one that was not told.
    test(`when the ${told} leg of a pair is told to hang up, both end, each once and each with its cause`, async () => {
      const [waiting, joining] = await world.pair();
      const legs = { waiting: waiting.leg, joining: joining.leg };
      await world.box.hangUp(legs[told], "USER_BUSY");
      await Promise.all(Object.values(legs).map((leg) => world.event(leg, "hungUp")));
      const causes = world.events.flatMap((event) =>
        event.kind === "hungUp" && Object.values(legs).includes(event.leg) ? [[event.leg, event.cause]] : [],
      );
      assert.equal(causes.length, 2);
      const causeOf = Object.fromEntries(causes) as Record<LegId, string>;
      for (const [name, leg] of Object.entries(legs)) {
        assert.equal(causeOf[leg], name === told ? "USER_BUSY" : "NORMAL_CLEARING");
      }
      assert.ok(world.kindsOf(waiting.leg, joining.leg).includes("unbridged"));
    });
  }

  test("a party that hangs up ends the leg with NORMAL_CLEARING", async () => {
    const { leg } = await world.parked(numbers.hangsUpAfterThreeSeconds);
    const { cause, answeredAtUs, endedAtUs } = await world.event(leg, "hungUp");
    assert.equal(cause, "NORMAL_CLEARING");
    assert.ok(Math.abs((endedAtUs - answeredAtUs!) / 1000 - 3000) < 300);
  });

  for (const [what, number, end] of [
    ["an answered leg", numbers.answers440, "parked"],
    ["a leg that was cancelled", numbers.ringsForEver, "ringing"],
    ["a leg that was busy", numbers.isBusy, null],
    ["a leg in early media", numbers.announcesThenRefuses, "earlyMedia"],
  ] as const) {
    test(`the record of ${what} is there before its last event, and says the same to the microsecond`, async () => {
      const { leg, call } = world.dial(number);
      if (end !== null) {
        await world.event(leg, end);
        await world.box.hangUp(leg, "NORMAL_CLEARING");
      }
      const event = await world.event(leg, "hungUp");
      assert.equal(recordedAtEvent.get(leg), true);
      const record = world.record(leg)!;
      assert.deepEqual([record.leg, record.call], [leg, call]);
      assert.deepEqual(factsOf(record), factsOf(event));
      assert.equal(event.atUs, event.endedAtUs);
    });
  }

  test("packets are counted both ways: of who is not heard none came, and what was played to them went out", async () => {
    const [silent, heard] = await Promise.all(
      [numbers.isNotHeard, numbers.answers440].map((number) => world.parked(number)),
    );
    await world.box.play(silent!.leg, await world.toneFile(700, 1_000), { token: "hello", loops: 1 });
    await world.event(silent!.leg, "playbackEnded");
    for (const { leg } of [silent!, heard!]) await world.box.hangUp(leg, "NORMAL_CLEARING");
    const [ofSilent, ofHeard] = await Promise.all(
      [silent!, heard!].map(({ leg }) => world.event(leg, "hungUp")),
    );
    const { sent, ...rest } = ofSilent!.audio!;
    assert.deepEqual(rest, { received: 0, party: { sends: true, hears: true }, bridgedAtUs: null });
    assert.ok(sent >= 45 && sent <= 70, String(sent));
    assert.equal(ofSilent!.quality, null);
    assert.ok(ofHeard!.audio!.received >= 40, String(ofHeard!.audio!.received));
    // Where nothing plays, nothing is sent.
    assert.equal(ofHeard!.audio!.sent, 0);
    assert.ok(ofHeard!.quality!.mos > 4);
  });

  test("packets of a pair are counted on both legs, and each says when it was joined", async () => {
    const [waiting, joining] = await world.pair();
    await world.box.hangUp(waiting.leg, "NORMAL_CLEARING");
    for (const { leg } of [waiting, joining]) {
      const { audio, answeredAtUs } = await world.event(leg, "hungUp");
      assert.ok(audio!.received > 5 && audio!.sent > 5, JSON.stringify(audio));
      assert.ok(audio!.bridgedAtUs! >= answeredAtUs! - 100_000);
    }
  });

  test("who is joined to somebody that is not heard is sent nothing", async () => {
    const [waiting, joining] = await world.pair([numbers.answers440, numbers.isNotHeard]);
    await world.box.hangUp(waiting.leg, "NORMAL_CLEARING");
    const [one, other] = await Promise.all(
      [waiting, joining].map(async ({ leg }) => (await world.event(leg, "hungUp")).audio!),
    );
    assert.deepEqual([one!.sent, other!.received], [0, 0]);
    assert.ok(one!.received > 0 && other!.sent > 0);
  });

  test("a third that is lost is a third, and is heard as bad; a whole leg is neither", async () => {
    const [lossy, whole] = await Promise.all(
      [numbers.losesAThird, numbers.answers440].map((number) => world.parked(number)),
    );
    // It is reckoned every 5 s.
    await sleep(6_000);
    const [bad, good] = await Promise.all(
      [lossy!, whole!].map(async ({ leg }) => {
        await world.box.hangUp(leg, "NORMAL_CLEARING");
        return (await world.event(leg, "hungUp")).quality!;
      }),
    );
    assert.ok(bad!.packetLossPercent > 28 && bad!.packetLossPercent < 38, JSON.stringify(bad));
    assert.ok(bad!.mos < 3 && bad!.jitterMs >= 0, JSON.stringify(bad));
    assert.ok(good!.packetLossPercent < 5 && good!.mos > 4 && good!.jitterMs < 60, JSON.stringify(good));
  });

  test("SIP's name of a leg's dialog is told from its ringing on, as the far end knows it", async () => {
    const dialled = world.dial(numbers.ringsThenAnswers);
    const { sipCallId } = await world.event(dialled.leg, "ringing");
    const answered = await world.event(dialled.leg, "answered");
    await world.event(dialled.leg, "parked");
    await world.box.hangUp(dialled.leg, "NORMAL_CLEARING");
    const ended = await world.event(dialled.leg, "hungUp");
    const theirs = (await world.carrierCall(dialled)).sip_call_id;
    assert.deepEqual(
      [sipCallId, answered.sipCallId, ended.sipCallId, ended.sipStatus],
      [theirs, theirs, theirs, 200],
    );
  });

  test("a variable arrives as it was sent, or is refused before it is sent", async () => {
    const { leg } = await world.parked(numbers.answers440);
    const dump = async (name: string) => {
      const fields = JSON.parse(await (await world.raw()).api(`uuid_dump ${leg} json`));
      return fields[`variable_${name}`] as string | undefined;
    };
    for (const value of [
      "a,b;c=d",
      "{x=1}[y=2]<z=3>^^:a:b",
      "!|&%20%%s",
      "a  b",
      "sched_api +1 idle-x uuid_kill x ALLOTTED_TIMEOUT",
    ]) {
      await world.box.setVariable(leg, "hostile", value);
      assert.equal(await dump("hostile"), value);
    }
    for (const value of [
      "a\nb",
      "a\r\n\r\napi fsctl shutdown",
      "a\0b",
      "${global_getvar(core_uuid)}",
      "it's",
      '"quoted"',
      "back\\slash",
      "`id`",
      "$${x}",
    ]) {
      await assert.rejects(world.box.setVariable(leg, "hostile", value), RangeError, JSON.stringify(value));
    }
    let sent = 0;
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: "grapheme", maxLength: 60 }), async (value) => {
        const name = `hostile_${sent++}`;
        const accepted = await world.box.setVariable(leg, name, value).catch((error: unknown) => {
          assert.ok(error instanceof RangeError);
          return null;
        });
        if (accepted !== null) assert.equal((await dump(name)) ?? "", value);
      }),
      { numRuns: 100 },
    );
    await world.box.hangUp(leg, "NORMAL_CLEARING");
  });

  test("it says which version it is, the same on every connection", async () => {
    const version = await world.box.version();
    const [connected] = world.boxEvents;
    assert.ok(connected?.kind === "connected" && version.trim() === connected.version.trim());
    assert.match(version, world.switch.kind === "freeswitch" ? /^FreeSWITCH Version 1\.\d+/ : /simulator/);
  });
});

function factsOf(facts: HungUp): HungUp {
  const { createdAtUs, ringingAtUs, answeredAtUs, endedAtUs, cause, q850, sipStatus } = facts;
  const { quality, audio, sipCallId } = facts;
  return {
    ...{ createdAtUs, ringingAtUs, answeredAtUs, endedAtUs, cause, q850, sipStatus },
    ...{ quality, audio, sipCallId },
  };
}
