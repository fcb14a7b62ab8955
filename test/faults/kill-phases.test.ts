import assert from "node:assert/strict";
import { mkdir, readdir, rename } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { command, eventOf, type EslProxy, type Passing } from "../peers/esl-proxy.ts";
import { describeOnSwitch } from "../peers/switch-under-test.ts";
import { eventually } from "../peers/waiting.ts";
import type { ApiCall } from "../world/customer.ts";
import type { TestWorld } from "../world/world.ts";
import { checkAtRest, rungTimes } from "./checks.ts";
import { endKnownBy, legTo, type Pair, type Pairs } from "./pairs.ts";
import { ProxiedWorld } from "./proxied-world.ts";
import { HeldStorage } from "./held-storage.ts";
import type { Witness } from "./witness.ts";

const ringsForEver = "+254700000180";

/** A leg that the switch never had is missed for 5 s after each start; what waits for it is not kept for long. */
const waitedSecondsMax = 25;

/** Brings the pair's call to the point, kills the controller there, and starts it again. */
type Kill = (pair: Pair) => Promise<unknown>;
/** What is to be said of it once it is over, beside what holds of every call. */
type Expectation = (call: ApiCall, pair: Pair) => Promise<void> | void;
/** What is waited for before it is hung up, while other calls have their turn. */
type Meanwhile = (pair: Pair) => Promise<unknown>;

describeOnSwitch("a controller that is killed while a call", function () {
  this.timeout(180_000);
  let on: ProxiedWorld;
  let world: TestWorld;
  let witness: Witness;
  let proxy: EslProxy;
  let pairs: Pairs;
  let storage: HeldStorage;
  const phases: { kill: Kill; then: Expectation; meanwhile: Meanwhile; outcome: Promise<void> }[] = [];

  function phase(
    title: string,
    kill: Kill,
    then: Expectation,
    meanwhile: Meanwhile = () => Promise.resolve(),
  ): void {
    const phase = { kill, then, meanwhile, outcome: Promise.resolve() };
    phases.push(phase);
    it(title, () => phase.outcome);
  }

  before(async () => {
    storage = await HeldStorage.start();
    on = await ProxiedWorld.start(storage.env);
    ({ world, proxy, witness, pairs } = on);
    for (const phase of phases) {
      const pair = pairs.next();
      const killed = phase.kill(pair);
      phase.outcome = killed.then(() => finish(pair, phase));
      phase.outcome.catch(() => undefined);
      // One that failed is told of by its own test.
      await killed.catch(() => (world.sautikit.running ? undefined : world.startSautikit()));
      await on.ready();
    }
  });
  after(async () => {
    await on.end();
    await storage.close();
  });

  async function finish(pair: Pair, { meanwhile, then }: (typeof phases)[number]): Promise<void> {
    await meanwhile(pair);
    await then(await pairs.finish(pair), pair);
  }

  async function killAndStart(between: () => Promise<void> | void = () => undefined): Promise<void> {
    await world.killSautikit();
    await between();
    await world.startSautikit();
  }

  /**
   * Kills while such a frame is on its way, which `act` brings about. It is lost with the controller, or arrives after
   * its end.
   */
  async function killAt(
    when: (passing: Passing) => boolean,
    act: () => Promise<unknown>,
    fate: "drop" | "pass" = "drop",
  ): Promise<void> {
    const point = proxy.hold(when);
    const [held] = await Promise.all([point, act()]);
    await killAndStart(() => held.let(fate));
  }

  const record = (pair: Pair, state: "on" | "off") =>
    world.customer
      .ask("PATCH", `/v1/calls/${pair.callId}/recording`, { body: { state } })
      .then(({ status, body }) => assert.equal(status, 200, JSON.stringify(body)));

  const asEver: Expectation = (call, pair) => pairs.checkAsEver(call, pair);

  phase(
    "waits for a switch that is away",
    async (pair) => {
      proxy.refuse();
      proxy.cut();
      await on.away();
      await pairs.place(pair);
      await killAndStart(() => proxy.admit());
      await pairs.untilTalking(pair);
    },
    asEver,
  );

  phase(
    "is on its way to the switch, and arrives there after the controller's end",
    async (pair) => {
      await killAt(command(/^bgapi originate/, pair.caller), () => pairs.place(pair), "pass");
      await pairs.untilTalking(pair);
    },
    asEver,
  );

  phase(
    "is dialled, and the switch's reply is on its way",
    async (pair) => {
      const originate = proxy.hold(command(/^bgapi originate/, pair.caller));
      const [held] = await Promise.all([originate, pairs.place(pair)]);
      const [, job = "none"] = /Job-UUID: (\S+)/.exec(held.text) ?? [];
      const reply = ({ to, text }: Passing) => to === "sautikit" && text.includes(job);
      await killAt(reply, () => Promise.resolve(held.let("pass")));
      await pairs.untilTalking(pair);
    },
    asEver,
  );

  for (const [title, event, whose] of [
    ["rings", "CHANNEL_PROGRESS", "caller"],
    ["is answered", "CHANNEL_ANSWER", "caller"],
    ["rings at its second leg", "CHANNEL_PROGRESS", "callee"],
    ["is answered at its second leg", "CHANNEL_ANSWER", "callee"],
    ["is joined", "CHANNEL_BRIDGE", "callee"],
  ] as const) {
    phase(
      `${title}, and nobody was told`,
      async (pair) => {
        await killAt(eventOf(event, pair[whose]), () => pairs.place(pair));
        await pairs.untilTalking(pair);
      },
      asEver,
    );
  }

  /** Both of the pair ring beside a phone that nobody picks up. */
  const several = ({ caller, callee }: Pair) => ({
    to: [ringsForEver, caller],
    actions: [{ dial: { numbers: [ringsForEver, callee], record: true } }, { wait: { seconds: 1 } }],
  });
  for (const [title, event, whose] of [
    ["rings several", "CHANNEL_PROGRESS", "caller"],
    ["is answered by one of several", "CHANNEL_ANSWER", "caller"],
    ["rings several for its second leg", "CHANNEL_PROGRESS", "callee"],
    ["is answered by one of several at its second leg", "CHANNEL_ANSWER", "callee"],
  ] as const) {
    phase(
      `${title}, and nobody was told`,
      async (pair) => {
        await killAt(eventOf(event, pair[whose]), () => pairs.place(pair, several(pair)));
        await pairs.untilTalking(pair);
      },
      async (call, pair) => {
        await asEver(call, pair);
        assert.equal(call.legs[0], legTo(call, pair.caller));
        const lost = call.legs.filter(({ to }) => to === ringsForEver);
        assert.deepEqual(
          lost.map(({ status, cost_minor }) => [status, cost_minor]),
          [
            ["canceled", 0],
            ["canceled", 0],
          ],
        );
      },
    );
  }

  phase(
    "talks",
    async (pair) => {
      await pairs.talk(pair);
      await killAndStart();
      await pairs.untilTalking(pair);
    },
    asEver,
  );

  for (const [title, state, point] of [
    [
      "is to be recorded, and the command is lost with the controller",
      "on",
      (leg: string) => command(/^api uuid_record \S+ start/, leg),
    ],
    ["begins to be recorded, and nobody was told", "on", (leg: string) => eventOf("RECORD_START", leg)],
    [
      "is to be recorded no more, and the command is lost with the controller",
      "off",
      (leg: string) => command(/^api uuid_record \S+ stop/, leg),
    ],
    ["is recorded no more, and nobody was told", "off", (leg: string) => eventOf("RECORD_STOP", leg)],
  ] as const) {
    phase(
      title,
      async (pair) => {
        const leg = await pairs.talk(pair, { record: state === "off" });
        await killAt(point(leg), () => record(pair, state));
        await sleep(1_000);
      },
      asEver,
    );
  }

  phase(
    "is hung up by its customer, and the command is lost with the controller",
    async (pair) => {
      const leg = await pairs.talk(pair);
      await killAt(command(/^api uuid_kill/, leg), () => world.customer.hangUp(pair.callId));
    },
    asEver,
  );

  phase(
    "has ended at the switch, and nobody was told: its record tells of it",
    async (pair) => {
      const leg = await pairs.talk(pair);
      await killAt(eventOf("CHANNEL_HANGUP_COMPLETE", leg), () => witness.hangUp(leg));
    },
    async (call, pair) => {
      await asEver(call, pair);
      assert.equal(endKnownBy(call, legTo(call, pair.caller)), "end_record");
    },
  );

  phase(
    "is being settled",
    async (pair) => {
      const leg = await pairs.talk(pair);
      const [callee] = (await world.customer.call(pair.callId)).legs.filter(({ id }) => id !== leg);
      const unlock = await world.lockDatabase();
      // Both ends are taken, and wait for the database.
      const ends = [leg, callee!.id].map((id) => proxy.hold(eventOf("CHANNEL_HANGUP_COMPLETE", id)));
      for (const end of ends) void end.then((held) => held.let("pass"));
      await witness.hangUp(leg);
      await Promise.all(ends);
      await sleep(700);
      await killAndStart(unlock);
    },
    asEver,
  );

  for (const point of ["nothing has arrived", "nobody was told that it has arrived"] as const) {
    phase(
      `is over, and its recording is being uploaded, and ${point}`,
      async (pair) => {
        const leg = await pairs.talk(pair);
        const [recording] = legTo(await world.customer.call(pair.callId), pair.caller).recording_ids;
        await Promise.all([storage.hold(recording!, point), witness.hangUp(leg)]);
        await killAndStart(() => storage.letThrough());
      },
      async (call, pair) => {
        await asEver(call, pair);
        for (const { recording_ids } of call.legs) assert.equal(await storage.objects(recording_ids[0]!), 1);
      },
    );
  }

  const records = () => join(world.switch.spoolDir, "cdr");
  const elsewhere = () => join(world.folder, "late");
  const recordOf = (leg: string) => `${leg}.cdr.json`;
  phase(
    "ends while it is away, and the record of it comes late: until then the call is not over, then it is charged exactly",
    async (pair) => {
      const leg = await pairs.talk(pair);
      await mkdir(elsewhere());
      await killAndStart(async () => {
        await witness.hangUp(leg);
        await eventually("the record", async () =>
          (await readdir(records())).includes(recordOf(leg)) ? true : undefined,
        );
        await sleep(100);
        await rename(join(records(), recordOf(leg)), join(elsewhere(), recordOf(leg)));
      });
    },
    async (call, pair) => {
      await asEver(call, pair);
      assert.equal(endKnownBy(call, legTo(call, pair.caller)), "end_record");
    },
    async (pair) => {
      // Longer than is waited where there can be no record.
      await sleep(7_000);
      const call = await eventually("the call", () => world.customer.call(pair.callId));
      const leg = legTo(call, pair.caller);
      assert.equal(leg.ended_at, null);
      await rename(join(elsewhere(), recordOf(leg.id)), join(records(), recordOf(leg.id)));
    },
  );

  phase(
    "dials its second leg, and the originate is lost with the controller: the next action runs",
    async (pair) => {
      await killAt(command(/^bgapi originate/, pair.callee), () => pairs.place(pair));
    },
    async (call, { caller, callee }) => {
      assert.equal(call.status, "completed");
      assert.equal(await rungTimes(world, callee), 0);
      assert.equal(legTo(call, callee).status, "failed");
      assert.equal(legTo(call, callee).cost_minor, 0);
      const { billed_seconds } = legTo(call, caller);
      assert.ok(billed_seconds <= waitedSecondsMax, `${billed_seconds} s of waiting for nobody`);
    },
    (pair) => world.customer.ended(pair.callId, 40_000),
  );

  phase(
    "is marked sent, and its originate is lost with the controller: nobody rings, and nobody pays",
    (pair) => killAt(command(/^bgapi originate/, pair.caller), () => pairs.place(pair)),
    async (call, { caller }) => {
      assert.equal(call.status, "failed");
      assert.equal(call.failure_code, "controller_restarted");
      assert.equal(call.cost_minor, 0);
      assert.equal(await rungTimes(world, caller), 0);
    },
  );

  it("stands up to the auditor", async () => {
    await Promise.allSettled(phases.map(({ outcome }) => outcome));
    await checkAtRest(world);
    await world.audit();
  });
});
