import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { LegId } from "../../engine/ids.ts";
import { parseEndRecord } from "../../engine/switch/end-record.ts";
import type { Arrival, HangupCause, TakenIn } from "../../engine/switch/switch.ts";
import type { PlacedCallView, Placing } from "../peers/carrier-process.ts";
import { sideBySide } from "../peers/side-by-side.ts";
import { eventually } from "../peers/waiting.ts";
import { describeContract } from "./report.ts";
import { ids, numbers, World } from "./world.ts";

describeContract("the contract of the switch: calls that come to it", function () {
  this.timeout(60_000);
  let world: World;
  const arrivals: Arrival[] = [];
  before(async () => {
    world = await World.open();
    world.box.onArrival((arrival) => arrivals.push(arrival));
  });
  after(() => world.close());
  const test = sideBySide(6);
  let callers = 200_000;

  /** Somebody calls, and waits. */
  async function arrived(more: Partial<Placing> = {}) {
    const { host, port } = world.switch.sip;
    const from = `+254734${callers++}`;
    const sip = await world.carrier.place({ from, to: "+254200000001", switch: `${host}:${port}`, ...more });
    const arrival = await eventually("the arrival", () => arrivals.find((one) => one.from === from), {
      everyMs: 5,
    });
    const leg = ids.next("leg");
    world.box.know(leg, arrival.uuid);
    return {
      ...{ arrival, leg },
      caller: (when?: (call: PlacedCallView) => boolean) => world.carrier.placed(sip, when),
      leave: () => world.carrier.hangUp(sip),
    };
  }
  const takeIn = (leg: LegId, more: Partial<TakenIn> = {}) =>
    world.box.takeIn({
      ...{ leg, call: ids.next("call"), ringSeconds: 60, maxSeconds: 60, cutGroup: `cut-${leg}-0` },
      ...more,
    });
  const over = (leg: LegId) => world.event(leg, "hungUp");

  test("a caller waits silently until they are taken in, and hears it ring from then on", async () => {
    const { arrival, leg, caller } = await arrived();
    assert.deepEqual([arrival.to, arrival.box], ["+254200000001", "under-test"]);
    assert.match(arrival.sipCallId, /@/);
    assert.equal((await world.box.channelFacts(leg))?.createdAtUs, arrival.createdAtUs);
    assert.equal((await caller()).ringing_at, null);
    assert.equal(await takeIn(leg), true);
    await caller(({ ringing_at }) => ringing_at !== null);
    assert.equal((await world.event(leg, "ringing")).leg, leg);
    assert.equal(await world.box.hangUp(leg, "CALL_REJECTED"), true);
    await over(leg);
  });

  for (const privacy of ["id", "user", "header"] as const)
    test(`a caller who hides their number (${privacy}) has none, though their network tells it`, async () => {
      const { host, port } = world.switch.sip;
      const from = `+254734${callers++}`;
      const placing = { from, to: "+254200000001", switch: `${host}:${port}`, privacy };
      const sip = await world.carrier.place(placing);
      const arrival = await eventually("the arrival", () =>
        arrivals.find(({ sipCallId }) => sipCallId === sip),
      );
      assert.equal(arrival.from, "anonymous");
      const leg = ids.next("leg");
      world.box.know(leg, arrival.uuid);
      await takeIn(leg);
      await world.box.hangUp(leg, "CALL_REJECTED");
      await over(leg);
    });

  test("of the dialplan's own limit nothing is left once a caller is taken in", async () => {
    const raw = await world.raw();
    const { arrival, leg } = await arrived();
    await takeIn(leg);
    assert.equal(await raw.api(`sched_del ${arrival.uuid}`), "+OK Deleted: 0\n");
    await world.box.hangUp(leg, "CALL_REJECTED");
    await over(leg);
  });

  test("a caller whom nobody answers is ended by the switch in time", async () => {
    const { leg, caller } = await arrived();
    await takeIn(leg, { ringSeconds: 1 });
    const end = await over(leg);
    assert.deepEqual([end.cause, end.answeredAtUs], ["NO_ANSWER", null]);
    assert.equal((await caller(({ ended_at }) => ended_at !== null)).status, 480);
  });

  test("an answered one talks for as long as was said, counted from the answer, and is answered once", async () => {
    const { leg, caller } = await arrived();
    // It would ring no longer than it takes to talk.
    await takeIn(leg, { ringSeconds: 2, maxSeconds: 2 });
    assert.deepEqual([await world.box.answer(leg), await world.box.answer(leg)], [true, true]);
    const end = await over(leg);
    assert.equal(end.cause, "ALLOTTED_TIMEOUT");
    const talkedMs = (end.endedAtUs - end.answeredAtUs!) / 1000;
    assert.ok(talkedMs >= 1_980 && talkedMs <= 3_500, String(talkedMs));
    assert.equal(world.kindsOf(leg).filter((kind) => kind === "answered").length, 1);
    assert.equal((await caller(({ ended_at }) => ended_at !== null)).ended_by, "callee");
  });

  test("what is played before the answer is heard, and ends as it does after it", async () => {
    const file = await world.toneFile(700, 2_000);
    const { leg, caller } = await arrived();
    await takeIn(leg);
    assert.equal(await world.box.preAnswer(leg), true);
    assert.equal(await world.box.preAnswer(leg), true);
    await world.box.play(leg, file, { token: "early", loops: 1 });
    const early = await world.event(leg, "playbackEnded");
    assert.deepEqual([early.token, early.outcome], ["early", "played"]);
    const seen = await caller(({ heard }) => heard.some(({ hz }) => hz !== null && Math.abs(hz - 700) < 10));
    assert.ok(seen.early_media_at !== null && seen.answered_at === null);
    assert.equal((await world.box.channelFacts(leg))?.answeredAtUs, null);
    await world.box.answer(leg);
    await world.event(leg, "answered");
    await world.box.play(leg, file, { token: "answered", loops: 1 });
    assert.equal(
      (await world.event(leg, "playbackEnded", ({ token }) => token === "answered")).outcome,
      "played",
    );
    await world.box.hangUp(leg, "NORMAL_CLEARING");
    await over(leg);
  });

  test("what is played to a caller who only rings is early media by itself", async () => {
    const { leg, caller } = await arrived();
    await takeIn(leg);
    await world.box.play(leg, await world.toneFile(700, 500), { token: "early", loops: 1 });
    assert.equal((await world.event(leg, "playbackEnded")).outcome, "played");
    assert.ok((await caller(({ early_media_at }) => early_media_at !== null)).answered_at === null);
    await world.box.hangUp(leg, "CALL_REJECTED");
    assert.equal((await caller(({ ended_at }) => ended_at !== null)).status, 603);
  });

  test("a caller who leaves in the middle of a prompt ends it, and is ORIGINATOR_CANCEL", async () => {
    const { leg, leave } = await arrived();
    await takeIn(leg);
    await world.box.play(leg, await world.toneFile(700, 20_000), { token: "long", loops: 1 });
    await world.event(leg, "earlyMedia");
    await leave();
    const end = await over(leg);
    assert.deepEqual([end.cause, end.answeredAtUs, end.sipStatus], ["ORIGINATOR_CANCEL", null, 487]);
  });

  const refusals: [HangupCause, number][] = [
    ["UNALLOCATED_NUMBER", 404],
    ["SUBSCRIBER_ABSENT", 480],
    ["NO_ANSWER", 480],
    ["USER_BUSY", 486],
    ["DESTINATION_OUT_OF_ORDER", 502],
    ["NORMAL_TEMPORARY_FAILURE", 503],
    ["CALL_REJECTED", 603],
  ];
  for (const [cause, status] of refusals) {
    test(`a caller refused with ${cause} is told ${status}, and leaves no record`, async () => {
      const { arrival, leg, caller } = await arrived();
      assert.equal(await world.box.refuse(leg, cause), true);
      assert.equal((await caller(({ ended_at }) => ended_at !== null)).status, status);
      assert.equal((await over(leg)).cause, cause);
      assert.equal(existsSync(join(world.switch.spoolDir, "cdr", `${arrival.uuid}.cdr.json`)), false);
      assert.equal(await world.box.refuse(leg, cause), false);
    });
  }

  test("a caller who waits is found by the listing, and no longer once they are known", async () => {
    const { arrival, leg } = await arrived();
    world.box.forget(leg);
    const found = await eventually("the caller in the listing", async () =>
      (await world.box.arrivals()).find(({ uuid }) => uuid === arrival.uuid),
    );
    assert.deepEqual(found, arrival);
    world.box.know(leg, arrival.uuid);
    assert.equal(
      (await world.box.arrivals()).find(({ uuid }) => uuid === arrival.uuid),
      undefined,
    );
    await takeIn(leg);
    const row = await eventually("the leg in the listing", async () =>
      (await world.box.listChannels()).find((listed) => listed.leg === leg),
    );
    assert.equal(row.state, "ringing");
    await world.box.hangUp(leg, "CALL_REJECTED");
    await over(leg);
  });

  test("a leg that is dialled joins a waiting caller by itself; when it ends the caller parks", async () => {
    const { leg, caller } = await arrived();
    await takeIn(leg);
    await world.box.answer(leg);
    await world.event(leg, "answered");
    await world.box.afterBridge(leg, { kind: "park", idleSeconds: 30 });
    await world.box.playRingback(leg);
    const joining = world.dial(numbers.answers880, { then: { kind: "intercept", leg } });
    await world.bridged(leg, joining.leg);
    const facts = await eventually("the pair", async () => {
      const found = await world.box.channelFacts(joining.leg);
      return found?.bridgedTo === leg ? found : undefined;
    });
    assert.equal(facts.bridgedTo, leg);
    assert.equal((await world.box.channelFacts(leg))?.bridgedTo, joining.leg);
    await caller(({ heard }) => heard.some(({ hz }) => hz !== null && Math.abs(hz - 880) < 10));
    await world.box.hangUp(joining.leg, "NORMAL_CLEARING");
    await over(joining.leg);
    await world.event(leg, "parked");
    assert.equal((await world.box.channelFacts(leg))?.bridgedTo, null);
    await world.box.hangUp(leg, "NORMAL_CLEARING");
    await over(leg);
  });

  test("a caller is recorded as one whom we dialled is: in stereo, from the first frame on, `*` or not", async () => {
    const { leg } = await arrived({ tone_hz: 440, digits: "*", digits_after_ms: 300 });
    await takeIn(leg);
    await world.box.answer(leg);
    await world.event(leg, "answered");
    const recording = ids.next("rec");
    await world.box.startRecording(leg, recording);
    await world.box.play(leg, await world.toneFile(900, 1_500), { token: "over", loops: 1 });
    const [digit, ended] = [await world.event(leg, "digit"), await world.event(leg, "playbackEnded")];
    assert.equal(digit.digit, "*");
    assert.ok(ended.atUs - digit.atUs > 500_000, "the key did not end what was played");
    await world.box.stopRecording(leg, recording);
    await world.event(leg, "recordingStopped");
    const { channels } = await world.wav(recording);
    assert.equal(channels.length, 2);
    await world.box.hangUp(leg, "NORMAL_CLEARING");
    await over(leg);
  });

  test("the record of a caller's leg says whose it was, and the same of its end as the event", async () => {
    const { arrival, leg } = await arrived();
    const call = ids.next("call");
    await takeIn(leg, { call });
    await world.box.answer(leg);
    await world.event(leg, "answered");
    await world.box.hangUp(leg, "NORMAL_CLEARING");
    const { kind, box, atUs, ...end } = await over(leg);
    assert.deepEqual([kind, box, atUs], ["hungUp", "under-test", end.endedAtUs]);
    const text = readFileSync(join(world.switch.spoolDir, "cdr", `${arrival.uuid}.cdr.json`), "utf8");
    const result = parseEndRecord(text);
    assert.ok(result.ok);
    assert.deepEqual(result.record, { channel: arrival.uuid, call, ...end });
  });

  for (const early of [false, true])
    test(`one who waits ${early ? "in early media" : "ringing"} is answered by the answer of a leg that is dialled to them`, async () => {
      const { leg, caller } = await arrived();
      // They wait no longer than that, and talk for longer.
      await takeIn(leg, { ringSeconds: 3 });
      await world.box.afterBridge(leg, { kind: "end" });
      if (early) await world.box.playRingback(leg);
      const callee = world.dial(numbers.ringsThenAnswers, {
        ...{ then: { kind: "intercept", leg }, ignoreEarlyMedia: true },
      });
      await world.event(callee.leg, "ringing");
      assert.equal((await caller()).answered_at, null);
      await world.bridged(leg, callee.leg);
      await caller(({ answered_at }) => answered_at !== null);
      const answer = await world.event(leg, "answered");
      const calleesAnswer = await world.event(callee.leg, "answered");
      assert.ok(
        Math.abs(answer.atUs - calleesAnswer.atUs) < 300_000,
        String(answer.atUs - calleesAnswer.atUs),
      );
      await caller(({ heard }) => heard.some(({ hz }) => hz !== null && Math.abs(hz - 440) < 10));
      await sleep(4_000);
      await world.box.hangUp(callee.leg, "NORMAL_CLEARING");
      const end = await over(leg);
      assert.equal(end.cause, "NORMAL_CLEARING");
      assert.notEqual(end.answeredAtUs, null);
    });

  test("one who waits for a leg that is busy goes on waiting, unanswered", async () => {
    const { leg, caller } = await arrived();
    await takeIn(leg);
    await world.box.afterBridge(leg, { kind: "end" });
    await world.box.playRingback(leg);
    const callee = world.dial(numbers.isBusy, {
      ...{ then: { kind: "intercept", leg }, ignoreEarlyMedia: true },
    });
    assert.equal((await over(callee.leg)).cause, "USER_BUSY");
    assert.equal((await world.box.channelFacts(leg))?.answeredAtUs, null);
    await world.box.hangUp(leg, "USER_BUSY");
    await over(leg);
    assert.equal((await caller(({ ended_at }) => ended_at !== null)).status, 486);
  });
});
