import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import type { Box } from "../../engine/calls/controller.ts";
import { isInTime, isTechnical } from "../../engine/calls/failover.ts";
import { systemClock } from "../../engine/clock.ts";
import { SautikitError } from "../../engine/errors.ts";
import { startBot } from "../peers/bot.ts";
import { startRefusingCarrier, type RefusingCarrier } from "../peers/refusing-carrier.ts";
import { describeOnSwitch } from "../peers/switch-under-test.ts";
import { eventually } from "../peers/waiting.ts";
import { interferedBox } from "./interfered-box.ts";
import { world, type World } from "./world.ts";

const answers = "+254700000103";

/** `safari` first, and `baringo` where it may not be. */
const oneAfterAnother = (first: Carrier, second: Carrier): string =>
  JSON.stringify({
    trunks: [
      { name: "safari", host: first.host, port: first.port, priority: 1 },
      { name: "baringo", host: second.host, port: second.port, priority: 2 },
    ],
  });

type Carrier = Pick<RefusingCarrier, "host" | "port">;

describe("what another trunk may take", () => {
  for (const [cause, sipStatus, may] of [
    ["NORMAL_TEMPORARY_FAILURE", 503, true],
    ["NORMAL_TEMPORARY_FAILURE", 500, true],
    ["NORMAL_TEMPORARY_FAILURE", null, true],
    ["NETWORK_OUT_OF_ORDER", 502, true],
    ["RECOVERY_ON_TIMER_EXPIRE", 408, true],
    ["RECOVERY_ON_TIMER_EXPIRE", 504, true],
    ["INCOMPATIBLE_DESTINATION", 488, true],
    ["NORMAL_CIRCUIT_CONGESTION", 503, true],
    ["GATEWAY_DOWN", null, true],
    ["INVALID_GATEWAY", null, true],
    // Our login, and no callee.
    ["CALL_REJECTED", 401, true],
    ["CALL_REJECTED", 407, true],
    ["CALL_REJECTED", 403, false],
    ["CALL_REJECTED", 603, false],
    ["USER_BUSY", 486, false],
    ["USER_BUSY", 600, false],
    // A Reason says more than the status.
    ["USER_BUSY", 503, false],
    ["UNALLOCATED_NUMBER", 404, false],
    ["NO_ROUTE_DESTINATION", 604, false],
    ["NUMBER_CHANGED", 410, false],
    ["INVALID_NUMBER_FORMAT", 484, false],
    ["NO_USER_RESPONSE", 480, false],
    ["NO_ANSWER", null, false],
    ["ALLOTTED_TIMEOUT", null, false],
    ["ORIGINATOR_CANCEL", 487, false],
    ["LOSE_RACE", null, false],
    ["NORMAL_CLEARING", null, false],
    ["NORMAL_UNSPECIFIED", 499, false],
  ] as const) {
    it(`${cause}${sipStatus === null ? "" : ` with ${sipStatus}`}: ${may ? "yes" : "no"}`, () =>
      assert.equal(isTechnical({ cause, sipStatus }), may));
  }

  const s = 1_000_000;
  for (const [what, endedAtUs, nowMs, may] of [
    ["after a trunk that said nothing at all", 8.1 * s, 8_100, true],
    ["not after one that took 408 for half a minute, and may have rung", 32 * s, 32_000, false],
    ["not after a second one that said nothing", 16.2 * s, 16_200, false],
    ["not once the first end was heard of late", 1 * s, 11_500, false],
  ] as const)
    it(what, () => assert.equal(isInTime({ beganUs: 0, endedAtUs, nowMs }), may));
});

describeOnSwitch("a leg whose trunk failed, when the controller dies", function () {
  this.timeout(60_000);
  let here: World;
  let first: RefusingCarrier;
  /** What the controller that is to die makes of the second attempt. */
  let atSecond: "send" | "wait" | "lose" = "send";
  let reached = Promise.withResolvers<undefined>();
  let lost = Promise.withResolvers<never>();
  let originates = 0;

  const tap = (box: Box): Box =>
    interferedBox(box, {
      question(question, _leg, ask) {
        if (question !== "originate" || ++originates === 1 || atSecond === "send") return ask();
        reached.resolve(undefined);
        return lost.promise;
      },
      connected: () => atSecond !== "wait" || originates === 0,
    });

  before(async () => {
    first = await startRefusingCarrier();
    here = await world({
      tap,
      trunks: (second) => oneAfterAnother(first, second),
    });
    await here.trunksLoaded("baringo", "safari");
  });
  beforeEach(() => {
    atSecond = "send";
    originates = 0;
    reached = Promise.withResolvers<undefined>();
    lost = Promise.withResolvers<never>();
  });
  after(async () => {
    await here.end();
    first.close();
  });

  /** Calls that each carrier had, over all. */
  const rings = async () => [first.invites(), (await here.carrier.calls()).length] as const;

  it("before the next attempt is sent, the next controller sends it, once", async () => {
    const [refused, rang] = await rings();
    atSecond = "wait";
    const call = await here.place({ to: answers });
    await here.event(call, "leg.failed_over");
    await here.stopController();
    atSecond = "send";
    await here.control();
    const seen = await here.ended(call);
    assert.equal(seen.status, "completed");
    assert.deepEqual(
      seen.legs[0]!.attempts.map(({ trunk }) => trunk),
      ["safari", "baringo"],
    );
    assert.deepEqual(await rings(), [refused + 1, rang + 1]);
  });

  it("after it was marked sent, nobody sends it again, and the leg fails honestly", async () => {
    const [refused, rang] = await rings();
    atSecond = "lose";
    const call = await here.place({ to: answers });
    await reached.promise;
    const dying = here.stopController();
    lost.reject(new SautikitError("switch.unknown_outcome"));
    await dying;
    atSecond = "send";
    await here.control();
    const seen = await here.ended(call, 40_000);
    assert.equal(seen.failure_code, "controller_restarted");
    assert.equal(seen.cost_minor, 0);
    assert.equal(seen.legs[0]!.attempts.length, 2);
    assert.deepEqual(await rings(), [refused + 1, rang]);
  });

  it("while the second attempt talks, the next controller adopts it under its other name", async () => {
    const call = await here.place({ to: "+254700000110" });
    await here.event(call, "call.answered");
    const { legs } = await here.view(call);
    assert.deepEqual(
      legs[0]!.attempts.map(({ trunk }) => trunk),
      ["safari", "baringo"],
    );
    await here.control();
    await here.event(call, "leg.reconciled");
    await here.hangUp(call);
    const seen = await here.ended(call);
    assert.equal(seen.status, "completed");
    assert.ok(seen.legs[0]!.billed_seconds >= 1);
  });
});

describeOnSwitch("a leg whose trunk failed, and that is streamed over the next", function () {
  this.timeout(60_000);
  let here: World;
  let first: RefusingCarrier;
  let bot: Awaited<ReturnType<typeof startBot>>;
  /** The failed attempt's channel is called as its leg. */
  const record = Promise.withResolvers<undefined>();
  let tellAgain: (() => void) | null = null;
  before(async () => {
    first = await startRefusingCarrier();
    bot = await startBot();
    here = await world({
      tap: (box) =>
        interferedBox(box, {
          event(event, tell) {
            if (event.kind === "hungUp") tellAgain ??= tell;
            tell();
          },
        }),
      beforeEndRecord: (channel) => (channel.startsWith("leg_") ? record.promise : undefined),
      trunks: (second) => oneAfterAnother(first, second),
    });
    await here.trunksLoaded("baringo", "safari");
  });
  after(async () => {
    bot.stop();
    await here.end();
    first.close();
  });

  it("streams on when the end of the failed attempt is told late: by its record, or once more", async () => {
    const call = await here.place({ to: "+254700000001", actions: [{ stream: { url: bot.url } }] });
    const seen = await bot.call();
    await seen.until("audio", () => seen.of("media").length >= 10);
    const { legs } = await here.view(call);
    assert.equal(legs[0]!.attempts.length, 2);
    const records = () =>
      readdirSync(join(here.peer.spoolDir, "cdr")).filter((name) => name.startsWith("leg_"));
    assert.equal(records().length, 1, "the failed attempt's record waits");

    for (const tell of [() => record.resolve(undefined), tellAgain!]) {
      tell();
      await eventually("the record, taken in", () => records().length === 0 || undefined);
      const heard = seen.of("media").length;
      await seen.until("a second of audio more", () => seen.of("media").length >= heard + 50);
    }
    assert.deepEqual(seen.of("stop"), []);
    await here.hangUp(call);
    await here.ended(call);
  });
});

describeOnSwitch("a leg whose trunk failed, told by a clock that was set", function () {
  this.timeout(60_000);
  let here: World;
  let first: RefusingCarrier;
  let aheadMs = 0;
  const nowMs = () => systemClock.nowMs() + aheadMs;

  before(async () => {
    first = await startRefusingCarrier();
    here = await world({
      clock: { ...systemClock, nowMs, nowUs: () => nowMs() * 1000 },
      trunks: (second) => oneAfterAnother(first, second),
    });
    await here.trunksLoaded("baringo", "safari");
  });
  after(async () => {
    await here.end();
    first.close();
  });

  for (const [which, byMs] of [
    ["forward", 3_600_000],
    ["back", -3_600_000],
  ] as const)
    it(`${which} by an hour, goes on with the next one all the same`, async () => {
      aheadMs = byMs;
      const seen = await here.ended(await here.place({ to: answers }));
      assert.deepEqual(
        seen.legs[0]!.attempts.map(({ trunk }) => trunk),
        ["safari", "baringo"],
      );
    });
});
