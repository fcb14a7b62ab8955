import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { chance } from "../calls/troubled-box.ts";
import { describeOnSwitch } from "../peers/switch-under-test.ts";
import { eventually } from "../peers/waiting.ts";
import { wavSeconds } from "../world/customer.ts";
import { nairobi, TestWorld } from "../world/world.ts";
import { findingsOf } from "./auditor/auditor.ts";
import { checkAtRest, checkCharge, checkChargeOf, checkRecording, checkTold, rungTimes } from "./checks.ts";
import { ProxiedWorld } from "./proxied-world.ts";
import { Witness } from "./witness.ts";

const wanjiru = "+254700000001";
const otieno = "+254700000002";
const hangsUpAfter3s = "+254700000103";

describeOnSwitch("a controller that is killed, and back after 5 s", function () {
  this.timeout(60_000);
  let world: TestWorld;
  let witness: Witness;
  /** Wanjiru and Otieno talk on through it. */
  let talking: string;
  /** Otieno hangs up while the controller is away. */
  let ended: string;

  before(async () => {
    world = await TestWorld.start();
    witness = await Witness.of(world);
    const { customer, inbox } = world;
    talking = await customer.place({
      ...{ from: nairobi, to: wanjiru, events_url: inbox.url, record: true },
      actions: [{ dial: { number: otieno, record: true } }, { wait: { seconds: 1 } }],
    });
    await customer.until(talking, "the two joined", ({ events }) =>
      events.some(({ kind }) => kind === "leg.bridged"),
    );
    ended = await customer.place({ from: nairobi, to: hangsUpAfter3s, events_url: inbox.url, record: true });
    await customer.until(ended, "its answer", ({ status }) => status === "answered");
    await world.killSautikit();
    await sleep(5_000);
    await world.startSautikit();
  });
  after(async () => {
    await witness.stop();
    await world.end();
  });

  it("finds the call that Otieno ended meanwhile charged to the exact second, once, with its recording", async () => {
    const call = await world.customer.ended(ended);
    assert.equal(call.status, "completed");
    assert.equal(call.hangup_cause, "normal_clearing");
    const [leg] = call.legs;
    assert.ok(leg);
    const seen = await world.carrier.calls();
    const theirs = seen.find(({ number }) => number === hangsUpAfter3s);
    await checkChargeOf(world, leg, witness.ends, theirs);
    const known = call.events.find(({ kind }) => kind === "leg.ended");
    assert.equal(known?.payload["known_by"], "end_record");
    await world.inbox.kind(ended, "call.recording.ready");
    checkTold(world, call);
    await checkRecording(world, call, leg);
  });

  it("finds the call that is still up, hangs it up when told, and charges every second of it", async () => {
    const { customer } = world;
    const up = await customer.call(talking);
    assert.equal(up.status, "answered");
    assert.ok(up.duration_seconds >= 5);
    await customer.until(talking, "twelve seconds of talk", ({ duration_seconds }) => duration_seconds >= 9);
    await customer.hangUp(talking);
    const call = await customer.ended(talking);
    assert.equal(call.status, "completed");
    const seen = await world.carrier.calls();
    for (const leg of call.legs) {
      const theirs = seen.find(({ number }) => number === leg.to);
      await checkChargeOf(world, leg, witness.ends, theirs);
    }
    await world.inbox.kind(talking, "call.recording.ready", 2);
    checkTold(world, call);
    for (const leg of call.legs) await checkRecording(world, call, leg);
  });

  it("was not missed by the two who talked: each heard the other without a break", async () => {
    const seen = await world.carrier.calls();
    for (const [number, hz] of [
      [wanjiru, 880],
      [otieno, 440],
    ] as const) {
      const call = seen.find((candidate) => candidate.number === number);
      // Wanjiru's first and last second are in part ringback, or the time before and after.
      const heard = call!.heard.filter((tone) => tone.hz !== null && Math.abs(tone.hz - hz) <= 3);
      assert.equal(heard.length, 1, JSON.stringify(call!.heard));
      assert.ok(heard[0]!.seconds >= 7, JSON.stringify(call!.heard));
      assert.equal(call!.packets?.lost, 0);
    }
  });

  it("leaves the books in order", () => world.verifyLedger());

  it("stands up to the auditor", async () => {
    await world.customer.hangUp(talking);
    await world.audit();
  });
});

/** So many kills, each at another moment of some call's life. */
const rounds = 22;

describeOnSwitch(`a controller that is killed ${rounds} times, at any moment`, function () {
  this.timeout(150_000);
  const seed = Number(process.env["SAUTIKIT_SEED"] ?? Date.now() % 2 ** 31);
  const draw = chance(seed);
  let world: TestWorld;
  let witness: Witness;
  /** One a round: placed with an Idempotency-Key, asked for again until the answer came. */
  const retried: { number: string; ids: Set<string>; callId: string }[] = [];
  /** One a round, at whatever stage the kill finds it: ringing, answered, playing, dialling, talking. */
  const documents: { caller: string; callee: string; callId: string }[] = [];

  before(async () => {
    world = await TestWorld.start();
    witness = await Witness.of(world);
    for (let round = 0; round < rounds; round++) await oneRound(10_000 + round).catch(withSeed);
    for (const { callId } of [...retried, ...documents]) await world.customer.hangUp(callId);
  });
  after(async () => {
    await witness.stop();
    await world.end();
  });

  async function oneRound(suffix: number): Promise<void> {
    const { customer, inbox } = world;
    const document = { caller: `+2547121${suffix}`, callee: `+2547122${suffix}` };
    const actions = [
      { play: { url: inbox.promptUrl } },
      { dial: { number: document.callee } },
      { hangup: {} },
    ];
    const callId = await customer.place({
      from: nairobi,
      to: document.caller,
      events_url: inbox.url,
      actions,
    });
    documents.push({ ...document, callId });
    await sleep(draw() * 2_500);
    const kept = { number: `+2547123${suffix}`, ids: new Set<string>(), callId: "" };
    const placing = placeThroughTheKill(kept, `round ${suffix}`);
    placing.catch(() => undefined);
    await sleep(draw() * 40);
    await world.killSautikit();
    await world.startSautikit();
    await placing;
    retried.push(kept);
  }

  /** What a careful client does: the same request with the same key until there is an answer that it can keep. */
  async function placeThroughTheKill(kept: (typeof retried)[number], key: string): Promise<void> {
    const body = { from: nairobi, to: kept.number, events_url: world.inbox.url };
    const answered = () =>
      eventually(
        `an answer for ${key}`,
        async () => {
          const answer = await world.customer.ask("POST", "/v1/calls", {
            body,
            headers: { "idempotency-key": key },
          });
          return answer.status === 201 ? answer : undefined;
        },
        { everyMs: 20 },
      );
    // Once more than needed, to be sure of it.
    for (const answer of [await answered(), await answered()]) {
      kept.callId = String(answer.body.id);
      kept.ids.add(kept.callId);
    }
  }

  function withSeed(error: unknown): never {
    throw new Error(`SAUTIKIT_SEED=${seed}: ${String(error)}`, { cause: error });
  }
  /** A failure that can be tried again says with which seed. */
  const seeded = (title: string, body: () => Promise<void>) => it(title, () => body().catch(withSeed));

  seeded("ends every call, and charges each leg what its stamps say", async () => {
    for (const { callId } of [...retried, ...documents]) {
      const call = await world.customer.ended(callId, 30_000);
      for (const leg of call.legs) await checkCharge(world, leg);
      assert.equal(
        call.cost_minor,
        call.legs.reduce((sum, leg) => sum + leg.cost_minor, 0),
      );
    }
  });

  seeded("rings a retried call's phone once, under one id", async () => {
    let rung = 0;
    for (const { number, ids, callId } of retried) {
      assert.equal(ids.size, 1, `${number} has one call`);
      const call = await world.customer.call(callId);
      const invites = await rungTimes(world, number);
      rung += invites;
      if (invites === 1) continue;
      // Killed between the mark that it is sent and its sending: nobody knows, so it is not sent again.
      assert.equal(invites, 0, `${number} rang ${invites} times`);
      assert.equal(call.failure_code, "controller_restarted");
    }
    assert.ok(rung >= rounds * 0.7, `only ${rung} of ${rounds} were dialled at all`);
  });

  seeded("never rings anybody twice, and charges as the carrier saw it", async () => {
    const seen = await world.carrier.calls();
    for (const { caller, callee, callId } of documents) {
      const call = await world.customer.call(callId);
      for (const number of [caller, callee]) {
        const theirs = seen.filter((candidate) => candidate.number === number);
        assert.ok(theirs.length <= 1, `${number} rang ${theirs.length} times`);
        const leg = call.legs.find(({ to }) => to === number);
        if (!leg || theirs[0]?.answered_at == null) continue;
        await checkChargeOf(world, leg, witness.ends, theirs[0]);
      }
    }
  });

  seeded("tells each call's end once", async () => {
    for (const { callId } of [...retried, ...documents]) {
      const call = await world.customer.call(callId);
      const { kind } = call.events.find((event) => /^call\.(completed|failed)$/.test(event.kind))!;
      await world.inbox.kind(callId, kind);
      checkTold(world, call);
      const told = call.events.filter((event) => event.kind.startsWith("call."));
      assert.deepEqual(
        told.map(({ payload }) => payload["sequence"]),
        told.map((_, index) => index + 1),
      );
    }
  });

  seeded("leaves no intent, and the books in order", async () => {
    await checkAtRest(world);
  });

  seeded("stands up to the auditor", () => world.audit());
});

describeOnSwitch("a switch that is killed during calls", function () {
  this.timeout(60_000);
  let world: TestWorld;
  let talking: string;
  let ringing: string;
  let killedAtMs: number;

  before(async () => {
    world = await TestWorld.start();
    const { customer, inbox } = world;
    talking = await customer.place({ from: nairobi, to: wanjiru, events_url: inbox.url, record: true });
    await customer.until(talking, "four seconds of talk", ({ duration_seconds }) => duration_seconds >= 4);
    ringing = await customer.place({ from: nairobi, to: "+254700000180", events_url: inbox.url });
    await customer.until(ringing, "ringing", ({ status }) => status === "ringing");
    killedAtMs = Date.now();
    await world.killSwitch();
    await world.startSwitch();
    // A controller that has seen the new switch is no more needed for it than any other.
    await eventually("the new switch's connection", async () => {
      const { status } = await customer.ask("GET", "/readyz");
      return status === 200 ? true : undefined;
    });
    await world.killSautikit();
    await world.startSautikit();
  });
  after(() => world.end());

  it("ends the call that was up, charged to the last proven second and never over", async () => {
    const call = await world.customer.ended(talking, 30_000);
    assert.equal(call.status, "completed");
    assert.equal(call.hangup_cause, "normal_temporary_failure");
    const [leg] = call.legs;
    await checkCharge(world, leg!);
    const known = call.events.find(({ kind }) => kind === "leg.ended");
    assert.equal(known?.payload["known_by"], "last_proven");
    const shortMs = killedAtMs - Date.parse(leg!.ended_at!);
    assert.ok(shortMs >= -5 && shortMs <= 2_000, `ended ${shortMs} ms before the kill`);
    await world.inbox.kind(talking, "call.completed");
    checkTold(world, call);
    // What it wrote before it died is kept.
    await world.inbox.kind(talking, "call.recording.ready");
    const wav = await world.customer.download(talking, leg!.recording_ids[0]!);
    assert.ok(wavSeconds(wav) >= 2, `${wavSeconds(wav)} s recorded`);
  });

  it("fails the call that rang, free of charge, and says why", async () => {
    const call = await world.customer.ended(ringing, 30_000);
    assert.equal(call.status, "failed");
    assert.equal(call.failure_code, "switch_failed");
    assert.equal(call.cost_minor, 0);
  });

  it("takes calls again, and the books are in order", async () => {
    const { customer, inbox } = world;
    const id = await customer.place({ from: nairobi, to: otieno, events_url: inbox.url });
    await customer.until(id, "its answer", ({ status }) => status === "answered");
    await customer.hangUp(id);
    assert.equal((await customer.ended(id)).status, "completed");
    await world.verifyLedger();
  });

  it("stands up to the auditor", () => world.audit());
});

describeOnSwitch("a switch that is killed again before its first death was made up for", function () {
  this.timeout(60_000);
  let world: TestWorld;
  before(async () => {
    world = await TestWorld.start();
  });
  after(() => world.end());

  it("has the call that died first charged to its first death", async () => {
    const { customer, inbox } = world;
    const talking = await customer.place({ from: nairobi, to: wanjiru, events_url: inbox.url });
    await customer.until(talking, "two seconds of talk", ({ duration_seconds }) => duration_seconds >= 2);
    const killedAtMs = Date.now();
    await world.killSwitch();
    await world.startSwitch();
    await eventually("the new switch's connection", async () => {
      const { status } = await customer.ask("GET", "/readyz");
      return status === 200 ? true : undefined;
    });
    // It is proven alive, as the call's own switch no longer is.
    await sleep(2_500);
    await world.killSwitch();
    await world.startSwitch();
    const call = await customer.ended(talking, 30_000);
    const shortMs = killedAtMs - Date.parse(call.legs[0]!.ended_at!);
    assert.ok(shortMs >= -5 && shortMs <= 2_000, `ended ${shortMs} ms before the kill`);
    await world.audit();
  });
});

describeOnSwitch("a switch that is killed seconds after it was last heard", function () {
  this.timeout(60_000);
  let on: ProxiedWorld;
  before(async () => {
    on = await ProxiedWorld.start();
  });
  after(() => on.end());

  it("has its call charged as far as it was proven, which the auditor knows to the heartbeat", async () => {
    const { world, proxy } = on;
    const { customer, inbox } = world;
    const talking = await customer.place({ from: nairobi, to: wanjiru, events_url: inbox.url });
    await customer.until(talking, "four seconds of talk", ({ duration_seconds }) => duration_seconds >= 4);
    proxy.rule = () => "drop";
    const silentMs = Date.now();
    await sleep(2_600);
    await world.killSwitch();
    proxy.rule = () => "pass";
    await world.startSwitch();
    const [leg] = (await customer.ended(talking, 30_000)).legs;
    const overMs = Date.parse(leg!.ended_at!) - silentMs;
    assert.ok(overMs <= 5, `ended ${overMs} ms after it was last heard`);
    await world.audit();
    const evidence = await world.auditor.gather();
    const cdr = evidence.books.cdrs.find(({ leg_id }) => leg_id === leg!.id)!;
    cdr.ended_at_us = cdr.answered_at_us! + 1_000n;
    const charged = new RegExp(`${leg!.id} .*charged to \\d+ ms before the last moment`);
    assert.ok(findingsOf(evidence).some((line) => charged.test(line)));
  });
});
