import assert from "node:assert/strict";
import { clockStepMs, watchClock } from "../../cli/clock-watch.ts";
import { systemClock, type Clock } from "../../engine/clock.ts";
import type { Log } from "../../engine/log.ts";

describe("a step of the host's clock", () => {
  it("is said once, and again when it is set back; what NTP slews is not", async () => {
    let stepMs = 0;
    let look: () => void = () => undefined;
    const clock: Clock = {
      ...systemClock,
      nowMs: () => systemClock.steadyMs() + stepMs,
      after: (_, fn) => {
        look = fn;
        return { cancel: () => undefined };
      },
    };
    const said: unknown[] = [];
    const nobody = () => undefined;
    const log: Log = {
      ...{ debug: nobody, info: nobody, error: nobody },
      warn: (about: unknown) => void said.push(about),
    };
    const watch = watchClock({ clock, log });
    watch.start();
    for (const [set, told] of [
      [1_500, 0],
      [3_600_000, 1],
      [3_600_500, 1],
      [0, 2],
    ] as const) {
      stepMs = set;
      look();
      await new Promise(setImmediate);
      assert.equal(said.length, told);
    }
    assert.deepEqual(said, [{ seconds: 3600 }, { seconds: 0 }]);
    stepMs = -1_000;
    assert.ok(Math.abs(clockStepMs(clock) + 1_000) < 50);
    await watch.stop();
  });
});
