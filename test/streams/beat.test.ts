import assert from "node:assert/strict";
import { Beat } from "../../engine/streams/beat.ts";
import { Allowance } from "../../engine/streams/allowance.ts";
import { ManualClock } from "../webhooks/manual-clock.ts";

/** The switch's frames come at these ms; how many of ours go then. */
function sentAt(times: readonly number[]): number[] {
  const clock = new ManualClock(0);
  const beat = new Beat(clock);
  return times.map((atMs) => {
    clock.advanceTo(atMs);
    return beat.due();
  });
}
const sum = (counts: readonly number[]) => counts.reduce((total, count) => total + count, 0);

describe("streams: the pace towards the switch", () => {
  it("is a frame for a frame, also where they come a little early or late", () => {
    const times = Array.from({ length: 500 }, (_, index) => index * 20 + ((index * 7) % 9));
    assert.ok(sentAt(times).every((count) => count === 1));
  });

  it("makes up for a frame that did not come, and for one that came twice", () => {
    assert.deepEqual(sentAt([0, 20, 60, 80, 81, 100]), [1, 1, 2, 1, 0, 1]);
  });

  it("catches up on a short stall one frame at a time, and not on a long one", () => {
    const afterStall = (stallMs: number) => {
      const late = Array.from({ length: stallMs / 20 }, () => 100 + stallMs);
      const then = Array.from({ length: 50 }, (_, index) => 120 + stallMs + index * 20);
      return sentAt([0, 20, 40, 60, 80, 100, ...late, ...then]);
    };
    for (const stallMs of [40, 160, 2000]) assert.ok(afterStall(stallMs).every((count) => count <= 2));
    assert.equal(sum(afterStall(40)), 6 + 2 + 50);
    assert.equal(sum(afterStall(160)), 6 + 3 + 50);
    assert.equal(sum(afterStall(2000)), 6 + 3 + 50);
  });
});

describe("streams: what a bot may send", () => {
  it("is so much at once, and so much a second from then on", () => {
    const clock = new ManualClock(0);
    const allowance = new Allowance({ burst: 10, perSecond: 5 }, clock);
    for (let n = 0; n < 10; n++) assert.ok(allowance.take(1));
    assert.equal(allowance.take(1), false);
    clock.advanceTo(1000);
    for (let n = 0; n < 4; n++) assert.ok(allowance.take(1));
    assert.equal(allowance.take(1), false);
    clock.advanceTo(1_000_000);
    assert.ok(allowance.take(10));
    assert.equal(allowance.take(1), false);
  });
});
