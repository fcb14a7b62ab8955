import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { systemClock } from "../../engine/clock.ts";
import type { LegId, RecordingId } from "../../engine/ids.ts";
import { beep } from "../../engine/switch/switch.ts";
import { levelDbfs } from "../../engine/simulator/media/goertzel.ts";
import { sideBySide } from "../peers/side-by-side.ts";
import { describeContract } from "./report.ts";
import { audibleDbfs, ids, numbers, silentDbfs, startSlackMs, World } from "./world.ts";

describeContract("the contract of the switch: sound", function () {
  this.timeout(60_000);
  let world: World;
  before(async () => {
    world = await World.open();
    // It listens before anything is played.
    await world.raw();
  });
  after(() => world.close());
  const test = sideBySide(4);

  test("a file is played to its end, the party hears it, and the token comes back", async () => {
    const { box } = world;
    const party = await world.parked(numbers.answers440);
    const file = await world.toneFile(700, 3000);
    const startedAtUs = systemClock.nowUs();
    assert.equal(await box.play(party.leg, file, { token: "welcome-1", loops: 1 }), true);
    const ended = await world.event(party.leg, "playbackEnded");
    assert.deepEqual([ended.token, ended.outcome], ["welcome-1", "played"]);
    assertAbout(ended.atUs - startedAtUs, 3_000_000, 400_000);
    await world.carrierCall(party, (call) => call.heard.some(({ hz }) => near(hz, 700)));
    await box.hangUp(party.leg, "NORMAL_CLEARING");
  });

  test("a file that is missing says so", async () => {
    const { leg } = await world.parked(numbers.answers440);
    const missing = (await world.toneFile(700, 20)).replace(/\.wav$/, "-missing.wav") as never;
    assert.equal(await world.box.play(leg, missing, { token: "t", loops: 1 }), true);
    assert.equal((await world.event(leg, "playbackEnded")).outcome, "notFound");
    await world.box.hangUp(leg, "NORMAL_CLEARING");
  });

  test("what plays stops within 100 ms of being told to, and what waits behind it never plays", async () => {
    const { leg } = await world.parked(numbers.answers440);
    const file = await world.toneFile(700, 10_000);
    await world.box.play(leg, file, { token: "first", loops: 1 });
    await world.box.play(leg, file, { token: "second", loops: 1 });
    await (await world.raw()).event("CHANNEL_EXECUTE", { "Unique-ID": leg, Application: "playback" });
    const toldAtUs = systemClock.nowUs();
    assert.equal(await world.box.stopPlayback(leg), true);
    const ended = await world.event(leg, "playbackEnded");
    assert.deepEqual([ended.token, ended.outcome], ["first", "played"]);
    assert.ok(ended.atUs - toldAtUs <= 100_000, `${ended.atUs - toldAtUs} µs`);

    await world.box.play(leg, await world.toneFile(700, 200), { token: "third", loops: 1 });
    const third = await world.event(leg, "playbackEnded", ({ token }) => token === "third");
    assert.ok(third.atUs - toldAtUs < 2_000_000);
    await world.box.hangUp(leg, "NORMAL_CLEARING");
  });

  test("what a leg plays, and what became of it, can be read from its channel by who heard no event", async () => {
    const { leg } = await world.parked(numbers.answers440);
    const [file, missing] = [
      await world.toneFile(700, 1_000),
      (await world.toneFile(700, 20)).replace(/\.wav$/, "-missing.wav") as never,
    ];
    const raw = await world.raw();
    const begun = (token: string) =>
      raw.event("CHANNEL_EXECUTE", { "Unique-ID": leg, "Application-UUID": `play:${token}` });
    const ended = (token: string) => world.event(leg, "playbackEnded", (event) => event.token === token);
    const seen = async () => (await world.box.channelFacts(leg))?.playback;
    assert.equal(await seen(), null);
    // One behind the other, so that the second shows that the first's end is not taken for its own.
    await world.box.play(leg, file, { token: "call_x-5.0", loops: 1 });
    await world.box.play(leg, file, { token: "call_x-5.1", loops: 2 });
    await begun("call_x-5.0");
    assert.deepEqual(await seen(), { token: "call_x-5.0", outcome: null });
    await begun("call_x-5.1");
    assert.deepEqual(await seen(), { token: "call_x-5.1", outcome: null });
    await world.box.stopPlayback(leg);
    await ended("call_x-5.1");
    assert.deepEqual(await seen(), { token: "call_x-5.1", outcome: "played" });
    await world.box.play(leg, missing, { token: "gone", loops: 1 });
    await ended("gone");
    assert.deepEqual(await seen(), { token: "gone", outcome: "notFound" });
    await world.box.play(leg, beep, { token: "beeps", loops: 1 });
    await begun("beeps");
    assert.deepEqual(await seen(), { token: "beeps", outcome: null });
    assert.equal((await ended("beeps")).outcome, "played");
    await world.box.playRingback(leg);
    await raw.event("CHANNEL_EXECUTE", { "Unique-ID": leg, "Application-UUID": "ringback" });
    assert.equal(await seen(), null);
    await world.box.hangUp(leg, "NORMAL_CLEARING");
  });

  test("a short file is played as often as asked, and ends once", async () => {
    const { leg } = await world.parked(numbers.answers440);
    const startedAtUs = systemClock.nowUs();
    await world.box.play(leg, await world.toneFile(700, 300), { token: "thrice", loops: 3 });
    await world.box.play(leg, await world.toneFile(700, 100), { token: "after", loops: 1 });
    const thrice = await world.event(leg, "playbackEnded");
    assert.equal(thrice.token, "thrice");
    assertAbout(thrice.atUs - startedAtUs, 1_200_000, 310_000);
    await world.event(leg, "playbackEnded", ({ token }) => token === "after");
    assert.equal(world.kindsOf(leg).filter((kind) => kind === "playbackEnded").length, 2);
    await world.box.hangUp(leg, "NORMAL_CLEARING");
  });

  test("a playback that the hang-up cuts off is not told as one that failed to be found", async () => {
    const { leg } = await world.parked(numbers.answers440);
    await world.box.play(leg, await world.toneFile(700, 10_000), { token: "cut", loops: 1 });
    await (await world.raw()).event("CHANNEL_EXECUTE", { "Unique-ID": leg, Application: "playback" });
    await world.box.hangUp(leg, "NORMAL_CLEARING");
    await world.event(leg, "hungUp");
    for (const event of world.events) {
      if (event.leg === leg && event.kind === "playbackEnded") assert.notEqual(event.outcome, "notFound");
    }
  });

  test("the caller hears ringback until the callee answers, and not a moment longer", async () => {
    const recording = ids.next("rec");
    const waiting = await world.parked(numbers.answers440);
    await world.box.startRecording(waiting.leg, recording);
    const { atUs: startedAtUs } = await world.event(waiting.leg, "recordingStarted");
    await world.box.playRingback(waiting.leg);
    const joining = world.dial(numbers.announcesThenAnswers, {
      then: { kind: "intercept", leg: waiting.leg },
    });
    const { atUs: bridgedAtUs } = await world.bridged(waiting.leg, joining.leg);
    // The next ringback would have come 5 s after the first.
    await sleep(4000);
    await world.box.hangUp(waiting.leg, "NORMAL_CLEARING");
    await world.event(waiting.leg, "recordingStopped");

    const sound = await heardIn(world, recording);
    const bridgedMs = (bridgedAtUs - startedAtUs) / 1000;
    assert.ok(sound.heard(425, 200, 1000) > audibleDbfs);
    assert.ok(sound.heard(425, bridgedMs + 200, bridgedMs + 3700) < silentDbfs);
    assert.ok(sound.heard(880, bridgedMs + 400, bridgedMs + 3700) > audibleDbfs);
  });

  test("ringback stops when told to, though told at once", async () => {
    const recording = ids.next("rec");
    const { leg } = await world.parked(numbers.answers440);
    await world.box.startRecording(leg, recording);
    await world.box.playRingback(leg);
    assert.equal(await world.box.stopPlayback(leg), true);
    await sleep(1000);
    await world.box.stopRecording(leg, recording);
    await world.event(leg, "recordingStopped");
    const sound = await heardIn(world, recording);
    assert.ok(sound.heard(425, 300, 900) < silentDbfs);
    await world.box.hangUp(leg, "NORMAL_CLEARING");
  });

  test("a file takes the place of the tone, whenever it comes, and a hundred of it are one playback", async () => {
    for (const playedMs of [0, 30, 400]) {
      const { leg } = await world.parked(numbers.answers440);
      await world.box.playRingback(leg);
      await sleep(playedMs);
      await world.box.stopPlayback(leg);
      const startedAtUs = systemClock.nowUs();
      await world.box.play(leg, await world.toneFile(700, 20), { token: "music", loops: 100 });
      const { atUs } = await world.event(leg, "playbackEnded");
      assert.ok(atUs - startedAtUs > 1_900_000, `${atUs - startedAtUs} µs`);
      await world.box.hangUp(leg, "NORMAL_CLEARING");
    }
  });

  test("what begins to play in a talk stops when it is told to, and the talk goes on", async () => {
    const [waiting, joining] = await world.pair();
    for (const playedMs of [0, 300]) {
      const token = `late-${playedMs}`;
      await world.box.play(waiting.leg, await world.toneFile(700, 10_000), { token, loops: 1 });
      await sleep(playedMs);
      await world.box.stopPlayback(waiting.leg);
    }
    const recording = ids.next("rec");
    await world.box.startRecording(waiting.leg, recording);
    await world.event(waiting.leg, "recordingStarted");
    await sleep(1_500);
    await world.box.hangUp(joining.leg, "NORMAL_CLEARING");
    await world.event(waiting.leg, "recordingStopped");
    const sound = await heardIn(world, recording);
    assert.ok(sound.heard(700, 200, 1200) < silentDbfs);
    assert.ok(sound.heard(880, 200, 1200) > audibleDbfs);
  });

  test("a recording holds what the party said on the left and what it heard on the right, silence where masked", async () => {
    const { box } = world;
    const recording = ids.next("rec");
    const { leg } = await world.parked(numbers.answers440);
    await box.play(leg, await world.toneFile(700, 10_000), { token: "t", loops: 1 });
    await (await world.raw()).event("CHANNEL_EXECUTE", { "Unique-ID": leg, Application: "playback" });
    assert.equal(await box.startRecording(leg, recording), true);
    await sleep(1000);
    assert.equal(await box.maskRecording(leg, recording, true), true);
    await sleep(1000);
    assert.equal(await box.maskRecording(leg, recording, false), true);
    await sleep(1000);
    assert.equal(await box.stopRecording(leg, recording), true);
    await lengthIsWallClock(world, leg, recording);

    const sound = await heardIn(world, recording);
    for (const [fromMs, toMs] of [
      [200, 900],
      [2200, 2900],
    ] as const) {
      assert.ok(sound.said(440, fromMs, toMs) > audibleDbfs);
      assert.ok(sound.heard(700, fromMs, toMs) > audibleDbfs);
      assert.ok(sound.said(700, fromMs, toMs) < silentDbfs);
      assert.ok(sound.heard(440, fromMs, toMs) < silentDbfs);
    }
    assert.ok(sound.said(440, 1200, 1800) < -80);
    assert.ok(sound.heard(700, 1200, 1800) < -80);

    assert.equal(await box.stopRecording(leg, recording), false);
    assert.equal(await box.maskRecording(leg, recording, true), false);
    await box.hangUp(leg, "NORMAL_CLEARING");
  });

  test("a segment of one second is one second long, also of a party that is not heard", async () => {
    for (const number of [numbers.answers440, numbers.isNotHeard]) {
      const recording = ids.next("rec");
      const { leg } = await world.parked(number);
      await world.box.startRecording(leg, recording);
      await sleep(1000);
      await world.box.stopRecording(leg, recording);
      await lengthIsWallClock(world, leg, recording);
      await world.box.hangUp(leg, "NORMAL_CLEARING");
    }
  });

  test("each leg of a pair has its own file, the one the mirror of the other", async () => {
    const recordings = [ids.next("rec"), ids.next("rec")] as const;
    const legs = await world.pair();
    await Promise.all(legs.map(({ leg }, i) => world.box.startRecording(leg, recordings[i]!)));
    await sleep(1000);
    await world.box.hangUp(legs[0].leg, "NORMAL_CLEARING");
    await Promise.all(legs.map(({ leg }) => world.event(leg, "hungUp")));
    const [first, second] = await Promise.all(recordings.map((recording) => heardIn(world, recording)));
    for (const [sound, said, heard] of [
      [first!, 440, 880],
      [second!, 880, 440],
    ] as const) {
      assert.ok(sound.said(said, 200, 900) > audibleDbfs && sound.said(heard, 200, 900) < silentDbfs);
      assert.ok(sound.heard(heard, 200, 900) > audibleDbfs && sound.heard(said, 200, 900) < silentDbfs);
    }
  });

  test("a recording goes on when the bridge ends and the leg parks", async () => {
    const recording = ids.next("rec");
    const [waiting, joining] = await world.pair(undefined, ({ leg }) =>
      world.box.setVariable(leg, "park_after_bridge", "true"),
    );
    await world.box.startRecording(waiting.leg, recording);
    await sleep(700);
    await world.box.hangUp(joining.leg, "NORMAL_CLEARING");
    await world.event(joining.leg, "hungUp");
    await sleep(700);
    await world.box.stopRecording(waiting.leg, recording);
    await lengthIsWallClock(world, waiting.leg, recording);
    const sound = await heardIn(world, recording);
    assert.ok(sound.heard(880, 100, 600) > audibleDbfs);
    assert.ok(sound.heard(880, 900, 1300) < silentDbfs);
    assert.ok(sound.said(440, 900, 1300) > audibleDbfs);
    await world.box.hangUp(waiting.leg, "NORMAL_CLEARING");
  });

  test("the switch records from the answer by itself, and closes the file at the end of the leg", async () => {
    const recording = ids.next("rec");
    const { leg } = world.dial(numbers.ringsThenAnswers, {
      record: { recording, from: "answer" },
      maxSeconds: 2,
    });
    const { answeredAtUs, endedAtUs } = await world.event(leg, "hungUp");
    const { lengthMs } = await world.event(leg, "recordingStopped");
    assertAbout(lengthMs, (endedAtUs - answeredAtUs!) / 1000, startSlackMs);
    const sound = await heardIn(world, recording);
    assertAbout(sound.ms, lengthMs, 20);
    assert.ok(sound.said(440, 200, 1800) > audibleDbfs);
  });

  test("a recording from the first media on holds the announcement and the talk", async () => {
    const recording = ids.next("rec");
    const waiting = await world.parked(numbers.answers440);
    const { leg } = world.dial(numbers.announcesThenAnswers, {
      then: { kind: "intercept", leg: waiting.leg },
      ignoreEarlyMedia: false,
      record: { recording, from: "media" },
      maxSeconds: 2,
    });
    const media = await world.event(leg, "earlyMedia");
    const { endedAtUs } = await world.event(leg, "hungUp");
    const sound = await heardIn(world, recording);
    assertAbout(sound.ms, (endedAtUs - media.atUs) / 1000, startSlackMs);
    assert.ok(sound.said(620, 300, 1500) > audibleDbfs);
    assert.ok(sound.said(880, 2300, 3700) > audibleDbfs);
    assert.ok(sound.heard(440, 2300, 3700) > audibleDbfs);
  });

  test("without early media a recording from the first media on begins at the answer", async () => {
    const recording = ids.next("rec");
    const { leg } = world.dial(numbers.ringsThenAnswers, {
      record: { recording, from: "media" },
      maxSeconds: 2,
    });
    const { answeredAtUs, endedAtUs } = await world.event(leg, "hungUp");
    const sound = await heardIn(world, recording);
    assertAbout(sound.ms, (endedAtUs - answeredAtUs!) / 1000, startSlackMs);
    assert.equal(world.kindsOf(leg).filter((kind) => kind === "recordingStarted").length, 1);
  });

  test("digits go to the party, and its own come as events, in order", async () => {
    const party = await world.parked(numbers.repeatsDigits);
    assert.match(await (await world.raw()).api(`uuid_send_dtmf ${party.leg} 12#4*`), /^\+OK/);
    await world.carrierCall(party, ({ digits }) => digits === "12#4*");
    await world.event(party.leg, "digit", ({ digit }) => digit === "*");
    const digits = world.events.flatMap((event) =>
      event.leg === party.leg && event.kind === "digit" ? [event] : [],
    );
    assert.equal(digits.map(({ digit }) => digit).join(""), "12#4*");
    assert.ok(digits.every(({ durationMs }) => durationMs >= 40 && durationMs <= 400));
    await world.box.hangUp(party.leg, "NORMAL_CLEARING");
  });

  test("a digit does not stop what is played", async () => {
    const party = await world.parked(numbers.repeatsDigits);
    const startedAtUs = systemClock.nowUs();
    await world.box.play(party.leg, await world.toneFile(700, 1500), { token: "t", loops: 1 });
    await (await world.raw()).api(`uuid_send_dtmf ${party.leg} *`);
    await world.event(party.leg, "digit");
    assertAbout((await world.event(party.leg, "playbackEnded")).atUs - startedAtUs, 1_500_000, 400_000);
    await world.box.hangUp(party.leg, "NORMAL_CLEARING");
  });

  test("how well a party was heard is told at its end, and not of one that was never heard", async () => {
    // Loss is reckoned every 5 s.
    const quality = async (number: string) => {
      const { leg } = await world.parked(number, { maxSeconds: 6 });
      return (await world.event(leg, "hungUp")).quality;
    };
    const [clean, lossy, silent] = await Promise.all(
      [numbers.answers440, numbers.losesAThird, numbers.isNotHeard].map(quality),
    );
    assert.ok(clean && clean.mos > 4 && clean.packetLossPercent < 2, JSON.stringify(clean));
    assert.ok(lossy && lossy.mos < clean.mos, JSON.stringify(lossy));
    assertAbout(lossy.packetLossPercent, 33, 8);
    assert.equal(silent, null);
  });
});

async function lengthIsWallClock(world: World, leg: LegId, recording: RecordingId): Promise<void> {
  const ofIt = (event: { recording: RecordingId }) => event.recording === recording;
  const started = await world.event(leg, "recordingStarted", ofIt);
  const stopped = await world.event(leg, "recordingStopped", ofIt);
  assertAbout(stopped.lengthMs, (stopped.atUs - started.atUs) / 1000, 100);
  assertAbout((await heardIn(world, recording)).ms, stopped.lengthMs, 20);
}

/** Levels of a tone in a part of a stereo recording, in dB below full scale. */
async function heardIn(world: World, recording: RecordingId) {
  const { channels, rateHz } = await world.wav(recording);
  assert.equal(rateHz, 8000);
  assert.equal(channels.length, 2);
  const level = (channel: 0 | 1) => (hz: number, fromMs: number, toMs: number) =>
    levelDbfs(channels[channel]!.subarray(Math.round(fromMs * 8), Math.round(toMs * 8)), hz);
  return { ms: channels[0]!.length / 8, said: level(0), heard: level(1) };
}

const near = (hz: number | null, wanted: number) => hz !== null && Math.abs(hz - wanted) <= 10;

function assertAbout(value: number, expected: number, slack: number): void {
  assert.ok(Math.abs(value - expected) <= slack, `${value} is not ${expected} ± ${slack}`);
}
