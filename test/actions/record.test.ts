import assert from "node:assert/strict";
import fc from "fast-check";
import { record, type RecordSpec } from "../../engine/actions/record.ts";
import type { Effect, Scene, Step, StepFact } from "../../engine/actions/verb.ts";
import type { LegId, RecordingId } from "../../engine/ids.ts";

const wanjiru: LegId = "leg_01m8804jzshqmazxfz36pa688e";
const otieno: LegId = "leg_01m8804mb301d7htwa1npws56v";
const own: RecordingId = "rec_01m8804jzshqmazxfz36pa688e";
const others: RecordingId = "rec_01m8804mb301d7htwa1npws56v";
const token = "call_x-3";
const startMs = 1_000_000;

type State = NonNullable<ReturnType<typeof record.begin>["state"]>;
type Ended = Extract<StepFact, { kind: "recordingEnded" }>;

/** A caller before the beep, what happens to the call, and what the step makes of it. */
class Caller {
  nowMs = startMs;
  step: Step<State>;
  readonly told: string[] = [];
  readonly effects: Effect[] = [];

  constructor(spec: RecordSpec = {}) {
    this.step = { state: null, effects: [] };
    this.#take(record.begin(spec, this.#scene()));
  }

  /** Past the beep, with a recording that runs. */
  recording(): this {
    return this.feed({ kind: "playbackEnded", token, outcome: "played" });
  }

  presses(digit: string): this {
    return this.feed({ kind: "digit", leg: wanjiru, digit });
  }

  ends(by: Ended["by"], lengthMs: number | null = 3000): this {
    return this.feed({ kind: "recordingEnded", recording: own, by, lengthMs });
  }

  /** So much time passes, and the step is woken whenever it wanted to be. */
  waits(ms: number): this {
    const untilMs = this.nowMs + ms;
    while (this.step.state !== null && this.step.wakeAtMs !== undefined && this.step.wakeAtMs <= untilMs) {
      this.nowMs = this.step.wakeAtMs;
      this.feed({ kind: "wake" });
    }
    this.nowMs = untilMs;
    return this;
  }

  feed(fact: StepFact): this {
    if (this.step.state === null) return this;
    const step = record.on(this.step.state, fact, this.#scene());
    if (step) this.#take(step);
    return this;
  }

  #scene = (): Scene => ({
    leg: wanjiru,
    nowMs: this.nowMs,
    token,
    more: true,
    answered: true,
    asks: true,
    typed: "",
  });

  #take(step: Step<State>): void {
    this.step = step;
    for (const effect of step.effects) {
      this.effects.push(effect);
      if (effect.kind === "command") this.told.push(effect.command.kind);
      else if (effect.kind === "record")
        this.told.push(`record ${effect.ends.silenceMs} ms ${effect.ends.maxSeconds} s`);
      else if (effect.kind === "ask" || effect.kind === "event")
        this.told.push(`${effect.kind} ${JSON.stringify(effect.payload["reason"])}`.replaceAll('"', ""));
    }
    if (step.state === null) this.told.push("over");
    if (step.effects.some(({ kind }) => kind === "record"))
      this.feed({ kind: "recordingBegun", recording: own });
  }
}

describe("record", () => {
  it("beeps, then records until five seconds of silence or an hour, by default", () => {
    assert.deepEqual(new Caller().recording().told, ["play", "record 5000 ms 3600 s"]);
  });

  it("without a beep records at once", () => {
    const spec = { playBeep: false, timeout: 2, maxLength: 30 };
    assert.deepEqual(new Caller(spec).told, ["record 2000 ms 30 s"]);
  });

  it("records also where the end of the beep is never told", () => {
    assert.deepEqual(new Caller().waits(2_000).told, ["play", "record 5000 ms 3600 s"]);
  });

  it("asks once the switch says that it stopped, with its length", () => {
    const caller = new Caller({ action: "https://shop.example/done", method: "GET" })
      .recording()
      .ends("silence");
    assert.deepEqual(caller.told.slice(2), ["ask silence", "over"]);
    assert.deepEqual(caller.effects.at(-1), {
      kind: "ask",
      event: "call.recorded",
      method: "GET",
      url: "https://shop.example/done",
      payload: { recording_id: own, leg_id: wanjiru, duration_seconds: 3, reason: "silence", digit: null },
    });
  });

  it("is stopped by its finishing key alone, and asks when it has stopped", () => {
    const caller = new Caller({ finishOnKey: "9" }).recording().presses("1").presses("#").presses("9");
    assert.deepEqual(caller.told.slice(2), ["stopRecording"]);
    assert.deepEqual(caller.ends("other").told.slice(3), ["ask finish_key", "over"]);
    const last = caller.effects.at(-1);
    assert.equal(last?.kind === "ask" && last.payload["digit"], "9");
  });

  it("has no use for its finishing key during the beep, and leaves it to nobody", () => {
    const caller = new Caller().presses("#").recording();
    assert.deepEqual(caller.told, ["play", "record 5000 ms 3600 s"]);
  });

  it("leaves every other key to the next action", () => {
    const { state } = new Caller().recording().step;
    const scene: Scene = {
      leg: wanjiru,
      nowMs: startMs,
      token,
      more: true,
      answered: true,
      asks: true,
      typed: "",
    };
    assert.equal(record.on(state!, { kind: "digit", leg: wanjiru, digit: "1" }, scene), null);
    assert.equal(record.on(state!, { kind: "digit", leg: otieno, digit: "#" }, scene), null);
  });

  it("is stopped after its longest time", () => {
    const caller = new Caller({ maxLength: 5 }).recording().waits(5_000);
    assert.deepEqual(caller.told.slice(2), ["stopRecording"]);
    assert.deepEqual(caller.ends("other").told.slice(3), ["ask max_length", "over"]);
  });

  it("asks the switch every ten seconds whether it still runs, since word of its end may be lost", () => {
    const caller = new Caller().recording().waits(25_000);
    assert.deepEqual(caller.told.slice(2), ["checkRecording", "checkRecording"]);
    assert.deepEqual(caller.ends("unknown", null).told.slice(4), ["ask silence", "over"]);
  });

  it("told to stop, does not wait for the switch's word for ever", () => {
    const caller = new Caller().recording().presses("#").waits(5_000);
    assert.deepEqual(caller.told.slice(2), ["stopRecording", "checkRecording", "ask finish_key", "over"]);
  });

  it("tells of a hang-up, asks nobody, and begins nothing more on a leg that goes", () => {
    const caller = new Caller().recording().ends("hangUp");
    // Longer than a reconciliation and its wait for the leg's record, which would tell its end if its event were lost.
    caller.waits(631_000);
    assert.deepEqual(caller.told.slice(2), ["event hangup"]);
    caller.feed(legEnded(wanjiru));
    assert.deepEqual(caller.told.slice(2), ["event hangup", "over"]);
  });

  it("tells of a hang-up by the leg's end where that of the recording was not heard", () => {
    assert.deepEqual(new Caller().recording().feed(legEnded(wanjiru)).told.slice(2), [
      "event hangup",
      "over",
    ]);
  });

  it("says what else ended it", () => {
    assert.deepEqual(new Caller().recording().ends("other").told.slice(2), ["ask stopped", "over"]);
    assert.deepEqual(new Caller().recording().ends("nobody", null).told.slice(2), ["ask failed", "over"]);
  });

  it("has no ear for another recording's end, and none for another leg's", () => {
    const caller = new Caller().recording();
    caller.feed({ kind: "recordingEnded", recording: others, by: "silence", lengthMs: 1 });
    assert.deepEqual(caller.feed(legEnded(otieno)).told.slice(2), []);
  });

  it("ends and is told once, whatever happens to it in whatever order", () => {
    const happening = fc.oneof(
      fc.constantFrom("0", "#").map((digit) => (caller: Caller) => caller.presses(digit)),
      fc
        .constantFrom("silence", "hangUp", "other", "unknown", "nobody")
        .map((by) => (caller: Caller) => caller.ends(by)),
      fc.constant((caller: Caller) => caller.feed(legEnded(wanjiru))),
      fc.constant((caller: Caller) => caller.recording()),
      fc.constant((caller: Caller) => caller.feed({ kind: "adopted" })),
      fc.nat(20_000).map((ms) => (caller: Caller) => caller.waits(ms)),
    );
    fc.assert(
      fc.property(fc.boolean(), fc.array(happening), (playBeep, happenings) => {
        const caller = new Caller({ playBeep, maxLength: 60 });
        for (const happen of happenings) happen(caller);
        caller.waits(3_600_000);
        assert.equal(caller.step.state, null, "every wait ends");
        assert.equal(caller.told.filter((what) => /^(ask|event) /.test(what)).length, 1, caller.told.join());
        assert.ok(caller.told.filter((what) => what.startsWith("record ")).length <= 1);
      }),
    );
  });

  it("asks the switch at once whether it still runs where the leg is taken up again", () => {
    const running = new Caller().recording().waits(3_000).feed({ kind: "adopted" });
    assert.equal(running.told.at(-1), "checkRecording");
    assert.deepEqual(running.ends("unknown", null).told.slice(-2), ["ask silence", "over"]);
    const stopping = new Caller().recording().presses("#").feed({ kind: "adopted" });
    assert.equal(stopping.told.at(-1), "checkRecording");
    assert.deepEqual(stopping.waits(60_000).told.slice(-2), ["ask finish_key", "over"]);
    assert.equal(
      new Caller().feed({ kind: "adopted" }).waits(2_000).told.includes("record 5000 ms 3600 s"),
      true,
    );
  });

  for (const [what, spec] of [
    ["a timeout of 0", { timeout: 0 }],
    ["five hours", { maxLength: 18_000 }],
    ["two finishing keys", { finishOnKey: "12" }],
    ["an action that is no web address", { action: "ftp://shop.example/" }],
  ] as const)
    it(`refuses ${what}`, () => assert.equal(record.schema.safeParse(spec).success, false));

  it("trims where it is asked to, and takes no other word for it", () => {
    for (const [trim, is] of [
      ["trim-silence", true],
      ["do-not-trim", false],
    ] as const) {
      const { effects } = record.begin(
        { trim, playBeep: false },
        {
          leg: "leg_01j00000000000000000000001",
          answered: true,
          nowMs: 0,
          token: "t",
          more: true,
          asks: true,
          typed: "",
        },
      );
      assert.deepEqual(
        effects.map((effect) => effect.kind === "record" && effect.trim),
        [is],
      );
    }
    assert.equal(record.schema.safeParse({ trim: "trim" }).success, false);
  });
});

const legEnded = (leg: LegId): StepFact => ({
  kind: "legEnded",
  leg,
  status: "completed",
  billedSeconds: 7,
  failureCode: null,
});
