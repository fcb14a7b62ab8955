import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import type { RecordingId } from "../../engine/ids.ts";
import { levelDbfs } from "../../engine/simulator/media/goertzel.ts";
import { describeContract } from "./report.ts";
import { audibleDbfs, ids, numbers, World } from "./world.ts";

const stallMs = 500;

describeContract("the contract of the switch: its process stands still for half a second", function () {
  this.timeout(60_000);
  let world: World;
  before(async () => {
    world = await World.open();
    await world.raw();
  });
  after(() => world.close());

  /** As a busy host does it to a process. */
  async function stall(): Promise<void> {
    world.switch.child.kill("SIGSTOP");
    await sleep(stallMs);
    world.switch.child.kill("SIGCONT");
  }

  /** How long that tone is heard in one side of the recording. */
  async function toneMs(recording: RecordingId, side: "said" | "heard", hz: number): Promise<number> {
    const channel = (await world.wav(recording)).channels[side === "said" ? 0 : 1]!;
    const frames = Array.from({ length: Math.floor(channel.length / 160) }, (_, at) =>
      levelDbfs(channel.subarray(at * 160, (at + 1) * 160), hz),
    );
    return frames.filter((level) => level > audibleDbfs).length * 20;
  }

  it("what it plays is in the recording to its last frame, and what was said meanwhile is as well", async () => {
    const { box } = world;
    const recording = ids.next("rec");
    const { leg } = await world.parked(numbers.answers440);
    await box.startRecording(leg, recording);
    await world.event(leg, "recordingStarted");
    await box.play(leg, await world.toneFile(700, 2000), { token: "t", loops: 1 });
    await (await world.raw()).event("CHANNEL_EXECUTE", { "Unique-ID": leg, Application: "playback" });
    await sleep(500);
    await stall();
    await world.event(leg, "playbackEnded");
    await sleep(300);
    await box.stopRecording(leg, recording);
    const { lengthMs } = await world.event(leg, "recordingStopped");

    const [heardMs, saidMs] = [await toneMs(recording, "heard", 700), await toneMs(recording, "said", 440)];
    assert.ok(Math.abs(heardMs - 2000) <= 60, `${heardMs} ms of 2000 heard`);
    assert.ok(saidMs >= lengthMs - 200, `${saidMs} ms of ${lengthMs} said`);
    await box.hangUp(leg, "NORMAL_CLEARING");
  });

  it("two who talk hear what the other said meanwhile", async () => {
    const { box } = world;
    const recording = ids.next("rec");
    const [{ leg }, other] = await world.pair();
    await box.startRecording(leg, recording);
    await world.event(leg, "recordingStarted");
    await sleep(500);
    await stall();
    await sleep(1000);
    await box.stopRecording(leg, recording);
    const { lengthMs } = await world.event(leg, "recordingStopped");

    const [heardMs, saidMs] = [await toneMs(recording, "heard", 880), await toneMs(recording, "said", 440)];
    assert.ok(heardMs >= lengthMs - 200, `${heardMs} ms of ${lengthMs} heard`);
    assert.ok(saidMs >= lengthMs - 200, `${saidMs} ms of ${lengthMs} said`);
    await Promise.all([leg, other.leg].map((each) => box.hangUp(each, "NORMAL_CLEARING")));
  });
});
