import assert from "node:assert/strict";
import fc from "fast-check";
import { dial } from "../../engine/actions/dial.ts";
import { hangup } from "../../engine/actions/hangup.ts";
import { verbs } from "../../engine/actions/document.ts";
import { play } from "../../engine/actions/play.ts";
import { reject } from "../../engine/actions/reject.ts";
import type { Effect, Scene, StepFact } from "../../engine/actions/verb.ts";
import { wait } from "../../engine/actions/wait.ts";
import type { FailureCode } from "../../engine/calls/leg-state.ts";
import type { LegId } from "../../engine/ids.ts";
import type { LegStatus } from "../../engine/store/calls.ts";

const wanjiru: LegId = "leg_01m8804jzshqmazxfz36pa688e";
const otieno: LegId = "leg_01m8804mb301d7htwa1npws56v";
const kamau: LegId = "leg_01m8804mb301d7htwa1npws56w";

const scene: Scene = {
  leg: wanjiru,
  answered: true,
  nowMs: 1_000_000,
  token: "call_x-3",
  more: true,
  asks: false,
  typed: "",
};
/** Of the step's first prompt. */
const token = `${scene.token}.0`;
const last: Scene = { ...scene, more: false };

/** Every fact there is, each for the step (`mine`) and for another (`other`) where that makes a difference. */
const facts: Record<string, StepFact> = {
  wake: { kind: "wake" },
  adopted: { kind: "adopted" },
  "mediaReady mine": { kind: "mediaReady", token, file: "/m/a.wav", durationMs: 1500 },
  "mediaReady other": { kind: "mediaReady", token: "call_x-2", file: "/m/a.wav", durationMs: 1500 },
  "mediaFailed mine": { kind: "mediaFailed", token, reason: "not_found" },
  "mediaFailed other": { kind: "mediaFailed", token: "call_x-2", reason: "not_found" },
  "played mine": { kind: "playbackEnded", token, outcome: "played" },
  "played other": { kind: "playbackEnded", token: "call_x-2", outcome: "played" },
  "notFound mine": { kind: "playbackEnded", token, outcome: "notFound" },
  "failed mine": { kind: "playbackEnded", token, outcome: "failed" },
  "dialing mine": { kind: "dialing", legs: [{ leg: otieno, to: "+254712345678" }], refused: [] },
  "dialing nobody": {
    kind: "dialing",
    legs: [],
    refused: [
      { to: "+254712345678", code: "calls.destination_not_allowed", reason: "country", message: "No." },
    ],
  },
  dialRefused: {
    kind: "dialRefused",
    code: "calls.destination_not_allowed",
    reason: "country",
    message: "No.",
  },
  "digit mine": { kind: "digit", leg: wanjiru, digit: "1" },
  "digit other": { kind: "digit", leg: otieno, digit: "1" },
  "legAnswered mine": { kind: "legAnswered", leg: otieno },
  "legAnswered other": { kind: "legAnswered", leg: kamau },
  "legsBridged mine": { kind: "legsBridged", legs: [wanjiru, otieno] },
  "legsBridged other": { kind: "legsBridged", legs: [wanjiru, kamau] },
  "legEnded mine": {
    kind: "legEnded",
    leg: otieno,
    status: "completed",
    billedSeconds: 7,
    failureCode: null,
  },
  "legEnded busy": { kind: "legEnded", leg: otieno, status: "busy", billedSeconds: 0, failureCode: "busy" },
  "legEnded other": { kind: "legEnded", leg: kamau, status: "busy", billedSeconds: 0, failureCode: "busy" },
};

/** A step in one line: its effects, and whether it goes on, with its alarm. */
function line(step: { state: unknown; effects: Effect[]; wakeAtMs?: number } | null): string {
  if (step === null) return "not mine";
  const effects = step.effects.map((effect) => {
    if (effect.kind === "command") return effect.command.kind;
    if (effect.kind === "ask") return `ask ${effect.event} ${JSON.stringify(effect.payload)}`;
    if (effect.kind !== "event") return effect.kind;
    const { reason, dial_status: status, dial_duration_seconds: seconds } = effect.payload;
    const words = [effect.event, reason ?? status, seconds] as (string | number | undefined)[];
    return words.filter((word) => word !== undefined).join(" ");
  });
  const wake = step.wakeAtMs === undefined ? "" : ` wake +${step.wakeAtMs - scene.nowMs}`;
  return `${effects.join(", ") || "-"}; ${step.state === null ? "over" : `goes on${wake}`}`;
}

describe("play", () => {
  const spec = { url: "https://example.com/karibu.wav", loop: 2 };
  const prompts = [{ verb: "play" as const, url: spec.url, loops: 2 }];
  const fetching = { prompts, index: 0, phase: "preparing" as const };
  const playing = { ...fetching, phase: "playing" as const, playMs: 3000 };

  it("begins by fetching, with an alarm", () => {
    assert.equal(line(play.begin(spec, scene)), "prepareMedia; goes on wake +20000");
    assert.deepEqual(play.begin(spec, scene).state, fetching);
  });

  for (const [loop, loops] of [
    [undefined, 1],
    [0, 1],
    [1, 1],
    [20, 20],
  ] as const) {
    it(`with loop ${String(loop)} plays ${loops} time(s)`, () => {
      assert.equal(play.begin({ url: spec.url, loop }, scene).state?.prompts[0]?.loops, loops);
    });
  }

  const phases = { fetching, playing };
  const table: [phase: keyof typeof phases, fact: string, then: string][] = [
    ["fetching", "wake", "play.failed fetch_timed_out, stopPlayback; over"],
    ["fetching", "adopted", "-; goes on wake +20000"],
    // Twice 1.5 s, and 5 s of grace.
    ["fetching", "mediaReady mine", "play.started, play; goes on wake +8000"],
    ["fetching", "mediaReady other", "not mine"],
    ["fetching", "mediaFailed mine", "play.failed not_found; over"],
    ["fetching", "mediaFailed other", "not mine"],
    ["fetching", "played mine", "play.finished; over"],
    ["fetching", "played other", "not mine"],
    ["fetching", "notFound mine", "play.failed notFound; over"],
    ["fetching", "failed mine", "play.failed failed; over"],
    ["fetching", "dialing mine", "not mine"],
    ["fetching", "dialing nobody", "not mine"],
    ["fetching", "dialRefused", "not mine"],
    ["fetching", "legAnswered mine", "not mine"],
    ["fetching", "legAnswered other", "not mine"],
    ["fetching", "legsBridged mine", "not mine"],
    ["fetching", "legsBridged other", "not mine"],
    ["fetching", "digit mine", "not mine"],
    ["fetching", "digit other", "not mine"],
    ["fetching", "legEnded mine", "not mine"],
    ["fetching", "legEnded busy", "not mine"],
    ["fetching", "legEnded other", "not mine"],
    ["playing", "wake", "play.failed playback_timed_out, stopPlayback; over"],
    // It still plays, or will: its whole length anew.
    ["playing", "adopted", "-; goes on wake +8000"],
    ["playing", "mediaReady mine", "not mine"],
    ["playing", "mediaReady other", "not mine"],
    ["playing", "mediaFailed mine", "play.failed not_found; over"],
    ["playing", "mediaFailed other", "not mine"],
    ["playing", "played mine", "play.finished; over"],
    ["playing", "played other", "not mine"],
    ["playing", "notFound mine", "play.failed notFound; over"],
    ["playing", "failed mine", "play.failed failed; over"],
    ["playing", "dialing mine", "not mine"],
    ["playing", "dialing nobody", "not mine"],
    ["playing", "dialRefused", "not mine"],
    ["playing", "legAnswered mine", "not mine"],
    ["playing", "legAnswered other", "not mine"],
    ["playing", "legsBridged mine", "not mine"],
    ["playing", "legsBridged other", "not mine"],
    ["playing", "digit mine", "not mine"],
    ["playing", "digit other", "not mine"],
    ["playing", "legEnded mine", "not mine"],
    ["playing", "legEnded busy", "not mine"],
    ["playing", "legEnded other", "not mine"],
  ];
  for (const [phase, fact, then] of table) {
    it(`${phase}, ${fact}: ${then}`, () =>
      assert.equal(line(play.on(phases[phase], facts[fact]!, scene)), then));
  }
  it("has an answer to every fact in every phase", () =>
    assert.equal(table.length, 2 * Object.keys(facts).length));
});

describe("dial", () => {
  const spec = { number: "+254712345678" };
  const asked = {
    ...{ numbers: [spec.number], timeout: 30, hangupOnStar: false, untilMs: scene.nowMs + 60_000 },
    ...{ legs: [] as ReturnType<typeof rung>[], answered: false, ringback: null },
  };
  function rung(leg: LegId, to = spec.number) {
    return { leg, to, end: null };
  }
  const ringing = { ...asked, legs: [rung(otieno)] };
  const talking = { ...ringing, answered: true };

  it("begins by asking for the leg, with an alarm after its ring time", () => {
    assert.equal(line(dial.begin(spec, scene)), "dial; goes on wake +60000");
    assert.equal(line(dial.begin({ ...spec, timeout: 5 }, scene)), "dial; goes on wake +35000");
  });

  it("asks for what the document says", () => {
    const request = (more: object) => {
      const [effect] = dial.begin({ ...spec, ...more }, scene).effects;
      assert.ok(effect?.kind === "dial");
      return effect.request;
    };
    assert.equal(request({}).record, null);
    assert.equal(request({ record: false }).record, null);
    assert.equal(request({ record: true }).record, "from-answer");
    assert.equal(request({ record: "from-ringing" }).record, "from-ringing");
    assert.equal(request({ callerId: "+254200000001" }).callerId, "+254200000001");
    assert.equal(request({ maxDuration: 60 }).maxDurationSeconds, 60);
    assert.equal(request({ timeout: 7 }).ringTimeoutSeconds, 7);
    assert.equal(request({}).waiting, wanjiru);
  });

  for (const [where, then] of [
    [scene, { kind: "park", idleSeconds: 30 }],
    [
      { ...last, asks: true },
      { kind: "park", idleSeconds: 30 },
    ],
    [last, { kind: "end" }],
  ] as const) {
    const follows = where.more ? "more" : where.asks ? "a question" : "nothing";
    it(`lets the caller ${then.kind === "park" ? "stay" : "end"} after the bridge when ${follows} follows, and never wait for ever`, () => {
      const [effect] = dial.begin(spec, where).effects;
      assert.ok(effect?.kind === "dial");
      const [afterwards, guard, tone] = effect.request.prepare;
      assert.deepEqual(afterwards, { kind: "afterBridge", leg: wanjiru, then });
      assert.ok(guard?.kind === "armKill" && guard.inSeconds === 60 && guard.group === `idle-${wanjiru}`);
      assert.equal(tone?.kind, "playRingback");
    });
  }

  const phases = { asked, ringing, talking };
  const silence = "stopPlayback, disarmKill,";
  const table: [phase: keyof typeof phases, fact: string, then: string][] = [
    ["asked", "wake", "not mine"],
    ["asked", "dialing mine", "-; goes on wake +60000"],
    ["asked", "dialing nobody", "dial.refused country, call.dial_completed failed 0; over"],
    ["asked", "dialRefused", "dial.refused country, call.dial_completed failed 0; over"],
    ["asked", "legAnswered mine", "not mine"],
    ["asked", "legAnswered other", "not mine"],
    ["asked", "legsBridged mine", "not mine"],
    ["asked", "legsBridged other", "not mine"],
    ["asked", "legEnded mine", "not mine"],
    ["asked", "legEnded busy", "not mine"],
    ["asked", "legEnded other", "not mine"],
    ["ringing", "wake", "hangUp; goes on"],
    ["ringing", "dialing mine", "-; goes on wake +60000"],
    ["ringing", "dialing nobody", "dial.refused country, call.dial_completed failed 0; over"],
    ["ringing", "dialRefused", "dial.refused country, call.dial_completed failed 0; over"],
    ["ringing", "legAnswered mine", "-; goes on"],
    ["ringing", "legAnswered other", "not mine"],
    ["ringing", "legsBridged mine", "-; goes on wake +60000"],
    ["ringing", "legsBridged other", "not mine"],
    ["ringing", "legEnded mine", `${silence} call.dial_completed completed 7; over`],
    ["ringing", "legEnded busy", `${silence} call.dial_completed busy 0; over`],
    ["ringing", "legEnded other", "not mine"],
    ["talking", "wake", "not mine"],
    ["talking", "dialing mine", "-; goes on wake +60000"],
    ["talking", "dialing nobody", "dial.refused country, call.dial_completed failed 0; over"],
    ["talking", "dialRefused", "dial.refused country, call.dial_completed failed 0; over"],
    ["talking", "legAnswered mine", "-; goes on"],
    ["talking", "legAnswered other", "not mine"],
    ["talking", "legsBridged mine", "-; goes on"],
    ["talking", "legsBridged other", "not mine"],
    ["talking", "legEnded mine", `${silence} call.dial_completed completed 7; over`],
    ["talking", "legEnded busy", `${silence} call.dial_completed busy 0; over`],
    ["talking", "legEnded other", "not mine"],
  ];
  for (const [phase, fact, then] of table) {
    it(`${phase}, ${fact}: ${then}`, () =>
      assert.equal(line(dial.on(phases[phase], facts[fact]!, scene)), then));
  }
  for (const phase of Object.values(phases)) {
    for (const [name, fact] of Object.entries(facts)) {
      if (!/^(media|played|notFound|failed|digit|adopted)/.test(name)) continue;
      it(`${phase.legs.length === 0 ? "asked" : phase.answered ? "talking" : "ringing"}, ${name}: not mine`, () =>
        assert.equal(dial.on(phase, fact, scene), null));
    }
  }

  /** What each fact in turn came to, from when the three are rung. */
  const both = { ...asked, numbers: ["+254711111111", "+254722222222"] };
  const many = { ...both, legs: [rung(otieno, "+254711111111"), rung(kamau, "+254722222222")] };
  function story(state: typeof many | null, ...told: StepFact[]) {
    let step: ReturnType<typeof dial.on> = null;
    let now: NonNullable<typeof state> | null = state;
    for (const fact of told) {
      if (now === null) return null;
      step = dial.on(now, fact, scene);
      if (step) now = step.state as typeof now;
    }
    return step;
  }
  const ended = (leg: LegId, status: LegStatus, failureCode: FailureCode | null): StepFact => ({
    ...{ kind: "legEnded", leg, status, failureCode, billedSeconds: status === "completed" ? 7 : 0 },
  });
  const told = (step: ReturnType<typeof dial.on>) => {
    const effect = step?.effects.find((it) => it.kind === "event" && it.event === "call.dial_completed");
    assert.ok(effect?.kind === "event", line(step));
    return effect.payload;
  };

  it("to several rings all of them, and a number that may not be dialled is only left out", () => {
    const request = dial.begin({ numbers: both.numbers }, scene).effects[0];
    assert.ok(request?.kind === "dial");
    assert.deepEqual(request.request.to, both.numbers);
    const refused = {
      ...{ to: "+254722222222", code: "calls.destination_not_allowed", message: "No." },
      reason: "country" as const,
    };
    const legs = [{ leg: otieno, to: "+254711111111" }];
    const step = dial.on(both, { kind: "dialing", legs, refused: [refused] }, scene);
    assert.equal(line(step), "dial.refused country; goes on wake +60000");
    assert.deepEqual(step?.state?.legs, [rung(otieno, "+254711111111")]);
  });

  it("to several that is refused as a whole says so of each", () => {
    const step = dial.on(both, facts["dialRefused"]!, scene);
    assert.equal(
      line(step),
      "dial.refused country, dial.refused country, call.dial_completed failed 0; over",
    );
    assert.deepEqual([told(step)["to"], told(step)["leg_id"]], [null, null]);
  });

  it("to several goes on with the one that answers, though the losers end meanwhile", () => {
    const answer: StepFact = { kind: "legAnswered", leg: kamau };
    assert.equal(line(story(many, answer, ended(otieno, "canceled", "canceled"))), "-; goes on");
    const step = story(many, answer, ended(otieno, "canceled", "canceled"), ended(kamau, "completed", null));
    assert.equal(line(step), `${silence} call.dial_completed completed 7; over`);
    assert.deepEqual([told(step)["to"], told(step)["leg_id"]], ["+254722222222", kamau]);
  });

  it("to several is over when the first talk is, and what rings then is stopped", () => {
    const step = story(many, { kind: "legAnswered", leg: kamau }, ended(kamau, "completed", null));
    assert.equal(line(step), `hangUp, ${silence} call.dial_completed completed 7; over`);
  });

  for (const [one, other, status, code] of [
    [ended(otieno, "busy", "busy"), ended(kamau, "no_answer", "no_answer"), "busy", "busy"],
    [ended(otieno, "no_answer", "no_answer"), ended(kamau, "failed", "rejected"), "failed", "rejected"],
    [ended(otieno, "failed", "carrier_failure"), ended(kamau, "busy", "busy"), "busy", "busy"],
  ] as const) {
    it(`to several that nobody answered says what tells most: ${code}`, () => {
      for (const order of [
        [one, other],
        [other, one],
      ]) {
        const step = story(many, ...order);
        assert.deepEqual(
          [told(step)["dial_status"], told(step)["failure_code"], told(step)["leg_id"], told(step)["to"]],
          [status, code, null, null],
        );
      }
      assert.equal(line(story(many, one)), "-; goes on wake +60000");
    });
  }

  it("whose ringback file is lost rings with the tone instead, unless they talk", () => {
    const ringback = { url: "https://example.com/simu.wav", playing: true };
    const lost: StepFact = { kind: "playbackEnded", token: `${scene.token}.ringback`, outcome: "failed" };
    const heard = { ...ringing, ringback };
    assert.equal(
      line(dial.on(heard, lost, scene)),
      "dial.ringback_failed failed, playRingback; goes on wake +60000",
    );
    assert.equal(dial.on(heard, { ...lost, outcome: "played" }, scene), null);
    assert.equal(dial.on({ ...heard, answered: true }, lost, scene), null);
  });

  const star: StepFact = { kind: "digit", leg: wanjiru, digit: "*" };
  it("with hangupOnStar is ended by the caller's star alone, and only where it was asked for", () => {
    const starred = { ...many, hangupOnStar: true };
    assert.equal(line(dial.on(starred, star, scene)), "hangUp, hangUp; goes on wake +60000");
    assert.equal(line(dial.on({ ...starred, answered: true }, star, scene)), "hangUp, hangUp; goes on");
    for (const digit of ["1", "#"]) assert.equal(dial.on(starred, { ...star, digit }, scene), null);
    assert.equal(dial.on(starred, { ...star, leg: otieno }, scene), null);
    assert.equal(dial.on(many, star, scene), null);
  });

  describe("to a SIP URI", () => {
    const toUri = { sip: "sip:reception@pbx.example:5070;transport=tcp", hangupOnStar: true };
    const token = `${scene.token}.host`;
    const begun = dial.begin(toUri, scene).state!;
    const finding = dial.on(begun, { kind: "hostWanted", host: "pbx.example" }, scene);
    const found: StepFact = { kind: "hostFound", token, address: "203.0.113.9" };
    const refused: StepFact = { kind: "hostRefused", token, code: "sip.host_not_allowed", message: "No." };
    const over = "dial.refused, call.dial_completed failed 0; over";

    it("has its host found first, within ten seconds, and dials it where it is", () => {
      assert.equal(line(finding), "findHost; goes on wake +10000");
      const step = dial.on(finding!.state!, found, scene);
      assert.equal(line(step), "dial; goes on wake +60000");
      const [effect] = step!.effects;
      assert.ok(effect?.kind === "dial");
      const { uri, address, to } = effect.request;
      assert.deepEqual([uri?.host, address, to], ["pbx.example", "203.0.113.9", []]);
    });
    it("is over where its host leads nowhere, where that is not known in time, and by the caller's star", () => {
      assert.equal(line(dial.on(finding!.state!, refused, scene)), over);
      assert.equal(line(dial.on(finding!.state!, facts["wake"]!, scene)), over);
      const given = dial.on(finding!.state!, star, scene);
      assert.equal(line(given), "call.dial_completed canceled 0; over");
      assert.equal(told(given)["to"], toUri.sip);
    });
    it("is not moved by what is found for another step, or once more", () => {
      const dialled = dial.on(finding!.state!, found, scene)!.state!;
      for (const fact of [found, refused]) {
        assert.equal(dial.on(finding!.state!, { ...fact, token: "call_x-2.host" }, scene), null);
        assert.equal(dial.on(dialled, fact, scene), null);
      }
      assert.equal(dial.on(asked, { kind: "hostWanted", host: "pbx.example" }, scene), null);
    });
  });

  const url = "https://example.com/music.mp3";
  const waiting = { ...ringing, ringback: { url, playing: false } };
  const ready: StepFact = {
    ...{ kind: "mediaReady", token: `${scene.token}.ringback`, file: "/m/a.wav", durationMs: 5000 },
  };
  it("with ringback rings before it fetches, and plays the file in place of the tone for as long as it may ring", () => {
    assert.equal(
      line(dial.begin({ ...spec, ringback: url }, scene)),
      "dial, prepareMedia; goes on wake +60000",
    );
    const step = dial.on(waiting, ready, scene);
    assert.equal(line(step), "stopPlayback, play; goes on wake +60000");
    const played = step?.effects[1];
    assert.ok(played?.kind === "command" && played.command.kind === "play");
    assert.equal(played.command.loops, 7);
  });
  it("with ringback that cannot be had keeps the tone, and says why", () => {
    const failed: StepFact = { kind: "mediaFailed", token: `${scene.token}.ringback`, reason: "not_audio" };
    assert.equal(
      line(dial.on(waiting, failed, scene)),
      "dial.ringback_failed not_audio; goes on wake +60000",
    );
    const short = { ...ready, durationMs: 100 };
    assert.equal(line(dial.on(waiting, short, scene)), "dial.ringback_failed too_short; goes on wake +60000");
    assert.equal(dial.on(waiting, { ...ready, token: "call_x-2.ringback" }, scene), null);
  });
  it("with ringback never plays it into the talk", () => {
    assert.equal(line(dial.on({ ...waiting, answered: true }, ready, scene)), "-; goes on");
    const playing = { ...waiting, ringback: { url, playing: true } };
    for (const fact of ["legAnswered mine", "legsBridged mine"]) {
      const step = dial.on(playing, facts[fact]!, scene);
      assert.match(line(step), /^stopPlayback; goes on/);
      assert.equal(step?.state?.ringback?.playing, false);
    }
    // Fetched only after the callee's network began to speak.
    const announced = dial.on(waiting, facts["legsBridged mine"]!, scene)?.state;
    assert.ok(announced);
    assert.equal(line(dial.on(announced, ready, scene)), "-; goes on wake +60000");
  });
});

describe("wait", () => {
  it("begins with an alarm at its end", () => {
    assert.equal(line(wait.begin({ seconds: 1.5 }, scene)), "-; goes on wake +1500");
  });
  it("is over at its time, and not a millisecond before", () => {
    const state = { untilMs: scene.nowMs + 1500 };
    assert.equal(line(wait.on(state, facts["wake"]!, scene)), "-; goes on wake +1500");
    assert.equal(
      line(wait.on(state, facts["wake"]!, { ...scene, nowMs: state.untilMs - 1 })),
      "-; goes on wake +1500",
    );
    assert.equal(line(wait.on(state, facts["wake"]!, { ...scene, nowMs: state.untilMs })), "-; over");
  });
  it("has no ear for anything else", () => {
    for (const [name, fact] of Object.entries(facts)) {
      if (name !== "wake") assert.equal(wait.on({ untilMs: 0 }, fact, scene), null, name);
    }
  });
});

describe("reject", () => {
  for (const [reason, cause] of [
    [undefined, "CALL_REJECTED"],
    ["rejected", "CALL_REJECTED"],
    ["busy", "USER_BUSY"],
  ] as const) {
    it(`${reason ?? "without a reason"} refuses with ${cause}, and is over`, () => {
      const step = reject.begin({ reason }, { ...scene, answered: false });
      assert.deepEqual(step, { state: null, effects: [{ kind: "hangUp", cause }] });
    });
  }
  it("takes no other reason, and no other key", () => {
    assert.ok(!reject.schema.safeParse({ reason: "asleep" }).success);
    assert.ok(!reject.schema.safeParse({ cause: "busy" }).success);
  });
  it("hears nothing", () => {
    for (const fact of Object.values(facts)) assert.equal(reject.on({}, fact, scene), null);
  });
});

describe("a caller who is not answered", () => {
  const ringing: Scene = { ...scene, answered: false };

  it("hears a prompt as early media, announced before it is played", () => {
    const begun = play.begin({ url: "https://example.com/a.wav" }, ringing);
    const ready = facts["mediaReady mine"]!;
    assert.equal(
      line(play.on(begun.state!, ready, ringing)),
      "play.started, preAnswer, play; goes on wake +6500",
    );
    assert.equal(line(play.on(begun.state!, ready, scene)), "play.started, play; goes on wake +6500");
  });

  it("is answered by the actions that need it, and by no other", () => {
    const needing = Object.values(verbs).filter((verb: { needsAnswer?: true }) => verb.needsAnswer === true);
    assert.deepEqual(needing.map(({ name }) => name).toSorted(), [
      "conference",
      "dial",
      "getDigits",
      "record",
      "sendDigits",
      "stream",
    ]);
  });
});

describe("hangup", () => {
  it("hangs up, and is over", () => assert.equal(line(hangup.begin({}, scene)), "hangUp; over"));
  it("hears nothing", () => {
    for (const fact of Object.values(facts)) assert.equal(hangup.on({}, fact, scene), null);
  });
});

describe("every verb", () => {
  it("waits with an alarm, on a leg that rings for us, or on one whose time the switch holds: never for ever", () => {
    const fact = fc.constantFrom(...Object.values(facts));
    fc.assert(
      fc.property(fc.array(fact, { maxLength: 20 }), fc.boolean(), (story, more) => {
        for (const begun of [
          play.begin({ url: "https://example.com/a.wav" }, { ...scene, more }),
          wait.begin({ seconds: 2 }, { ...scene, more }),
        ]) {
          // Neither of these ever waits for somebody else's word alone.
          assert.ok(begun.wakeAtMs !== undefined);
        }
        let step = dial.begin({ number: "+254712345678" }, { ...scene, more });
        for (const told of story) {
          if (step.state === null) return;
          if (step.state.legs.length === 0 && !step.state.answered) assert.ok(step.wakeAtMs !== undefined);
          step = dial.on(step.state, told, { ...scene, more }) ?? step;
        }
      }),
    );
  });
});
