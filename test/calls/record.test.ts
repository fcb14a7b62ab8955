import assert from "node:assert/strict";
import type { Document } from "../../engine/actions/document.ts";
import { SautikitError } from "../../engine/errors.ts";
import type { CallId } from "../../engine/ids.ts";
import type { SwitchEvent } from "../../engine/switch/switch.ts";
import { sideBySide } from "../peers/side-by-side.ts";
import { describeOnSwitch } from "../peers/switch-under-test.ts";
import { eventually } from "../peers/waiting.ts";
import { EslClient } from "../simulator/switch/esl-client.ts";
import { checkStory } from "./checks.ts";
import { interferedBox } from "./interfered-box.ts";
import { startVoiceApp, type VoiceApp } from "./voice-app.ts";
import { eventOf, kindsOf, world, type World } from "./world.ts";

const talksOn = "+254700000001";
const repeatsDigits = "+254700000004";
const isNotHeard = "+254700000007";
/** A second of soft voice, two of a line's noise. */
const speaksAndPauses = "+254700000008";
/** Presses 1, 2 and # after two seconds. */
const presses12 = "+254700000012";
const hangsUpAfter3s = "+254700000103";

describeOnSwitch("the action record", () => {
  let on: World;
  let app: VoiceApp;
  let esl: EslClient;
  before(async () => {
    on = await world();
    app = await startVoiceApp();
    esl = await EslClient.login(on.peer.esl.port, on.peer.esl.password, "HEARTBEAT");
    app.answer("/hangs-up", "call.recorded", { actions: [{ hangup: {} }] });
  });
  after(async () => {
    esl.close();
    app.stop();
    await on.end();
  });
  const together = sideBySide(20);

  const record = (to: string, spec: Record<string, unknown>, more: Document = []): Promise<CallId> =>
    on.place({ to, actions: [{ record: { action: app.url("/recorded"), ...spec } }, ...more] });

  /** The recording's row, once it is stored. */
  const stored = async (callId: CallId) =>
    eventually(`the recording of ${callId}`, async () => {
      const rows = await on.recordingsOf(callId);
      assert.ok(rows.length <= 1);
      return rows[0]?.status === "ready" ? rows[0] : undefined;
    });

  const seconds = (value: unknown, from: number, to: number) =>
    assert.ok(typeof value === "number" && value >= from && value <= to, `${String(value)} s`);

  /** One after another: the client takes the next answer for its own. */
  let pressed = Promise.resolve();
  /** The far end sends them back. */
  function presses(callId: CallId, digits: string): Promise<void> {
    pressed = pressed.then(async () => {
      const leg = (await on.view(callId)).legs[0]!.id;
      assert.match(await esl.api(`uuid_send_dtmf ${leg} ${digits}`), /^\+OK/);
    });
    return pressed;
  }

  together(
    "ends by silence after the caller's last word, and asks its action URL what comes next",
    async () => {
      const id = await record(speaksAndPauses, { action: app.url("/hangs-up"), timeout: 1 });
      const { data } = await app.question(id, "call.recorded");
      const call = await on.ended(id);
      const row = await stored(id);
      assert.deepEqual([data["reason"], data["digit"]], ["silence", null]);
      assert.deepEqual([data["recording_id"], data["leg_id"]], [row.id, call.legs[0]!.id]);
      seconds(data["duration_seconds"], 1, 2.6);
      assert.equal(data["duration_seconds"], row.durationMs! / 1000);
      checkStory(await on.event(id, "call.recording.ready"));
      assert.ok(!kindsOf(call).includes("document.ended"), "the answer's hangup ended it");
    },
  );

  together(
    "is stored without the silence at its ends where that is asked for; what was cut is told",
    async () => {
      // Begun in a pause, so that the second of voice behind it is in it, however busy the machine is.
      const spec = { action: app.url("/hangs-up"), timeout: 1, trim: "trim-silence" };
      const actions: Document = [{ wait: { seconds: 2 } }, { record: spec }];
      const id = await on.place({ to: speaksAndPauses, actions });
      const { data } = await app.question(id, "call.recorded");
      await on.ended(id);
      const { payload } = eventOf(await on.event(id, "call.recording.ready"), "call.recording.ready");
      const [duration, trimmed] = [payload["duration_seconds"] as number, payload["trimmed_ms"] as number];
      // That, and a little of the silence at each end.
      seconds(duration, 0.9, 1.5);
      assert.ok(trimmed > 600, `${trimmed} ms`);
      assert.equal(Math.round(duration * 1000) + trimmed, (data["duration_seconds"] as number) * 1000);
      assert.ok((payload["gap_ms"] as number) <= 100, `a gap of ${String(payload["gap_ms"])} ms`);
      const row = await stored(id);
      assert.deepEqual([row.durationMs, row.sizeBytes], [duration * 1000, duration * 32_000 + 44]);
    },
  );

  together("goes on through a pause that is shorter than its timeout, up to its longest time", async () => {
    const id = await record(speaksAndPauses, { timeout: 3, maxLength: 5 });
    const { data } = await app.question(id, "call.recorded");
    assert.equal(data["reason"], "max_length");
    seconds(data["duration_seconds"], 4.9, 5.6);
    await on.ended(id);
  });

  together("of a caller who says nothing ends after the timeout too", async () => {
    const id = await record(isNotHeard, { timeout: 2 });
    const { data } = await app.question(id, "call.recorded");
    assert.equal(data["reason"], "silence");
    seconds(data["duration_seconds"], 1.9, 2.6);
    await on.ended(id);
  });

  together("ends by the finishing key; other keys stay for the next action", async () => {
    const id = await record(repeatsDigits, { finishOnKey: "#" }, [{ getDigits: { numDigits: 2 } }]);
    await on.event(id, "recording.started");
    await presses(id, "12#");
    const { data } = await app.question(id, "call.recorded");
    assert.deepEqual([data["reason"], data["digit"]], ["finish_key", "#"]);
    // Without instructions the next action runs, and has its two digits already.
    const call = await on.event(id, "call.digits");
    assert.equal(eventOf(call, "call.digits").payload["digits"], "12");
    await on.ended(id);
  });

  together("has no finishing key where it is empty", async () => {
    const id = await record(repeatsDigits, { finishOnKey: "", maxLength: 3 });
    await on.event(id, "recording.started");
    await presses(id, "#");
    const { data } = await app.question(id, "call.recorded");
    assert.equal(data["reason"], "max_length");
    await on.ended(id);
  });

  together("begins once its beep is over", async () => {
    const id = await record(talksOn, { maxLength: 1 });
    await app.question(id, "call.recorded");
    const call = await on.ended(id);
    const [begins, records] = ["action.started", "recording.started"].map((kind) =>
      Date.parse(eventOf(call, kind).occurred_at),
    );
    assert.ok(records! - begins! >= 280, `${records! - begins!} ms`);
  });

  together("without a beep begins at once", async () => {
    const id = await record(isNotHeard, { playBeep: false, timeout: 1 });
    await app.question(id, "call.recorded");
    await on.ended(id);
    assert.equal((await stored(id)).status, "ready");
  });

  together("ends with the caller's hang-up, which is told and not asked", async () => {
    const id = await record(hangsUpAfter3s, { action: app.url("/hangs-up") });
    const call = await on.ended(id);
    const { payload } = eventOf(call, "call.recorded");
    assert.equal(payload["reason"], "hangup");
    const row = await stored(id);
    assert.equal(payload["duration_seconds"], row.durationMs! / 1000);
    assert.equal(payload["recording_id"], row.id);
    assert.deepEqual(app.of(id), []);
    assert.equal(call.events.filter(({ kind }) => kind === "action.started").length, 1);
  });

  together("ends with a hang-up by the API likewise", async () => {
    const id = await record(talksOn, {}, [{ wait: { seconds: 5 } }]);
    await on.event(id, "recording.started");
    await on.hangUp(id);
    const call = await on.ended(id);
    assert.equal(call.events.filter(({ kind }) => kind === "call.recorded").length, 1);
    assert.equal(eventOf(call, "call.recorded").payload["reason"], "hangup");
    await stored(id);
  });

  together("switched off by PATCH asks too, and says so", async () => {
    const id = await record(talksOn, {});
    await on.event(id, "recording.started");
    await on.record(id, "off");
    const { data } = await app.question(id, "call.recorded");
    assert.equal(data["reason"], "stopped");
    await on.ended(id);
  });

  together("is a recording of its own beside that of the whole call", async () => {
    const id = await on.place({
      to: isNotHeard,
      record: "from-answer",
      actions: [{ record: { timeout: 1 } }, { wait: { seconds: 1 } }],
    });
    await on.ended(id);
    const rows = await eventually("two recordings", async () => {
      const found = await on.recordingsOf(id);
      return found.length === 2 && found.every(({ status }) => status === "ready") ? found : undefined;
    });
    const [whole, own] = rows.sort((a, b) => b.durationMs! - a.durationMs!);
    assert.ok(whole!.durationMs! - own!.durationMs! > 1000);
    assert.equal(whole!.short + own!.short, 0);
  });

  together("without an action URL and a voice URL runs the next action", async () => {
    const id = await on.place({
      to: presses12,
      actions: [{ record: {} }, { wait: { seconds: 1 } }],
    });
    const call = await on.ended(id);
    assert.equal(eventOf(call, "call.recorded").payload["reason"], "finish_key");
    assert.ok(kindsOf(call).includes("document.ended"));
  });
});

describeOnSwitch("the action record where the switch's word of its end is lost", () => {
  let on: World;
  let app: VoiceApp;
  const lost: SwitchEvent[] = [];
  before(async () => {
    const event = (told: SwitchEvent, tell: () => void) =>
      told.kind === "recordingStopped" ? void lost.push(told) : tell();
    on = await world({ tap: (box) => interferedBox(box, { event }) });
    app = await startVoiceApp();
  });
  after(async () => {
    app.stop();
    await on.end();
  });
  const together = sideBySide(4);
  const record = (to: string, spec: Record<string, unknown>) =>
    on.place({ to, actions: [{ record: { action: app.url("/recorded"), ...spec } }] });

  together("finds it ended within ten seconds, asks, and stores what there is", async () => {
    const id = await record(isNotHeard, { timeout: 1 });
    const { data } = await app.question(id, "call.recorded", 20_000);
    assert.deepEqual([data["reason"], data["duration_seconds"]], ["silence", null]);
    assert.ok(lost.length > 0);
    const told = await on.event(id, "call.recording.ready");
    const { payload } = eventOf(told, "call.recording.ready");
    assert.ok(Number(payload["duration_seconds"]) < 2);
    // How much there was to record is not known then, and no gap is made up.
    assert.deepEqual([payload["talk_ms"], payload["gap_ms"]], [null, null]);
    await on.ended(id);
  });

  together("told to stop asks the switch after a second, and then the URL", async () => {
    const id = await record(presses12, {});
    const { data } = await app.question(id, "call.recorded", 20_000);
    assert.deepEqual([data["reason"], data["digit"], data["duration_seconds"]], ["finish_key", "#", null]);
    await on.ended(id);
  });

  together("is told with the leg's end where the caller hangs up", async () => {
    const id = await record(hangsUpAfter3s, {});
    const call = await on.ended(id);
    const { payload } = eventOf(call, "call.recorded");
    assert.deepEqual([payload["reason"], payload["duration_seconds"]], ["hangup", null]);
  });
});

describeOnSwitch("the action record where the switch will not record", () => {
  let on: World;
  let app: VoiceApp;
  before(async () => {
    const question = (name: string, _leg: unknown, ask: () => Promise<unknown>) =>
      name === "startRecording"
        ? Promise.reject(new SautikitError("switch.refused", "-ERR Cannot record session!"))
        : ask();
    // A recording that never came is an error in the log.
    on = await world({ tap: (box) => interferedBox(box, { question }), expectedErrors: /file is missing/ });
    app = await startVoiceApp();
  });
  after(async () => {
    app.stop();
    await on.end();
  });

  it("says so, and the call goes on", async () => {
    const id = await on.place({
      to: talksOn,
      actions: [{ record: { action: app.url("/recorded") } }, { wait: { seconds: 1 } }],
    });
    const { data } = await app.question(id, "call.recorded");
    assert.deepEqual([data["reason"], data["duration_seconds"]], ["failed", null]);
    const call = await on.ended(id);
    assert.ok(kindsOf(call).includes("document.ended"));
    await on.until(id, "recording.missing", (seen) => kindsOf(seen).includes("recording.missing"), 25_000);
  });
});
