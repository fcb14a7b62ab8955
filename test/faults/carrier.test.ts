import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { describeOnSwitch } from "../peers/switch-under-test.ts";
import type { CarrierCallView } from "../peers/carrier-process.ts";
import type { ApiCall } from "../world/customer.ts";
import { nairobi, TestWorld } from "../world/world.ts";
import { checkAtRest, checkEnded } from "./checks.ts";
import { legTo, Pairs, type Pair } from "./pairs.ts";
import { Witness } from "./witness.ts";

/** The scheduler's whole seconds, and two for a machine that is busy. */
const lateSecondsMax = 4;

describeOnSwitch("a carrier that is killed", function () {
  this.timeout(90_000);
  let world: TestWorld;
  let witness: Witness;
  let pairs: Pairs;
  const rings = "+254700000180";
  const ringsFor5s = "+254700000003";
  /** Both talk on, as far as anybody knows, until their customer hangs up. */
  let talking: Pair;
  /** The same, until the time that was allowed to them is over. */
  let limited: Pair;
  /** Rang when the carrier died. */
  let ringing: string;
  /** The first talks, and the second rang when the carrier died. */
  let dialling: string;
  /** Placed while the carrier was dead. */
  let placed: Pair;
  let seenBefore: CarrierCallView[];

  before(async () => {
    world = await TestWorld.start();
    witness = await Witness.of(world);
    pairs = new Pairs(world, witness);
    const { customer, inbox } = world;
    [talking, limited, placed] = [pairs.next(), pairs.next(), pairs.next()];
    await Promise.all([pairs.talk(talking), pairs.talk(limited, { max_duration_seconds: 10 })]);
    const common = { from: nairobi, events_url: inbox.url, ring_timeout_seconds: 6 };
    ringing = await customer.place({ ...common, to: rings });
    dialling = await customer.place({
      ...{ ...common, to: "+254700000001" },
      actions: [{ dial: { number: ringsFor5s, timeout: 6 } }, { wait: { seconds: 1 } }],
    });
    await customer.until(ringing, "ringing", ({ status }) => status === "ringing");
    await customer.until(dialling, "ringing", ({ legs }) => legs[1]?.status === "ringing");
    seenBefore = await world.carrier.calls();
    await world.killCarrier();
    await pairs.place(placed, { ring_timeout_seconds: 6 });
    await sleep(3_000);
    await customer.hangUp(talking.callId);
  });
  after(async () => {
    await witness.stop();
    await world.end();
  });

  async function ended(callId: string): Promise<ApiCall> {
    const call = await world.customer.ended(callId, 40_000);
    await checkEnded(world, witness, call);
    return call;
  }

  const rung = (number: string) => seenBefore.filter((call) => call.number === number).length;

  it("ends calls when their customer hangs up, charged to that moment", async () => {
    const call = await ended(talking.callId);
    assert.equal(call.status, "completed");
    assert.equal(call.hangup_cause, "normal_clearing");
    for (const number of [talking.caller, talking.callee]) {
      assert.ok(legTo(call, number).billed_seconds >= 3);
      assert.equal(rung(number), 1);
    }
  });

  it("ends the other calls at the time allowed to them, and no later", async () => {
    const call = await ended(limited.callId);
    assert.equal(call.status, "completed");
    const { billed_seconds, hangup_cause } = legTo(call, limited.caller);
    assert.equal(hangup_cause, "allotted_timeout");
    assert.ok(billed_seconds >= 10 && billed_seconds <= 10 + lateSecondsMax, `${billed_seconds} s`);
  });

  it("ends what rang, free of charge", async () => {
    // A real switch hears from the kernel that nobody listens there any more, once it sends the carrier anything (here the
    // next call's INVITE), and fails all that waits for it (503). The simulated one never hears it: its ring timer ends them.
    const outcome = world.switch.kind === "freeswitch" ? "failed" : "no_answer";
    const call = await ended(ringing);
    assert.equal(call.status, outcome);
    assert.equal(call.failure_code, outcome === "failed" ? "carrier_failure" : "no_answer");
    assert.equal(call.cost_minor, 0);
    assert.equal(rung(rings), 1);
    const dialled = await ended(dialling);
    assert.equal(legTo(dialled, ringsFor5s).status, outcome);
    assert.equal(legTo(dialled, ringsFor5s).cost_minor, 0);
    assert.equal(
      dialled.events.find(({ kind }) => kind === "call.dial_completed")?.payload["dial_status"],
      outcome,
    );
    assert.equal(dialled.status, "completed");
  });

  it("fails what is placed meanwhile, free of charge", async () => {
    const call = await ended(placed.callId);
    assert.notEqual(call.status, "completed");
    assert.equal(call.answered_at, null);
    assert.equal(call.cost_minor, 0);
  });

  it("is used again when it is back, and rings nobody for the calls before", async () => {
    await world.startCarrier();
    const next = pairs.next();
    await pairs.talk(next);
    const call = await pairs.finish(next);
    await pairs.checkAsEver(call, next);
    const seen = await world.carrier.calls();
    assert.deepEqual(seen.map(({ number }) => number).sort(), [next.caller, next.callee].sort());
    await checkAtRest(world);
  });

  it("stands up to the auditor", () => world.audit());
});
