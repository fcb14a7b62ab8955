import assert from "node:assert/strict";
import type { CallId } from "../../engine/ids.ts";
import { levelDbfs } from "../../engine/simulator/media/goertzel.ts";
import { parseWav } from "../../engine/simulator/media/wav.ts";
import { sideBySide } from "../peers/side-by-side.ts";
import { describeOnSwitch } from "../peers/switch-under-test.ts";
import { eventually } from "../peers/waiting.ts";
import { eventOf, kindsOf, world, type World } from "./world.ts";

const wanjiru = "+254700000001";

describeOnSwitch("say", function () {
  this.timeout(60_000);
  let on: World;
  before(async () => {
    on = await world();
  });
  after(() => on.end());
  const together = sideBySide(4);

  /** What the callee heard from the answer on: the right channel of the recording. */
  async function heardIn(callId: CallId): Promise<Int16Array> {
    const { url } = await eventually("the recording", async () => {
      const [row] = await on.recordingsOf(callId);
      if (row?.status !== "ready" || row.objectKey === null) return undefined;
      return on.storage.presignGet(row.objectKey, { expiresInSeconds: 60, fileName: "heard.wav" });
    });
    const { channels } = parseWav(Buffer.from(await (await fetch(url)).arrayBuffer()));
    return channels[1]!;
  }

  /** How many stretches of that length there are in which something is heard, above −40 dBFS. */
  const loud = (samples: Int16Array, length: number) =>
    Array.from({ length: Math.floor(samples.length / length) }, (_, at) => {
      const part = samples.subarray(at * length, at * length + length);
      return Math.sqrt(part.reduce((sum, sample) => sum + sample ** 2, 0) / length) > 328;
    }).filter(Boolean).length;
  const loudTenths = (samples: Int16Array) => loud(samples, 800);
  /** By frames: tenths of a second are more or fewer by where in one the words begin. */
  const loudMs = (samples: Int16Array) => loud(samples, 160) * 20;

  for (const [text, language] of [
    ["Karibu", "sw-KE"],
    ["Your balance is four hundred shillings", "en-KE"],
  ] as const) {
    together(
      `in ${language}: the callee hears speech, and the call tells its begin and its end`,
      async () => {
        const id = await on.place({
          to: wanjiru,
          record: "from-answer",
          actions: [{ say: { text, language } }],
        });
        const call = await on.ended(id);
        const heard = await heardIn(id);

        const kinds = kindsOf(call).filter((kind) => kind.startsWith("say."));
        assert.deepEqual(kinds, ["say.started", "say.finished"]);
        assert.deepEqual(eventOf(call, "say.started").payload["text"], text);
        // "Karibu" takes half a second, of which the k is silent.
        assert.ok(
          loudTenths(heard) >= (text === "Karibu" ? 3 : 15),
          `${loudTenths(heard)} tenths of a second`,
        );
        assert.ok(levelDbfs(heard.subarray(0, 8000), 950) < -30, "no tones");
      },
    );
  }

  together("in a language that nobody speaks: three tones, the reason, and the next action", async () => {
    const id = await on.place({
      to: wanjiru,
      record: "from-answer",
      actions: [{ say: { text: "Ndamukunda", language: "rw-RW" } }, { wait: { seconds: 1 } }],
    });
    const call = await on.ended(id);
    const heard = await heardIn(id);

    assert.deepEqual(
      kindsOf(call).filter((kind) => kind.startsWith("say.")),
      ["say.failed"],
    );
    assert.equal(eventOf(call, "say.failed").payload["reason"], "unsupported_language");
    const verbs = call.events
      .filter(({ kind }) => kind === "action.started")
      .map(({ payload }) => payload["verb"]);
    assert.deepEqual(verbs, ["say", "wait"]);
    for (const hz of [950, 1400, 1800]) {
      const levels = Array.from({ length: Math.floor(heard.length / 800) }, (_, tenth) =>
        levelDbfs(heard.subarray(tenth * 800, tenth * 800 + 800), hz),
      );
      assert.ok(levels.filter((level) => level > -20).length >= 2, `${hz} Hz was not heard`);
    }
  });

  together("twice, with `loop`, is heard twice", async () => {
    const say = { text: "Bonyeza moja sasa hivi", language: "sw-KE", voice: "man" };
    const once = await on.place({ to: wanjiru, record: "from-answer", actions: [{ say }] });
    const twice = await on.place({
      to: wanjiru,
      record: "from-answer",
      actions: [{ say: { ...say, loop: 2 } }],
    });
    await on.ended(once);
    await on.ended(twice);
    const [onceMs, twiceMs] = [loudMs(await heardIn(once)), loudMs(await heardIn(twice))];
    assert.ok(Math.abs(twiceMs - 2 * onceMs) <= 200, `${onceMs} ms once, ${twiceMs} ms twice`);
  });
});
