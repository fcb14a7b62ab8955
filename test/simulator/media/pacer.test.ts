import assert from "node:assert/strict";
import fc from "fast-check";
import { Pacer } from "../../../engine/simulator/media/pacer.ts";
import { ManualClock } from "./manual-clock.ts";

describe("the pacer", () => {
  it("makes 50 slots a second, whatever stalls the host", () => {
    const stalls = fc.array(fc.record({ run: fc.nat(500), stall: fc.nat(300) }), { maxLength: 20 });
    fc.assert(
      fc.property(stalls, (steps) => {
        const clock = new ManualClock();
        let slots = 0;
        const leave = new Pacer(clock).join(() => (slots += 1));
        for (const { run, stall } of steps) {
          clock.advance(run);
          clock.stall(stall);
        }
        const totalMs = steps.reduce((sum, { run, stall }) => sum + run + stall, 0);
        clock.advance(1000);
        assert.equal(slots, Math.floor((totalMs + 1000) / 20));
        leave();
      }),
    );
  });

  it("reads the sockets before it catches up, and tells each slot when it was due", () => {
    const clock = new ManualClock();
    const slots: [sinceMs: number, behind: number][] = [];
    const startMs = clock.monotonicMs();
    const pacer = new Pacer(clock);
    const leave = pacer.join(({ dueMs, behind }) => slots.push([dueMs - startMs, behind]));
    clock.advance(20);
    clock.stall(60);
    let late = 0;
    // Read on the way, as a packet is.
    clock.after(0, () => pacer.join(() => (late += 1)));
    clock.advance(20);
    assert.deepEqual(slots, [
      [20, 0],
      [40, 2],
      [60, 1],
      [80, 0],
      [100, 0],
    ]);
    assert.equal(late, 1, "who joined in between has missed nothing");
    leave();
  });

  it("is quiet when nobody is left", () => {
    const clock = new ManualClock();
    const pacer = new Pacer(clock);
    const leaveFirst = pacer.join(() => undefined);
    const leaveSecond = pacer.join(() => undefined);
    leaveFirst();
    assert.equal(clock.pending, 1);
    leaveSecond();
    assert.equal(clock.pending, 0);
  });

  it("lets a stream leave within its own slot", () => {
    const clock = new ManualClock();
    let slots = 0;
    const leave = new Pacer(clock).join(() => {
      slots += 1;
      leave();
    });
    clock.advance(200);
    assert.equal(slots, 1);
    assert.equal(clock.pending, 0);
  });
});
