import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import type { LegId, RecordingId } from "../../engine/ids.ts";
import { levelDbfs } from "../../engine/simulator/media/goertzel.ts";
import { beep } from "../../engine/switch/switch.ts";
import { sideBySide } from "../peers/side-by-side.ts";
import { describeContract } from "./report.ts";
import { audibleDbfs, ids, numbers, World } from "./world.ts";

describeContract("the contract of the switch: recordings that end by themselves", function () {
  this.timeout(60_000);
  let world: World;
  before(async () => {
    world = await World.open();
  });
  after(() => world.close());
  const test = sideBySide(6);

  const start = async (leg: LegId, silenceMs: number, maxSeconds: number): Promise<RecordingId> => {
    const recording = ids.next("rec");
    assert.equal(await world.box.startRecording(leg, recording, { silenceMs, maxSeconds }), true);
    return recording;
  };
  const stopped = (leg: LegId, recording: RecordingId) =>
    world.event(leg, "recordingStopped", (event) => event.recording === recording);

  test("after its silence: a soft voice is none, and the noise of a line is", async () => {
    const { leg } = await world.parked(numbers.speaksSoftlyWithPauses);
    const { by, lengthMs } = await stopped(leg, await start(leg, 1500, 60));
    assert.equal(by, "silence");
    // Up to a second of voice, then the silence.
    assert.ok(lengthMs >= 1500 && lengthMs <= 2900, `${lengthMs} ms`);
    await world.box.hangUp(leg, "NORMAL_CLEARING");
  });

  test("not in a shorter pause, and then after its longest time, never before it", async () => {
    const { leg } = await world.parked(numbers.speaksSoftlyWithPauses);
    const { by, lengthMs } = await stopped(leg, await start(leg, 3000, 5));
    assert.equal(by, "other");
    assert.ok(lengthMs >= 4900 && lengthMs <= 6300, `${lengthMs} ms`);
    await world.box.hangUp(leg, "NORMAL_CLEARING");
  });

  test("of a party that sends nothing after that time from the start", async () => {
    const { leg } = await world.parked(numbers.isNotHeard);
    const { by, lengthMs } = await stopped(leg, await start(leg, 1000, 60));
    assert.equal(by, "silence");
    assert.ok(lengthMs >= 900 && lengthMs <= 1300, `${lengthMs} ms`);
    await world.box.hangUp(leg, "NORMAL_CLEARING");
  });

  test("beside another one on the same leg, which goes on; and whether one runs can be asked", async () => {
    const { box } = world;
    const { leg } = await world.parked(numbers.isNotHeard);
    const other = ids.next("rec");
    await box.startRecording(leg, other);
    const own = await start(leg, 1000, 60);
    assert.deepEqual([await box.isRecording(leg, own), await box.isRecording(leg, other)], [true, true]);
    await stopped(leg, own);
    assert.deepEqual([await box.isRecording(leg, own), await box.isRecording(leg, other)], [false, true]);
    await sleep(500);
    await box.hangUp(leg, "NORMAL_CLEARING");
    const { by, lengthMs } = await stopped(leg, other);
    assert.equal(by, "hangUp");
    assert.ok(lengthMs >= 1400, `${lengthMs} ms`);
    const { channels } = await world.wav(own);
    assert.equal(channels.length, 2);
    assert.ok((channels[0]?.length ?? 0) / 8 < lengthMs - 300);
    assert.equal(await box.isRecording(leg, other), false);
  });

  test("with the leg, and when told to", async () => {
    const { box } = world;
    const { leg } = await world.parked(numbers.answers440);
    const [told, left] = [await start(leg, 1000, 60), await start(leg, 1000, 60)];
    await sleep(500);
    assert.equal(await box.stopRecording(leg, told), true);
    assert.equal((await stopped(leg, told)).by, "other");
    await box.hangUp(leg, "NORMAL_CLEARING");
    assert.equal((await stopped(leg, left)).by, "hangUp");
  });

  test("the beep is 300 ms of 1 kHz, and over when its end is told", async () => {
    const { box } = world;
    const { leg } = await world.parked(numbers.isNotHeard);
    const [all, after] = [ids.next("rec"), ids.next("rec")];
    await box.startRecording(leg, all);
    await box.play(leg, beep, { token: "beep", loops: 1 });
    const ended = await world.event(leg, "playbackEnded");
    assert.deepEqual([ended.token, ended.outcome], ["beep", "played"]);
    await box.startRecording(leg, after);
    await sleep(500);
    await box.hangUp(leg, "NORMAL_CLEARING");
    await world.event(leg, "hungUp");
    assert.ok(Math.abs((await beepMs(all)) - 300) <= 60, `${await beepMs(all)} ms`);
    assert.equal(await beepMs(after), 0);
  });

  /** How long the party heard the beep. */
  async function beepMs(recording: RecordingId): Promise<number> {
    const heard = (await world.wav(recording)).channels[1]!;
    const parts = Array.from({ length: Math.floor(heard.length / 160) }, (_, at) =>
      levelDbfs(heard.subarray(at * 160, (at + 1) * 160), 1000),
    );
    return parts.filter((level) => level > audibleDbfs).length * 20;
  }
});
