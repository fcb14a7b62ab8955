import assert from "node:assert/strict";
import { documentSchema, socketsIn } from "../../engine/actions/document.ts";
import { stream } from "../../engine/actions/stream.ts";
import type { Effect, Scene, Step, StepFact } from "../../engine/actions/verb.ts";
import type { LegId } from "../../engine/ids.ts";

const wanjiru: LegId = "leg_01m8804jzshqmazxfz36pa688e";
const token = "call_x-3";
const url = "wss://bot.example/media";
const begins: StepFact = { kind: "streamStarted", token, stream: "str_1", resumed: false };
const ends = (reason: "bot_closed" | "hangup" | "refused", of = token): StepFact => ({
  ...{ kind: "streamEnded", token: of, reason, closeCode: null, status: null },
  ...{ sent: 5, received: 4, dropped: 1 },
});
const legEnds: StepFact = {
  ...{ kind: "legEnded", leg: wanjiru, status: "completed" },
  ...{ billedSeconds: 1, failureCode: null },
};

/** What happens to a stream, a second apart, and what is done and told. */
function story(facts: readonly StepFact[], more = false) {
  let scene: Scene = {
    ...{ leg: wanjiru, answered: true, nowMs: 1_000, token, more, asks: true, typed: "" },
  };
  let step: Step<NonNullable<ReturnType<typeof stream.begin>["state"]>> = stream.begin({ url }, scene);
  const effects: Effect[] = [...step.effects];
  for (const fact of facts) {
    scene = { ...scene, nowMs: scene.nowMs + 1000 };
    const next = step.state && stream.on(step.state, fact, scene);
    if (!next) continue;
    step = next;
    effects.push(...next.effects);
  }
  const told = effects.flatMap((effect) =>
    effect.kind === "event" || effect.kind === "ask"
      ? [[effect.kind, effect.event, effect.payload["reason"], effect.payload["duration_seconds"]]]
      : [],
  );
  return { isOver: step.state === null, told, effects, state: step.state, wakeAtMs: step.wakeAtMs, scene };
}

describe("actions: stream", () => {
  it("is told once, and asks where nothing follows it", () => {
    const { told, isOver } = story([begins, ends("bot_closed")]);
    assert.ok(isOver);
    assert.deepEqual(told, [
      ["event", "stream.started", undefined, undefined],
      ["ask", "call.stream_ended", "bot_closed", 1],
    ]);
    assert.deepEqual(story([ends("refused")], true).told, [["event", "call.stream_ended", "refused", 0]]);
  });

  it("minds neither another step's stream nor another leg, and takes the keys", () => {
    const other: StepFact = { kind: "digit", leg: "leg_01m8804mb301d7htwa1npws56v", digit: "1" };
    const { told, isOver, state, scene } = story([ends("bot_closed", "call_x-2"), other]);
    assert.deepEqual([told, isOver], [[], false]);
    assert.equal(stream.on(state!, other, scene), null);
    assert.notEqual(stream.on(state!, { ...other, leg: wanjiru }, scene), null);
  });

  it("waits for the leg's end once it has ended with it, and asks nobody", () => {
    const hungUp = story([begins, ends("hangup")]);
    assert.ok(!hungUp.isOver);
    assert.deepEqual(hungUp.told.at(-1), ["event", "call.stream_ended", "hangup", 1]);
    // Longer than a reconciliation and its wait for the leg's record, which would tell its end if its event were lost.
    assert.ok(hungUp.wakeAtMs! > hungUp.scene.nowMs + 631_000);
    const over = story([begins, ends("hangup"), legEnds]);
    assert.ok(over.isOver);
    assert.equal(over.told.length, 2);
    // Found ended, with nobody there who knew of the stream.
    assert.deepEqual(story([begins, legEnds]).told.at(-1), ["event", "call.stream_ended", "hangup", 1]);
  });

  it("goes on from its first start when it was opened anew", () => {
    const again: StepFact = { ...begins, stream: "str_2", resumed: true };
    const { told } = story([begins, again, ends("bot_closed")]);
    assert.deepEqual(told.at(-1), ["ask", "call.stream_ended", "bot_closed", 2]);
  });

  it("is ended and told of when it is dropped", () => {
    const { state, scene } = story([begins]);
    const { effects } = stream.drop!(state!, scene);
    assert.deepEqual(
      effects.map((effect) => (effect.kind === "command" ? effect.command : effect.kind)),
      ["event", { kind: "endStream", leg: wanjiru, token }],
    );
  });

  it("is refused at the key that is wrong", () => {
    const bad: [spec: unknown, path: string][] = [
      [{}, "url"],
      [{ url: "https://bot.example/" }, "url"],
      [{ url: "wss://" }, "url"],
      [{ url: `wss://bot.example/${"x".repeat(2048)}` }, "url"],
      [{ url, track: "both" }, "track"],
      [{ url, connect: "yes" }, "connect"],
      [{ url, outputSamplingRate: 44_100 }, "outputSamplingRate"],
      [{ url, name: "" }, "name"],
      [{ url, metadata: { order: { id: 47 } } }, "metadata"],
      [{ url, metadata: { text: "x".repeat(5000) } }, "metadata"],
    ];
    for (const [spec, key] of bad) {
      const checked = documentSchema.safeParse([{ stream: spec }]);
      assert.deepEqual(checked.error?.issues[0]?.path.slice(0, 3), [0, "stream", key], JSON.stringify(spec));
    }
    const good = documentSchema.parse([{ wait: { seconds: 1 } }, { stream: { url } }]);
    assert.deepEqual(socketsIn(good), [{ field: "[1].stream.url", url }]);
  });
});
