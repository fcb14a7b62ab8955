import assert from "node:assert/strict";
import { getDigits, type GetDigitsSpec } from "../../engine/actions/get-digits.ts";
import type { Scene, Step, StepFact } from "../../engine/actions/verb.ts";
import type { LegId } from "../../engine/ids.ts";

const wanjiru: LegId = "leg_01m8804jzshqmazxfz36pa688e";
const otieno: LegId = "leg_01m8804mb301d7htwa1npws56v";
const scene: Scene = {
  leg: wanjiru,
  answered: true,
  nowMs: 1_000_000,
  token: "call_x-3",
  more: true,
  asks: true,
  typed: "",
};
const prompt = [{ say: { text: "Bonyeza moja" } }];

type State = NonNullable<ReturnType<typeof getDigits.begin>["state"]>;

/** A caller at the keypad: what they do, and what the step makes of it. */
class Caller {
  step: Step<State>;
  typed: string;
  readonly told: string[] = [];
  readonly #more: boolean;

  constructor(spec: GetDigitsSpec, { typed = "", more = true } = {}) {
    this.typed = typed;
    this.#more = more;
    this.step = this.#take(getDigits.begin(spec, this.#scene()));
  }

  types(digits: string): this {
    for (const digit of digits) {
      const taken = this.#feed({ kind: "digit", leg: wanjiru, digit });
      if (!taken) this.typed += digit;
    }
    return this;
  }

  hears(fact: "ready" | "tones" | "played" | "failed"): this {
    const token = `${scene.token}.0`;
    const facts: Record<typeof fact, StepFact> = {
      ready: { kind: "mediaReady", token, file: "/m/a.wav", durationMs: 1500 },
      tones: { kind: "mediaReady", token, file: "/m/b.wav", durationMs: 1050, insteadOf: "timed_out" },
      played: { kind: "playbackEnded", token, outcome: "played" },
      failed: { kind: "mediaFailed", token, reason: "failed" },
    };
    this.#feed(facts[fact]);
    return this;
  }

  waits(): this {
    assert.ok(this.step.wakeAtMs !== undefined, "every wait ends");
    this.#feed({ kind: "wake" });
    return this;
  }

  adopted(): this {
    this.#feed({ kind: "adopted" });
    return this;
  }

  get wakeIn(): number {
    return (this.step.wakeAtMs ?? NaN) - scene.nowMs;
  }

  #scene = (): Scene => ({ ...scene, more: this.#more, typed: this.typed });

  #feed(fact: StepFact): boolean {
    if (this.step.state === null) return false;
    const step = getDigits.on(this.step.state, fact, this.#scene());
    if (step) this.step = this.#take(step);
    return step !== null;
  }

  #take(step: Step<State>): Step<State> {
    if (step.typed !== undefined) this.typed = step.typed;
    for (const effect of step.effects) {
      if (effect.kind === "command") this.told.push(effect.command.kind);
      else if (effect.kind === "ask") this.told.push(`ask ${JSON.stringify(effect.payload["digits"])}`);
      else if (effect.kind === "event") this.told.push(effect.event);
    }
    if (step.state === null) this.told.push("over");
    return step;
  }
}

describe("getDigits", () => {
  it("without a prompt waits its time-out for the first digit", () => {
    const caller = new Caller({ timeout: 3 });
    assert.equal(caller.wakeIn, 3000);
    assert.deepEqual(caller.waits().told, ["over"]);
  });

  it("waits its time-out after the prompt, 5 s by default", () => {
    const caller = new Caller({ nested: prompt }).hears("ready").hears("played");
    assert.equal(caller.wakeIn, 5000);
    assert.deepEqual(caller.told, ["prepareMedia", "say.started", "play", "say.finished"]);
  });

  it("waits its time-out after each digit", () => {
    const caller = new Caller({ timeout: 2, numDigits: 4 }).types("12");
    assert.equal(caller.wakeIn, 2000);
    assert.deepEqual(caller.waits().told, ['ask "12"', "over"]);
  });

  it("ends with its number of digits", () => {
    assert.deepEqual(new Caller({ numDigits: 3 }).types("123").told, ['ask "123"', "over"]);
  });

  it("ends with the finishing key, which is none of the digits", () => {
    assert.deepEqual(new Caller({}).types("12#").told, ['ask "12"', "over"]);
    assert.deepEqual(new Caller({ finishOnKey: "*" }).types("1#2*").told, ['ask "1#2"', "over"]);
    assert.deepEqual(new Caller({ finishOnKey: "", numDigits: 3 }).types("#*#").told, ['ask "#*#"', "over"]);
  });

  it("is broken off by the first digit where a prompt plays", () => {
    const caller = new Caller({ nested: prompt, numDigits: 2 }).hears("ready").types("1");
    assert.deepEqual(caller.told.slice(3), ["stopPlayback"]);
    assert.equal(caller.wakeIn, 5000);
    assert.deepEqual(caller.types("2").told.slice(4), ['ask "12"', "over"]);
  });

  it("never plays a prompt that was still being made when the first digit came", () => {
    const caller = new Caller({ nested: prompt, numDigits: 2 }).types("1").hears("ready");
    assert.deepEqual(caller.told, ["prepareMedia"]);
  });

  it("takes what was typed before it, and its prompt is not heard then", () => {
    assert.deepEqual(new Caller({ numDigits: 2, nested: prompt }, { typed: "12" }).told, [
      'ask "12"',
      "over",
    ]);
    const caller = new Caller({ numDigits: 3, nested: prompt }, { typed: "1" });
    assert.deepEqual(caller.told, []);
    assert.equal(caller.wakeIn, 5000);
  });

  it("waits its whole time anew where the leg is taken up again, and keeps what it has", () => {
    const caller = new Caller({ numDigits: 3 }).types("12").adopted();
    assert.equal(caller.wakeIn, 5000);
    assert.deepEqual(caller.types("3").told, ['ask "123"', "over"]);
    // The prompt of 1.5 s, and 5 s of grace; then the whole time.
    const heard = new Caller({ nested: prompt }).hears("ready").adopted();
    assert.equal(heard.wakeIn, 6500);
    assert.equal(heard.hears("played").adopted().wakeIn, 5000);
  });

  it("leaves what is typed behind its end to the next action", () => {
    assert.equal(new Caller({ numDigits: 2 }, { typed: "1234" }).typed, "34");
    assert.equal(new Caller({}, { typed: "1#9" }).typed, "9");
  });

  it("with no digit runs the next action, or asks with none", () => {
    assert.deepEqual(new Caller({}).waits().told, ["over"]);
    assert.deepEqual(new Caller({}, { more: false }).waits().told, ['ask ""', "over"]);
    assert.deepEqual(new Caller({}, { more: false }).types("#").told, ['ask ""', "over"]);
  });

  it("goes on waiting where its prompt could not be made", () => {
    const caller = new Caller({ nested: prompt }).hears("failed");
    assert.deepEqual(caller.told, ["prepareMedia", "say.failed"]);
    assert.equal(caller.wakeIn, 5000);
  });

  it("has tones in place of its prompt, which a digit interrupts, and which are not told as its prompt", () => {
    const heard = new Caller({ nested: prompt }).hears("tones").hears("played");
    assert.deepEqual(heard.told, ["prepareMedia", "say.failed", "play"]);
    assert.equal(heard.wakeIn, 5000);
    const interrupted = new Caller({ nested: prompt, numDigits: 1 }).hears("tones").types("1");
    assert.deepEqual(interrupted.told.slice(3), ["stopPlayback", 'ask "1"', "over"]);
  });

  it("has no ear for the other party's digits", () => {
    const begun = getDigits.begin({}, scene).state!;
    assert.equal(getDigits.on(begun, { kind: "digit", leg: otieno, digit: "1" }, scene), null);
  });

  it("cuts endless typing into answers of 64 digits", () => {
    assert.deepEqual(new Caller({}).types("1".repeat(65)).told, [`ask "${"1".repeat(64)}"`, "over"]);
  });

  for (const [what, spec] of [
    ["a time-out of 0", { timeout: 0 }],
    ["65 digits", { numDigits: 65 }],
    ["a finishing key of two", { finishOnKey: "##" }],
    ["a prompt of no kind", { nested: [{}] }],
    ["a prompt of two kinds", { nested: [{ say: { text: "a" }, play: { url: "http://a.example/" } }] }],
    ["a dial among its prompts", { nested: [{ dial: { number: "+254700000001" } }] }],
  ] as const)
    it(`refuses ${what}`, () => assert.equal(getDigits.schema.safeParse(spec).success, false));
});
