import assert from "node:assert/strict";
import fc from "fast-check";
import { Playout, playoutSecondsMax } from "../../engine/streams/playout.ts";
import { frameSamples } from "../../engine/streams/sound-format.ts";

describe("streams: what waits to be heard", () => {
  it("comes out whole and in order, whatever pieces it came in, each mark with the sample before it", () => {
    const piece = fc.oneof(fc.integer({ min: 0, max: 700 }), fc.constant("mark" as const));
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 60 }), (pieces) => {
        const playout = new Playout();
        let samples = 0;
        const marksAt: number[] = [];
        for (const what of pieces) {
          if (what === "mark") {
            assert.ok(playout.mark(String(marksAt.push(samples) - 1)));
            continue;
          }
          assert.ok(playout.push(Int16Array.from({ length: what }, () => (++samples % 30_000) + 1)));
        }
        const heard: number[] = [];
        const marks: number[] = [];
        for (;;) {
          const { frame, marks: passed } = playout.next();
          if (frame) heard.push(...frame);
          for (const name of passed) {
            assert.equal(Number(name), marks.length);
            // Not before what precedes it, and no more than a frame after.
            const late = heard.length - marksAt[marks.length]!;
            assert.ok(late >= 0 && late <= frameSamples, `${late} samples late`);
            marks.push(Number(name));
          }
          if (!frame) break;
        }
        assert.equal(marks.length, marksAt.length);
        assert.deepEqual(
          heard.slice(0, samples),
          Array.from({ length: samples }, (_, index) => ((index + 1) % 30_000) + 1),
        );
        assert.ok(heard.slice(samples).every((sample) => sample === 0));
        assert.ok(heard.length - samples < frameSamples);
      }),
    );
  });

  it("is forgotten at once when that is told, and its marks come back", () => {
    const playout = new Playout();
    playout.push(new Int16Array(8000).fill(7));
    playout.mark("one");
    playout.push(new Int16Array(8000));
    playout.mark("two");
    assert.equal(playout.next().frame?.[0], 7);
    assert.deepEqual(playout.clear(), ["one", "two"]);
    assert.deepEqual(playout.next(), { frame: null, marks: [] });
  });

  it("is no more than may wait, in sound and in marks", () => {
    const playout = new Playout();
    const second = () => playout.push(new Int16Array(8000));
    for (let waiting = 0; waiting < playoutSecondsMax; waiting++) assert.ok(second());
    assert.equal(playout.push(new Int16Array(1)), false);
    for (let frames = 0; frames < 50; frames++) playout.next();
    assert.ok(second());
    let marks = 0;
    while (playout.mark("m") && marks < 10_000) marks++;
    assert.equal(marks, 1000);
  });

  it("keeps nothing of what was heard", () => {
    const playout = new Playout();
    for (let minutes = 0; minutes < 50; minutes++) {
      for (let n = 0; n < 3000; n++) playout.push(new Int16Array(160));
      for (let n = 0; n < 3000; n++) assert.ok(playout.next().frame);
    }
    assert.equal(playout.next().frame, null);
  });
});
