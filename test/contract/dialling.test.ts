import assert from "node:assert/strict";
import type { LegId } from "../../engine/ids.ts";
import type { Branch } from "../../engine/switch/switch.ts";
import { setTimeout as sleep } from "node:timers/promises";
import { sideBySide } from "../peers/side-by-side.ts";
import { describeContract } from "./report.ts";
import { ids, numbers, World } from "./world.ts";

describeContract("the contract of the switch: dialling", function () {
  this.timeout(60_000);
  let world: World;
  before(async () => {
    world = await World.open();
  });
  after(() => world.close());
  const test = sideBySide();
  const seconds = (us: number) => us / 1_000_000;

  test("who answers is parked, and the outcome names the leg", async () => {
    const dialled = world.dial(numbers.answers440);
    assert.deepEqual(await dialled.outcome, { ok: true, leg: dialled.leg });
    await world.event(dialled.leg, "parked");
    assert.deepEqual(world.kindsOf(dialled.leg).slice(0, 1), ["created"]);
    assert.ok(world.kindsOf(dialled.leg).includes("answered"));
    assert.equal((await world.carrierCall(dialled)).from, dialled.callerId);

    assert.equal(await world.box.hangUp(dialled.leg, "NORMAL_CLEARING"), true);
    const { cause, answeredAtUs, endedAtUs } = await world.event(dialled.leg, "hungUp");
    assert.equal(cause, "NORMAL_CLEARING");
    assert.ok(answeredAtUs !== null && answeredAtUs < endedAtUs);
    assert.equal((await world.carrierCall(dialled, (call) => call.ended_at !== null)).ended_by, "caller");
  });

  for (const [status, cause, q850] of [
    [404, "UNALLOCATED_NUMBER", 1],
    [480, "NO_USER_RESPONSE", 18],
    [486, "USER_BUSY", 17],
    [503, "NORMAL_TEMPORARY_FAILURE", 41],
    [603, "CALL_REJECTED", 21],
  ] as const) {
    test(`a ${status} ends as ${cause}, and is not billed`, async () => {
      const dialled = world.dial(`+254700000${status}`);
      const outcome = await dialled.outcome;
      assert.ok(!outcome.ok && outcome.cause === cause, JSON.stringify(outcome));
      const hungUp = await world.event(dialled.leg, "hungUp");
      assert.deepEqual(
        [hungUp.cause, hungUp.q850, hungUp.sipStatus, hungUp.answeredAtUs],
        [cause, q850, status, null],
      );
    });
  }

  test("who rings and does not answer is cancelled after the ring time-out, and never before", async () => {
    const dialled = world.dial(numbers.ringsForEver, { ringTimeoutSeconds: 2 });
    const outcome = await dialled.outcome;
    assert.ok(!outcome.ok && outcome.cause === "NO_ANSWER", JSON.stringify(outcome));
    const { cause, createdAtUs, ringingAtUs, endedAtUs } = await world.event(dialled.leg, "hungUp");
    assert.equal(cause, "NO_ANSWER");
    assert.ok(ringingAtUs !== null && ringingAtUs >= createdAtUs);
    assert.ok(seconds(endedAtUs - createdAtUs) >= 2 && seconds(endedAtUs - createdAtUs) <= 3.3);
    const { ended_by, status } = await world.carrierCall(dialled, (call) => call.ended_at !== null);
    assert.deepEqual([ended_by, status], ["caller", 487]);
  });

  for (const ignoreEarlyMedia of [true, false]) {
    test(`the ring time-out counts in early media, ${ignoreEarlyMedia ? "ignored" : "passed on"}, too`, async () => {
      // Due at a whole second: from here it is early enough before the announcement's end, after 2 s.
      await untilFraction(0.5, 0.8);
      const dialled = world.dial(numbers.announcesThenAnswers, { ignoreEarlyMedia, ringTimeoutSeconds: 1 });
      await world.event(dialled.leg, "earlyMedia");
      const { cause, createdAtUs, answeredAtUs, endedAtUs } = await world.event(dialled.leg, "hungUp");
      assert.deepEqual([cause, answeredAtUs], ["NO_ANSWER", null]);
      assert.ok(seconds(endedAtUs - createdAtUs) >= 1);
    });
  }

  test("early media counts as an answer only where it is not ignored", async () => {
    const early = world.dial(numbers.announcesThenAnswers, { ignoreEarlyMedia: false });
    const patient = world.dial(numbers.announcesThenAnswers);
    assert.deepEqual(await early.outcome, { ok: true, leg: early.leg });
    assert.ok(!world.kindsOf(early.leg).includes("answered"));
    assert.deepEqual(await patient.outcome, { ok: true, leg: patient.leg });
    assert.ok(world.kindsOf(patient.leg).includes("earlyMedia"));

    const { atUs } = await world.event(early.leg, "answered");
    const media = await world.event(early.leg, "earlyMedia");
    assert.ok(seconds(atUs - media.atUs) > 1.8);
    for (const { leg } of [early, patient]) await world.box.hangUp(leg, "NORMAL_CLEARING");
  });

  test("a leg can be cancelled while it rings", async () => {
    const dialled = world.dial(numbers.ringsForEver);
    await world.event(dialled.leg, "ringing");
    assert.equal(await world.box.hangUp(dialled.leg, "ORIGINATOR_CANCEL"), true);
    const outcome = await dialled.outcome;
    assert.ok(!outcome.ok && outcome.cause === "ORIGINATOR_CANCEL", JSON.stringify(outcome));
    assert.equal((await world.event(dialled.leg, "hungUp")).answeredAtUs, null);
    assert.equal((await world.carrierCall(dialled, (call) => call.ended_at !== null)).status, 487);
  });

  for (const fraction of [0.05, 0.4, 0.75]) {
    test(`a cut-off after 2 s comes after 2 to 3.3 s, whenever in a second it is armed (.${fraction * 100})`, async () => {
      await untilFraction(fraction, fraction + 0.2);
      const dialled = world.dial(numbers.answers440, { maxSeconds: 2 });
      const { cause, answeredAtUs, endedAtUs } = await world.event(dialled.leg, "hungUp");
      assert.equal(cause, "ALLOTTED_TIMEOUT");
      const talked = seconds(endedAtUs - answeredAtUs!);
      assert.ok(talked >= 2 && talked <= 3.3, `${talked} s`);
    });
  }

  test("an answer ends the ring time-out, and the cut-off counts from it", async () => {
    const dialled = world.dial(numbers.ringsThenAnswers, { ringTimeoutSeconds: 2, maxSeconds: 3 });
    const { cause, createdAtUs, answeredAtUs, endedAtUs } = await world.event(dialled.leg, "hungUp");
    assert.equal(cause, "ALLOTTED_TIMEOUT");
    assert.ok(seconds(answeredAtUs! - createdAtUs) > 0.9);
    assert.ok(seconds(endedAtUs - answeredAtUs!) >= 3);
  });

  test("a leg's id that is in use is refused, rings nobody, and leaves the first alone", async () => {
    const dialled = await world.parked(numbers.answers440);
    const again = world.dial(numbers.answers880, { leg: dialled.leg });
    const outcome = await again.outcome;
    assert.ok(!outcome.ok && outcome.cause === "DESTINATION_OUT_OF_ORDER", JSON.stringify(outcome));
    assert.ok(await world.box.channelFacts(dialled.leg));
    assert.ok(!(await world.carrier.calls()).some(({ from }) => from === again.callerId));
    await world.box.hangUp(dialled.leg, "NORMAL_CLEARING");
  });

  test("a gateway that is not configured is refused", async () => {
    const outcome = await world.dial(numbers.answers440, {
      way: { kind: "trunk", gateway: "nowhere", to: numbers.answers440 },
    }).outcome;
    assert.ok(!outcome.ok && outcome.cause === "INVALID_GATEWAY", JSON.stringify(outcome));
  });

  test("a leg that answers is joined to the one that waits for it, and both hear each other", async () => {
    const [waiting, joining] = await world.pair();
    for (const [dialled, hz] of [
      [waiting, 880],
      [joining, 440],
    ] as const) {
      const { heard } = await world.carrierCall(dialled, (call) =>
        call.heard.some((tone) => tone.hz !== null),
      );
      assert.ok(
        heard.some((tone) => Math.abs((tone.hz ?? 0) - hz) <= 10),
        JSON.stringify(heard),
      );
    }
    await world.box.hangUp(waiting.leg, "NORMAL_CLEARING");
    await world.event(joining.leg, "hungUp");
  });

  test("early media reaches the leg that waits, and the answer needs no second bridge", async () => {
    const waiting = await world.parked(numbers.answers440);
    const joining = world.dial(numbers.announcesThenAnswers, {
      then: { kind: "intercept", leg: waiting.leg },
      ignoreEarlyMedia: false,
    });
    await world.bridged(waiting.leg, joining.leg);
    assert.ok(!world.kindsOf(joining.leg).includes("answered"));
    await world.event(joining.leg, "answered");
    const heardBoth = (call: { heard: { hz: number | null }[] }) =>
      [620, 880].every((hz) => call.heard.some((tone) => Math.abs((tone.hz ?? 0) - hz) <= 10));
    await world.carrierCall(waiting, heardBoth);
    await world.box.hangUp(waiting.leg, "NORMAL_CLEARING");
    await world.event(joining.leg, "hungUp");
  });

  test("with the waiting leg gone, the one that answers is cleared at once", async () => {
    const waiting = await world.parked(numbers.answers440);
    const joining = world.dial(numbers.ringsThenAnswers, { then: { kind: "intercept", leg: waiting.leg } });
    await world.event(joining.leg, "ringing");
    await world.box.hangUp(waiting.leg, "NORMAL_CLEARING");
    const { answeredAtUs, endedAtUs } = await world.event(joining.leg, "hungUp");
    assert.ok(
      answeredAtUs !== null && endedAtUs - answeredAtUs <= 100_000,
      `${endedAtUs - answeredAtUs!} µs`,
    );
  });

  test("who is joined to a bridged leg takes it, and its party ends PICKED_OFF", async () => {
    const [waiting, party] = await world.pair();
    const taker = world.dial(numbers.answers440, { then: { kind: "intercept", leg: waiting.leg } });
    await world.bridged(waiting.leg, taker.leg);
    assert.equal((await world.event(party.leg, "hungUp")).cause, "PICKED_OFF");
    await world.box.hangUp(taker.leg, "NORMAL_CLEARING");
    await world.event(waiting.leg, "hungUp");
  });

  test("of several branches the first to answer has the call; the others are cancelled and cost nothing", async () => {
    const [slow, winner, busy] = [
      world.branch(numbers.ringsFiveSeconds),
      world.branch(numbers.ringsThenAnswers),
      world.branch(numbers.isBusy),
    ];
    const outcome = await world.box.originate({
      then: { kind: "park" },
      ignoreEarlyMedia: true,
      branches: [slow, winner, busy],
    });
    assert.deepEqual(outcome, { ok: true, leg: winner.leg });
    const lost = await world.event(slow.leg, "hungUp");
    assert.deepEqual([lost.cause, lost.answeredAtUs], ["LOSE_RACE", null]);
    assert.equal((await world.event(busy.leg, "hungUp")).cause, "USER_BUSY");
    assert.equal((await world.carrierCall(slow, (call) => call.ended_at !== null)).status, 487);
    await world.box.hangUp(winner.leg, "NORMAL_CLEARING");
  });

  test("of several that answer in the same instant one is kept; the others lose, though they were answered", async () => {
    const joined = new Set<LegId>();
    for (let tries = 0; tries < 5 && joined.size === 0; tries++) {
      const branches: [Branch, ...Branch[]] = [
        world.branch(numbers.answers440),
        world.branch(numbers.answers880),
        world.branch(numbers.repeatsDigits),
        world.branch(numbers.losesAThird),
      ];
      const outcome = await world.box.originate({ then: { kind: "park" }, ignoreEarlyMedia: true, branches });
      assert.ok(outcome.ok, JSON.stringify(outcome));
      await world.event(outcome.leg, "parked");
      for (const { leg } of branches.filter((branch) => branch.leg !== outcome.leg)) {
        const { cause, answeredAtUs } = await world.event(leg, "hungUp");
        assert.equal(cause, "LOSE_RACE");
        assert.ok(!world.kindsOf(leg).includes("parked"));
        if (answeredAtUs !== null) joined.add(leg);
      }
      await world.box.hangUp(outcome.leg, "NORMAL_CLEARING");
    }
    assert.ok(joined.size > 0, "somebody picked up and lost");
  });

  test("of several that are to join a waiting leg the winner alone does, and the tone goes on until then", async () => {
    const waiting = await world.parked(numbers.answers440);
    await world.box.playRingback(waiting.leg);
    const [ringing, winner, announcing] = [
      world.branch(numbers.ringsForEver),
      world.branch(numbers.ringsThenAnswers),
      world.branch(numbers.announcesThenAnswers),
    ];
    const outcome = await world.box.originate({
      then: { kind: "intercept", leg: waiting.leg },
      ignoreEarlyMedia: true,
      branches: [ringing, winner, announcing],
    });
    assert.deepEqual(outcome, { ok: true, leg: winner.leg });
    await world.bridged(waiting.leg, winner.leg);
    for (const { leg } of [ringing, announcing])
      assert.equal((await world.event(leg, "hungUp")).cause, "LOSE_RACE");
    assert.deepEqual(
      world
        .kindsOf(waiting.leg, ringing.leg, winner.leg, announcing.leg)
        .filter((kind) => kind === "bridged"),
      ["bridged"],
    );
    await world.box.hangUp(waiting.leg, "NORMAL_CLEARING");
    await world.event(winner.leg, "hungUp");
  });

  test("one branch can be cancelled while the other rings on", async () => {
    const [gone, other] = [world.branch(numbers.ringsForEver), world.branch(numbers.ringsThenAnswers)];
    const outcome = world.box.originate({
      then: { kind: "park" },
      ignoreEarlyMedia: true,
      branches: [gone, other],
    });
    await world.event(gone.leg, "ringing");
    assert.equal(await world.box.hangUp(gone.leg, "ORIGINATOR_CANCEL"), true);
    assert.deepEqual(await outcome, { ok: true, leg: other.leg });
    assert.equal((await world.event(gone.leg, "hungUp")).cause, "ORIGINATOR_CANCEL");
    await world.box.hangUp(other.leg, "NORMAL_CLEARING");
  });

  test("when the bridge ends, the other leg ends with it", async () => {
    const [waiting, joining] = await world.pair();
    await world.box.hangUp(joining.leg, "NORMAL_CLEARING");
    assert.equal((await world.event(waiting.leg, "hungUp")).cause, "NORMAL_CLEARING");
  });

  test("a leg that is to stay parks after the bridge, and ends by itself if nobody directs it", async () => {
    const [waiting, joining] = await world.pair(undefined, async ({ leg }) => {
      await world.box.setVariable(leg, "park_after_bridge", "true");
      const kill = `sched_api +2 idle-${leg} uuid_kill ${leg} ALLOTTED_TIMEOUT`;
      await world.box.setVariable(leg, "api_after_bridge", kill);
    });
    await world.box.hangUp(joining.leg, "NORMAL_CLEARING");
    const { endedAtUs: atUs } = await world.event(joining.leg, "hungUp");
    await world.event(waiting.leg, "parked", (event) => event.atUs >= atUs - 100_000);
    const { cause, endedAtUs } = await world.event(waiting.leg, "hungUp");
    assert.equal(cause, "ALLOTTED_TIMEOUT");
    assert.ok(seconds(endedAtUs - atUs) > 0.9 && seconds(endedAtUs - atUs) < 2.5);
  });

  test("the leg that answers removes the guard of the one that waits", async () => {
    const waiting = await world.parked(numbers.answers440);
    await world.box.setVariable(waiting.leg, "park_after_bridge", "true");
    await world.box.armKill(waiting.leg, `idle-${waiting.leg}`, 1, "ALLOTTED_TIMEOUT");
    const joining = world.dial(numbers.answers880, {
      then: { kind: "intercept", leg: waiting.leg },
      maxSeconds: 3,
      disarmOnAnswer: `idle-${waiting.leg}`,
    });
    assert.equal((await world.event(joining.leg, "hungUp")).cause, "ALLOTTED_TIMEOUT");
    assert.ok(await world.box.channelFacts(waiting.leg));
    await world.box.hangUp(waiting.leg, "NORMAL_CLEARING");
  });

  test("a deadline is replaced without a gap: the new one armed, the old one deleted", async () => {
    const { leg } = await world.parked(numbers.answers440);
    const armedAtUs = Date.now() * 1000;
    await world.box.armKill(leg, `cut-${leg}-1`, 1, "ALLOTTED_TIMEOUT");
    await world.box.armKill(leg, `cut-${leg}-2`, 3, "ALLOTTED_TIMEOUT");
    await world.box.disarmKill(`cut-${leg}-1`);
    await world.box.disarmKill(`cut-${leg}-1`);
    const { cause, endedAtUs } = await world.event(leg, "hungUp");
    assert.equal(cause, "ALLOTTED_TIMEOUT");
    const lived = seconds(endedAtUs - armedAtUs);
    assert.ok(lived >= 3 && lived <= 4.3, `${lived} s`);
  });

  test("of two deadlines the earlier one counts", async () => {
    const { leg } = await world.parked(numbers.answers440);
    const armedAtUs = Date.now() * 1000;
    await world.box.armKill(leg, `cut-${leg}-2`, 20, "ALLOTTED_TIMEOUT");
    await world.box.armKill(leg, `cut-${leg}-1`, 1, "NORMAL_CLEARING");
    const { cause, endedAtUs } = await world.event(leg, "hungUp");
    assert.equal(cause, "NORMAL_CLEARING");
    assert.ok(seconds(endedAtUs - armedAtUs) <= 2.3);
  });

  test("for a leg that is not there every command says so", async () => {
    const leg = ids.next("leg");
    const recording = ids.next("rec");
    const { box } = world;
    const file = await world.toneFile(700, 100);
    assert.deepEqual(
      await Promise.all([
        box.hangUp(leg, "NORMAL_CLEARING"),
        box.setVariable(leg, "park_after_bridge", "true"),
        box.play(leg, file, { token: "a", loops: 1 }),
        box.stopPlayback(leg),
        box.playRingback(leg),
        box.startRecording(leg, recording),
        box.stopRecording(leg, recording),
        box.maskRecording(leg, recording, true),
        box.channelFacts(leg),
      ]),
      [false, false, false, false, false, false, false, false, null],
    );
    await box.disarmKill(`cut-${leg}`);
    await box.armKill(leg, `cut-${leg}`, 1, "ALLOTTED_TIMEOUT");
  });
});

/** Waits for a moment of the second, because the switch's scheduler counts whole ones. */
async function untilFraction(from: number, to: number): Promise<void> {
  for (;;) {
    const fraction = (Date.now() % 1000) / 1000;
    if (fraction >= from && fraction < to) return;
    await sleep(20);
  }
}
