import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { command, type Passing, type Verdict } from "../peers/esl-proxy.ts";
import { sideBySide } from "../peers/side-by-side.ts";
import { describeOnSwitch } from "../peers/switch-under-test.ts";
import type { ApiCall } from "../world/customer.ts";
import { checkAtRest, rungTimes } from "./checks.ts";
import { legTo, type Pair } from "./pairs.ts";
import { ProxiedWorld } from "./proxied-world.ts";

/** A heartbeat a second, each given three; and a moment for whoever looks. */
const noticedMsMax = 5_500;
/** What could not be sent for so long fails; a sweep a second finds it. */
const notSentMsMax = 12_500;
const worldsAtOnce = 3;

describeOnSwitch("an event socket", function () {
  this.timeout(150_000);
  const worlds: ProxiedWorld[] = [];
  const free: ProxiedWorld[] = [];

  before(async () => {
    const starting = Array.from({ length: worldsAtOnce }, () => ProxiedWorld.start());
    for (const started of await Promise.allSettled(starting))
      if (started.status === "fulfilled") worlds.push(started.value);
    assert.equal(worlds.length, worldsAtOnce);
    free.push(...worlds);
  });
  after(async () => {
    await Promise.all(worlds.map((on) => on.end()));
  });
  const together = sideBySide(worldsAtOnce);

  /** In a world that nobody else uses meanwhile, and that is left as it was. */
  function disturbed(title: string, body: (on: ProxiedWorld) => Promise<void>): void {
    together(title, async () => {
      const on = free.pop()!;
      try {
        await body(on);
        await checkAtRest(on.world);
      } finally {
        on.proxy.rule = () => "pass";
        free.push(on);
      }
    });
  }

  async function finishAsEver(on: ProxiedWorld, pair: Pair): Promise<ApiCall> {
    const call = await on.pairs.finish(pair);
    await on.pairs.checkAsEver(call, pair);
    return call;
  }

  /** A call that nobody was rung for, and nobody pays. */
  async function checkFailed(on: ProxiedWorld, call: ApiCall, pair: Pair, code: string): Promise<void> {
    assert.equal(call.status, "failed");
    assert.equal(call.failure_code, code);
    assert.equal(call.cost_minor, 0);
    assert.equal(await rungTimes(on.world, pair.caller), 0);
  }

  /** What goes to one side is kept back, until it arrives; no more of it after `noMore`. */
  function stall(on: ProxiedWorld, side: Passing["to"]): { noMore: () => void; arrives: () => void } {
    const arrival = Promise.withResolvers<Verdict>();
    on.proxy.rule = ({ to }) => (to === side ? arrival.promise : "pass");
    return { noMore: () => (on.proxy.rule = () => "pass"), arrives: () => arrival.resolve("pass") };
  }

  async function noticed(on: ProxiedWorld): Promise<void> {
    const sinceMs = performance.now();
    await on.away();
    const afterMs = performance.now() - sinceMs;
    assert.ok(afterMs <= noticedMsMax, `noticed after ${afterMs} ms`);
  }

  for (const [what, cut] of [
    ["is reset", (on: ProxiedWorld) => on.proxy.cut()],
    ["is closed by the switch, with its farewell", (on: ProxiedWorld) => on.proxy.farewell()],
  ] as const) {
    disturbed(`that ${what} is opened anew, and the calls go on`, async (on) => {
      const [talking, placed] = [on.pairs.next(), on.pairs.next()];
      await on.pairs.talk(talking);
      cut(on);
      await on.pairs.place(placed);
      await on.pairs.untilTalking(placed);
      await finishAsEver(on, placed);
      await finishAsEver(on, talking);
    });
  }

  disturbed(
    "that is reset again and again costs nobody more than a call that is told as failed",
    async (on) => {
      const pairs = Array.from({ length: 6 }, () => on.pairs.next());
      const cutting = setInterval(() => on.proxy.cut(), 180);
      for (const pair of pairs) {
        await on.pairs.place(pair);
        await sleep(500);
      }
      clearInterval(cutting);
      await sleep(6_000);
      let talked = 0;
      for (const pair of pairs) {
        const call = await on.pairs.finish(pair);
        for (const leg of call.legs) {
          const rang = await rungTimes(on.world, leg.to);
          if (leg.status === "completed") talked += rang;
          else assert.deepEqual([leg.status, leg.cost_minor, rang], ["failed", 0, 0], JSON.stringify(leg));
        }
      }
      assert.ok(talked >= pairs.length, `${talked} legs talked`);
    },
  );

  disturbed(
    "that swallows all without a word is given up in seconds, and what was under way is found out",
    async (on) => {
      const [talking, hungUp, lost, dialled] = [
        on.pairs.next(),
        on.pairs.next(),
        on.pairs.next(),
        on.pairs.next(),
      ];
      await Promise.all([on.pairs.talk(talking), on.pairs.talk(hungUp)]);
      const reaches = command(/^bgapi originate/, dialled.caller);
      on.proxy.rule = (passing) => (reaches(passing) ? "pass" : "drop");
      const silentSinceMs = performance.now();
      await Promise.all([on.pairs.place(lost), on.pairs.place(dialled)]);
      await on.world.customer.hangUp(hungUp.callId);
      await on.away();
      const noticedMs = performance.now() - silentSinceMs;
      assert.ok(noticedMs <= noticedMsMax, `noticed after ${noticedMs} ms`);
      on.proxy.rule = () => "pass";
      await finishAsEver(on, hungUp);
      await on.pairs.untilTalking(dialled);
      await finishAsEver(on, dialled);
      await finishAsEver(on, talking);
      await checkFailed(on, await on.pairs.check(lost), lost, "controller_restarted");
    },
  );

  disturbed("that hears nothing is given up in seconds, and what it missed is found out", async (on) => {
    const [talking, placed] = [on.pairs.next(), on.pairs.next()];
    await on.pairs.talk(talking);
    const stalled = stall(on, "sautikit");
    await on.pairs.place(placed);
    await noticed(on);
    stalled.noMore();
    stalled.arrives();
    await on.pairs.untilTalking(placed);
    await finishAsEver(on, placed);
    await finishAsEver(on, talking);
  });

  disturbed("that is not heard is given up in seconds, and what was sent on it is never run", async (on) => {
    const [talking, placed] = [on.pairs.next(), on.pairs.next()];
    await on.pairs.talk(talking);
    const stalled = stall(on, "switch");
    await on.pairs.place(placed);
    await noticed(on);
    // The network is well again, but what it has kept back it sends only much later.
    stalled.noMore();
    const call = await on.pairs.check(placed);
    stalled.arrives();
    await sleep(1_500);
    await checkFailed(on, call, placed, "controller_restarted");
    await finishAsEver(on, talking);
  });

  disturbed("that is slow with its events is late, and right", async (on) => {
    on.proxy.rule = async ({ to, text }): Promise<Verdict> => {
      if (to === "sautikit" && text.includes("text/event-json")) await sleep(40);
      return "pass";
    };
    const pairs = Array.from({ length: 4 }, () => on.pairs.next());
    await Promise.all(pairs.map((pair) => on.pairs.talk(pair)));
    await Promise.all(pairs.map((pair) => finishAsEver(on, pair)));
  });

  disturbed("that cannot be had for a while: a call is placed late, or fails in ten seconds", async (on) => {
    const [hungUp, late, tooLate] = [on.pairs.next(), on.pairs.next(), on.pairs.next()];
    await on.pairs.talk(hungUp);
    on.proxy.refuse();
    on.proxy.cut();
    await on.away();
    await on.pairs.place(tooLate);
    const placedMs = performance.now();
    await on.world.customer.hangUp(hungUp.callId);
    await sleep(6_000);
    await on.pairs.place(late);
    await checkFailed(on, await on.pairs.check(tooLate), tooLate, "not_sent");
    const failedMs = performance.now() - placedMs;
    assert.ok(failedMs <= notSentMsMax, `failed after ${failedMs} ms`);
    await on.proxy.admit();
    await on.pairs.untilTalking(late);
    await finishAsEver(on, late);
    await finishAsEver(on, hungUp);
  });

  disturbed("whose reader stood still for 11 seconds: what happened meanwhile is taken in", async (on) => {
    const { world, pairs, witness } = on;
    const [talking, ended, ringing] = [pairs.next(), pairs.next(), pairs.next()];
    const [, leg] = await Promise.all([pairs.talk(talking), pairs.talk(ended)]);
    const dialled = on.proxy.hold(command(/^bgapi originate/, ringing.caller));
    await pairs.place(ringing);
    (await dialled).let("pass");
    world.sautikit.kill("SIGSTOP");
    try {
      await witness.hangUp(leg);
      await sleep(11_000);
    } finally {
      world.sautikit.kill("SIGCONT");
    }
    const call = await pairs.check(ended);
    await pairs.checkAsEver(call, ended);
    assert.ok(legTo(call, ended.caller).billed_seconds <= 6, "charged by the switch's stamps");
    await pairs.untilTalking(ringing);
    await finishAsEver(on, ringing);
    await finishAsEver(on, talking);
  });

  it("leaves all that was done through it to stand up to the auditor", async () => {
    await Promise.all(worlds.map(({ world }) => world.audit()));
  });
});
