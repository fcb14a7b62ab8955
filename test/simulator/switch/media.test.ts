import { strict as assert } from "node:assert";
import { readFileSync, writeFileSync } from "node:fs";
import { systemClock } from "../../../engine/clock.ts";
import { dominantTone, levelDbfs } from "../../../engine/simulator/media/goertzel.ts";
import { createWavWriter, parseWav } from "../../../engine/simulator/media/wav.ts";
import { dial, openBox, parkedLeg, type Box } from "./box.ts";

const recordVariables = ",RECORD_STEREO=true,RECORD_PRE_BUFFER_FRAMES=1";

describe("sound in the simulated switch", () => {
  let box: Box;
  beforeEach(async () => {
    box = await openBox();
  });
  afterEach(() => box.close());

  const recorded = (path: string) => {
    const [said, heard] = parseWav(readFileSync(path)).channels;
    return { said: said!, heard: heard!, ms: said!.length / 8 };
  };
  /** Hz, to the nearest ten. */
  const toneAt = (samples: Int16Array, fromMs: number) =>
    Math.round((dominantTone(samples.subarray(fromMs * 8, (fromMs + 250) * 8))?.hz ?? 0) / 10) * 10;

  it("a bridged leg's file has what it said on the left, what it heard on the right", async () => {
    const file = `${box.folder}/a.wav`;
    await parkedLeg(box, "A", "answer440", recordVariables);
    await parkedLeg(box, "B", "answer900");
    await box.client.api("uuid_bridge A B");
    await box.client.event("CHANNEL_BRIDGE", "A");
    assert.equal(await box.client.api(`uuid_record A start ${file}`), "+OK Success\n");
    await systemClock.sleep(800);
    assert.equal(await box.client.api(`uuid_record A stop ${file}`), "+OK Success\n");
    const stop = await box.client.event("RECORD_STOP", "A");
    const { said, heard, ms } = recorded(file);
    assert.equal(toneAt(said, 300), 440);
    assert.equal(toneAt(heard, 300), 900);
    assert.ok(Math.abs(ms - 800) <= 100, `${ms} ms`);
    assert.equal(stop["variable_record_ms"], String(ms));
    assert.equal(stop["Record-File-Path"], file);
  });

  it("a file has the length of the wall clock though nobody speaks, and a masked part is silent", async () => {
    const file = `${box.folder}/deeper/a.wav`;
    await parkedLeg(box, "A", "answer440", recordVariables);
    await box.client.api(`uuid_record A start ${file}`);
    await systemClock.sleep(300);
    assert.equal(await box.client.api(`uuid_record A mask ${file}`), "+OK Success\n");
    await systemClock.sleep(400);
    await box.client.api(`uuid_record A unmask ${file}`);
    await systemClock.sleep(300);
    await box.client.api("uuid_kill A");
    await box.client.event("CHANNEL_HANGUP_COMPLETE", "A");
    const { said, ms } = recorded(file);
    assert.ok(Math.abs(ms - 1000) <= 100, `${ms} ms`);
    assert.equal(toneAt(said, 20), 440);
    assert.ok(levelDbfs(said.subarray(400 * 8, 600 * 8), 440) < -60);
    assert.equal(toneAt(said, 740), 440);
  });

  it("a file ends with its leg, however long the process then stands still", async () => {
    const file = `${box.folder}/a.wav`;
    await parkedLeg(box, "A", "answer440", recordVariables);
    const fromMs = systemClock.monotonicMs();
    await box.client.api(`uuid_record A start ${file}`);
    await systemClock.sleep(300);
    await box.client.api("uuid_kill A");
    await box.client.event("CHANNEL_HANGUP", "A");
    const endedMs = systemClock.monotonicMs();
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 400);
    await box.client.event("CHANNEL_HANGUP_COMPLETE", "A");
    const { ms } = recorded(file);
    assert.ok(ms >= 280 && ms <= endedMs - fromMs, `${ms} ms of ${endedMs - fromMs}`);
  });

  it("keeps 25 frames back unless told otherwise", async () => {
    const file = `${box.folder}/a.wav`;
    await parkedLeg(box, "A", "silent", ",RECORD_STEREO=true");
    await box.client.api(`uuid_record A start ${file}`);
    await systemClock.sleep(300);
    await box.client.api(`uuid_record A stop ${file}`);
    assert.equal(recorded(file).ms, 20);
  });

  it("a record_session of execute_on_answer records, one of execute_on_media in early media does not", async () => {
    const file = (name: string) => `${box.folder}/${name}.wav`;
    await dial(
      box,
      `{ignore_early_media=true}[origination_uuid=A${recordVariables},execute_on_media='record_session ${file("m")}',` +
        `execute_on_answer='record_session ${file("a")}']sofia/gateway/carrier/earlyThenAnswers &park()`,
    );
    await box.client.event("CHANNEL_PARK", "A");
    const starts = box.client.events.filter((event) => event["Event-Name"] === "RECORD_START");
    assert.deepEqual(
      starts.map((event) => event["Record-File-Path"]),
      [file("a")],
    );
  });

  it("a recording queued at early media runs from then, and its file from the answer", async () => {
    const file = `${box.folder}/m.wav`;
    await dial(
      box,
      `{ignore_early_media=true}[origination_uuid=A${recordVariables},execute_on_media=record_session::${file},` +
        `execute_on_answer='record_session ${file}']sofia/gateway/carrier/earlyThenAnswers &park()`,
    );
    assert.equal((await box.client.event("RECORD_START", "A"))["Answer-State"], "early");
    await box.client.event("CHANNEL_PARK", "A");
    await systemClock.sleep(300);
    await box.client.api("uuid_kill A");
    await box.client.event("CHANNEL_HANGUP_COMPLETE", "A");
    const { ms } = recorded(file);
    assert.ok(ms >= 220 && ms <= 400, `${ms} ms`);
    assert.equal(box.client.events.filter((event) => event["Event-Name"] === "RECORD_START").length, 1);
  });

  it("plays a string of files as one", async () => {
    await parkedLeg(box, "A", "silent");
    const file = `${box.folder}/hello.wav`;
    const writer = await createWavWriter(file, { channels: 1 });
    for (let frame = 0; frame < 5; frame += 1) writer.write(new Int16Array(160).fill(1000));
    await writer.close();
    await box.client.execute("A", "playback", `file_string://${file}!${file}!${file}`, { "Event-UUID": "t" });
    const stop = await box.client.event("PLAYBACK_STOP", "A");
    assert.equal(stop["variable_playback_ms"], "300");
  });

  it("refuses a path that cannot be written, and the call survives", async () => {
    await parkedLeg(box, "A", "silent");
    writeFileSync(`${box.folder}/file`, "");
    assert.equal(
      await box.client.api(`uuid_record A start ${box.folder}/file/a.wav`),
      "-ERR Cannot record session!\n",
    );
    assert.equal(
      await box.client.api(`uuid_record A stop ${box.folder}/none.wav`),
      "-ERR Cannot stop record session!\n",
    );
    assert.equal(await box.client.api("uuid_exists A"), "true");
  });

  it("plays files in order with their tokens, and says when there is none", async () => {
    await parkedLeg(box, "A", "silent");
    const file = `${box.folder}/hello.wav`;
    const writer = await createWavWriter(file, { channels: 1 });
    for (let frame = 0; frame < 20; frame += 1) writer.write(new Int16Array(160).fill(1000));
    await writer.close();
    for (const [token, argument] of [
      ["one", file],
      ["two", `${box.folder}/none.wav`],
      ["three", "tone_stream://%(200,0,440)"],
    ] as const) {
      const reply = await box.client.execute("A", "playback", argument, {
        "event-lock": "true",
        "Event-UUID": token,
      });
      assert.equal(reply, "+OK");
    }
    const last = await box.client.event("CHANNEL_EXECUTE_COMPLETE", { "Application-UUID": "three" });
    assert.equal(last["Application-Response"], "FILE PLAYED");
    const story = box.client.events
      .filter((event) => /PLAYBACK|EXECUTE/.test(event["Event-Name"]!) && event["Application"] !== "park")
      .map((event) =>
        `${event["Event-Name"]} ${event["Application-UUID"] ?? event["Playback-Status"] ?? ""}`.trim(),
      );
    assert.deepEqual(story, [
      "CHANNEL_EXECUTE one",
      "PLAYBACK_START",
      "PLAYBACK_STOP done",
      "CHANNEL_EXECUTE_COMPLETE one",
      "CHANNEL_EXECUTE two",
      "CHANNEL_EXECUTE_COMPLETE two",
      "CHANNEL_EXECUTE three",
      "PLAYBACK_START",
      "PLAYBACK_STOP done",
      "CHANNEL_EXECUTE_COMPLETE three",
    ]);
    const missing = await box.client.event("CHANNEL_EXECUTE_COMPLETE", { "Application-UUID": "two" });
    assert.equal(missing["Application-Response"], "FILE NOT FOUND");
  });

  it("repeats by loops only what took half a second", async () => {
    await parkedLeg(box, "A", "silent");
    for (const [token, script] of [
      ["short", "tone_stream://%(300,0,440)"],
      ["long", "tone_stream://%(560,0,440)"],
    ] as const) {
      await box.client.execute("A", "playback", script, {
        "event-lock": "true",
        "Event-UUID": token,
        loops: "2",
      });
    }
    const count = (token: string) =>
      box.client.events.filter(
        (event) => event["Event-Name"] === "CHANNEL_EXECUTE_COMPLETE" && event["Application-UUID"] === token,
      ).length;
    await box.client.until(() => count("long") === 2, "both loops");
    assert.equal(count("short"), 1);
  });

  it("uuid_break all stops what plays and drops what waits", async () => {
    await parkedLeg(box, "A", "silent");
    const play = (token: string) =>
      box.client.execute("A", "playback", "tone_stream://%(5000,0,440)", {
        "event-lock": "true",
        "Event-UUID": token,
        loops: "3",
      });
    await play("one");
    await play("two");
    await box.client.event("PLAYBACK_START", "A");
    await box.client.api("uuid_break A all");
    const complete = await box.client.event("CHANNEL_EXECUTE_COMPLETE", { "Application-UUID": "one" });
    assert.equal(complete["Application-Response"], "FILE PLAYED");
    assert.equal((await box.client.event("PLAYBACK_STOP", "A"))["Playback-Status"], "break");
    await systemClock.sleep(100);
    assert.equal(box.client.events.filter((event) => event["Event-Name"] === "PLAYBACK_START").length, 1);
  });

  it("digits arrive as DTMF events and stop a playback by *, and go on to a bridged party", async () => {
    await parkedLeg(box, "A", "answer440");
    await box.client.execute("A", "playback", "tone_stream://%(5000,0,440)", { "Event-UUID": "tok" });
    await box.client.event("PLAYBACK_START", "A");
    box.calls.get("answer440")!.media!.sendDigits("5*");
    const digit = await box.client.event("DTMF", { "DTMF-Digit": "5" });
    assert.equal(digit["DTMF-Source"], "RTP");
    assert.ok(Number(digit["DTMF-Duration"]) >= 640, digit["DTMF-Duration"]);
    await box.client.event("CHANNEL_EXECUTE_COMPLETE", { "Application-UUID": "tok" });
    await parkedLeg(box, "B", "silent");
    await box.client.api("uuid_bridge A B");
    await box.client.event("CHANNEL_BRIDGE", "A");
    const heard = new Promise((resolve) => box.calls.get("silent")!.media!.onDigit(resolve));
    box.calls.get("answer440")!.media!.sendDigits("7");
    assert.equal(await heard, "7");
  });
});
