import assert from "node:assert/strict";
import { conference } from "../../engine/actions/conference.ts";
import type { Effect, Scene, Step, StepFact } from "../../engine/actions/verb.ts";
import type { ConferenceId, LegId } from "../../engine/ids.ts";

const wanjiru: LegId = "leg_01m8804jzshqmazxfz36pa688e";
const otieno: LegId = "leg_01m8804mb301d7htwa1npws56v";
const room: ConferenceId = "conf_01m8804mb301d7htwa1npws56w";
const url = "https://example.com/music.mp3";
const scene: Scene = {
  ...{ leg: wanjiru, answered: true, nowMs: 1_000_000, token: "call_x-3" },
  ...{ more: true, asks: false, typed: "" },
};

type State = NonNullable<ReturnType<typeof conference.begin>["state"]>;

const begin = (spec: Parameters<typeof conference.begin>[0]) => conference.begin(spec, scene);
/** The last step of a story, in which every fact must be taken up. */
function story(spec: Parameters<typeof conference.begin>[0], ...facts: StepFact[]): Step<State> {
  let step: Step<State> = begin(spec);
  for (const fact of facts) {
    assert.ok(step.state, fact.kind);
    const next = conference.on(step.state, fact, scene);
    assert.ok(next, `${fact.kind} is taken up`);
    step = next;
  }
  return step;
}
const line = ({ state, effects, wakeAtMs }: Step<State>): string =>
  `${effects.map(nameOf).join(", ") || "-"}; ` +
  (state === null ? "over" : `goes on${wakeAtMs === undefined ? "" : ` wake +${wakeAtMs - scene.nowMs}`}`);
const nameOf = (effect: Effect): string => {
  if (effect.kind === "command") return effect.command.kind;
  return effect.kind === "event" ? effect.event : effect.kind;
};

const joined: StepFact = { kind: "roomJoined", room };
const entered: StepFact = { kind: "roomEntered", room, leg: wanjiru };
const left: StepFact = { kind: "roomLeft", room, leg: wanjiru, hungUp: false };
const ready: StepFact = { kind: "mediaReady", token: "call_x-3.music", file: "/m/a.wav", durationMs: 900 };

describe("conference", () => {
  it("asks for the room with what was written, or its defaults, and waits for it 15 s at most", () => {
    const step = begin({ name: "desk", record: "from-answer" });
    assert.equal(line(step), "enterRoom; goes on wake +15000");
    const [effect] = step.effects;
    assert.ok(effect?.kind === "enterRoom");
    assert.deepEqual(effect.request, {
      ...{ name: "desk", token: scene.token, maxParticipants: 40, record: true, startOnEnter: true },
      ...{ endOnExit: false, muted: false, beep: false, statusUrl: null, statusEvents: null, stays: true },
    });
  });

  it("is over once the leg is out of the room and lives, and not before", () => {
    assert.equal(line(story({ name: "desk" }, joined)), "-; goes on wake +15000");
    assert.equal(line(story({ name: "desk" }, joined, entered)), "-; goes on");
    assert.equal(line(story({ name: "desk" }, joined, entered, left)), "-; over");
    const { state } = story({ name: "desk" }, joined, entered);
    for (const other of [
      { ...left, hungUp: true },
      { ...left, leg: otieno },
      { ...left, room: "conf_01m8804mb301d7htwa1npws56x" },
      { kind: "digit", leg: wanjiru, digit: "*" },
      { kind: "wake" },
    ] as StepFact[])
      assert.equal(conference.on(state!, other, scene), null, JSON.stringify(other));
  });

  it("that may not enter says why, and is over", () => {
    const step = story(
      { name: "desk", statusEventsCallbackUrl: url },
      { kind: "roomRefused", reason: "full" },
    );
    assert.equal(line(step), "conference.refused; over");
    const [event] = step.effects;
    assert.ok(event?.kind === "event");
    assert.deepEqual(event.also, { url, kinds: null });
  });

  it("that the switch never takes in leaves, and is over", () => {
    const { state } = story({ name: "desk" }, joined);
    const early = conference.on(state!, { kind: "wake" }, { ...scene, nowMs: scene.nowMs + 14_999 });
    assert.equal(line(early!), "-; goes on wake +15000");
    const late = conference.on(state!, { kind: "wake" }, { ...scene, nowMs: scene.nowMs + 15_000 });
    assert.equal(line(late!), "leaveRoom; over");
    const back = conference.on(state!, { kind: "adopted" }, { ...scene, nowMs: scene.nowMs + 60_000 });
    assert.equal(line(back!), "-; goes on wake +75000");
  });

  it("has its music fetched, and heard once the leg is inside, whichever is first", () => {
    const spec = { name: "desk", waitUrl: url };
    assert.equal(line(story(spec, joined)), "prepareMedia; goes on wake +15000");
    assert.equal(line(story(spec, joined, ready)), "-; goes on wake +15000");
    assert.equal(line(story(spec, joined, ready, entered)), "roomMusic; goes on");
    assert.equal(line(story(spec, joined, entered, ready)), "roomMusic; goes on");
    const failed: StepFact = { kind: "mediaFailed", token: "call_x-3.music", reason: "not_audio" };
    assert.equal(line(story(spec, joined, entered, failed)), "conference.wait_failed; goes on");
  });

  it("that is dropped leaves, and what follows waits until the leg is out", () => {
    const { state } = story({ name: "desk" }, joined, entered);
    assert.deepEqual(conference.drop!(state!, scene), {
      effects: [{ kind: "leaveRoom", room, reason: "directed" }],
      after: [wanjiru],
    });
  });

  it("takes names that can be seen and said, and no other", () => {
    const takes = (spec: object) => conference.schema.safeParse(spec).success;
    for (const name of ["a", "Support / desk № 1", "chumba cha Amina", "会議", "x".repeat(64)])
      assert.ok(takes({ name }), name);
    for (const name of ["", " a", "a ", "a\nb", "a\u0000", "a\u2028b", "x".repeat(65), "\ud83d", "\u202ea"])
      assert.ok(!takes({ name }), JSON.stringify(name));
    assert.ok(!takes({ name: "a", statusEvents: ["conference.joined"] }), "nobody to tell");
    assert.ok(!takes({ name: "a", statusEventsCallbackUrl: url, statusEvents: ["joined"] }));
    assert.ok(!takes({ name: "a", maxParticipants: 1 }));
    assert.ok(!takes({ name: "a", waitUrl: "file:///etc/passwd" }));
  });
});
