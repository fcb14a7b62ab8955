import { strict as assert } from "node:assert";
import sinon from "sinon";
import { systemClock } from "../../../engine/clock.ts";
import { EventBus } from "../../../engine/simulator/switch/event-bus.ts";
import { Scheduler } from "../../../engine/simulator/switch/scheduler.ts";

describe("the scheduler", () => {
  let time: sinon.SinonFakeTimers;
  let scheduler: Scheduler;
  const startS = 1_795_557_682;

  beforeEach(() => {
    time = sinon.useFakeTimers({ now: startS * 1000 });
    const events = new EventBus({ clock: systemClock, coreUuid: "core", hostname: "box" });
    scheduler = new Scheduler({ clock: systemClock, events });
  });
  afterEach(() => {
    scheduler.close();
    time.restore();
  });

  // Armed at this fraction of a second, `+2` ends after about this many ms: floor(now) + 2.
  for (const [fractionMs, afterMs] of [
    [0, 2000],
    [70, 1930],
    [450, 1550],
    [970, 1030],
  ] as const) {
    it(`runs +2 armed at .${String(fractionMs).padStart(3, "0")} after ${afterMs} ms`, () => {
      time.tick(fractionMs);
      let ranAtMs = 0;
      scheduler.add("+2", "cut-leg", "sched_api_function", () => (ranAtMs = Date.now()));
      time.tick(afterMs - 1);
      assert.equal(ranAtMs, 0);
      time.tick(250);
      const lateMs = ranAtMs - (startS * 1000 + fractionMs + afterMs);
      assert.ok(lateMs >= 0 && lateMs <= 250, `${lateMs} ms late`);
    });
  }

  it("takes an absolute second, and runs what is past or not a number at once", () => {
    const ran: string[] = [];
    for (const when of [String(startS + 3), `@${startS + 3}`, "+0", "0", "foo"]) {
      scheduler.add(when, "g", "d", () => ran.push(when));
    }
    time.tick(100);
    assert.deepEqual(ran, ["+0", "0", "foo"]);
    time.tick(3000);
    assert.equal(ran.length, 5);
  });

  it("deletes a group and nothing else", () => {
    const ran: string[] = [];
    for (const group of ["leg_a", "idle-leg_a", "leg_a"])
      scheduler.add("+1", group, "d", () => ran.push(group));
    assert.equal(scheduler.deleteGroup("leg_a"), 2);
    assert.equal(scheduler.deleteGroup("leg_a"), 0);
    time.tick(2000);
    assert.deepEqual(ran, ["idle-leg_a"]);
    assert.equal(scheduler.deleteGroup("idle-leg_a"), 0);
  });
});
