import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { describeOnSwitch } from "../peers/switch-under-test.ts";
import { wavSeconds } from "../world/customer.ts";
import { nairobi, TestWorld } from "../world/world.ts";
import { checkAtRest, checkCharge, checkTold } from "./checks.ts";
import { endKnownBy, Pairs, type Pair } from "./pairs.ts";
import { Witness } from "./witness.ts";

const ringsOn = "+254700000180";
/** Answered heartbeats are a second apart, and each is stored when it is answered. */
const shortMsMax = 2_000;
/** Two clocks of one machine, and a stamp of whole ticks. */
const overMsMax = 20;
/** Written frame by frame; the last few were on their way. */
const lostSecondsMax = 0.3;

/** Two people who talk and are recorded, and a phone that rings, when the switch is killed; it is back after 3 s. */
class Death {
  readonly world: TestWorld;
  readonly pairs: Pairs;
  readonly talking: Pair;
  ringing = "";
  killedAtMs = 0;
  readonly #witness: Witness;

  private constructor(world: TestWorld, witness: Witness) {
    this.world = world;
    this.#witness = witness;
    this.pairs = new Pairs(world, witness);
    this.talking = this.pairs.next();
  }

  static async of(switchAnd: "the controller" | "nobody else"): Promise<Death> {
    const world = await TestWorld.start();
    const death = new Death(world, await Witness.of(world));
    await death.#run(switchAnd === "the controller");
    return death;
  }

  async #run(together: boolean): Promise<void> {
    const { customer, inbox } = this.world;
    await this.pairs.talk(this.talking);
    this.ringing = await customer.place({ from: nairobi, to: ringsOn, events_url: inbox.url, record: true });
    await customer.until(this.ringing, "ringing", ({ status }) => status === "ringing");
    await sleep(2_300);
    this.killedAtMs = Date.now();
    await Promise.all([this.world.killSwitch(), together ? this.world.killSautikit() : undefined]);
    await sleep(3_000);
    await this.world.startSwitch();
    if (together) await this.world.startSautikit();
  }

  async end(): Promise<void> {
    await this.#witness.stop();
    await this.world.end();
  }
}

describeOnSwitch("a switch that is killed", function () {
  this.timeout(120_000);
  const deaths = ["nobody else", "the controller"] as const;
  const running = new Map<string, Promise<Death>>();

  before("both at once", () => {
    for (const switchAnd of deaths) running.set(switchAnd, Death.of(switchAnd));
    return Promise.allSettled(running.values());
  });
  after(async () => {
    for (const death of running.values()) await (await death).end();
  });

  for (const switchAnd of deaths) {
    const died = (title: string, body: (death: Death) => Promise<void>) =>
      it(`and ${switchAnd} with it, ${title}`, async () => body(await running.get(switchAnd)!));

    died(
      "ends the call that was up by the last proven second, 2 s short at most and never over",
      async (death) => {
        const { world, killedAtMs } = death;
        const call = await world.customer.ended(death.talking.callId, 40_000);
        assert.equal(call.status, "completed");
        assert.equal(call.hangup_cause, "normal_temporary_failure");
        for (const leg of call.legs) {
          await checkCharge(world, leg);
          const shortMs = killedAtMs - Date.parse(leg.ended_at!);
          assert.ok(shortMs >= -overMsMax && shortMs <= shortMsMax, `ended ${shortMs} ms before the kill`);
          const talkedMs = killedAtMs - Date.parse(leg.answered_at!);
          assert.ok(
            leg.billed_seconds <= Math.ceil(talkedMs / 1000),
            `${leg.billed_seconds} s of ${talkedMs} ms`,
          );
          assert.equal(endKnownBy(call, leg), "last_proven");
        }
        await world.inbox.kind(call.id, "call.completed");
        checkTold(world, call);
      },
    );

    died(
      "keeps what was recorded up to the kill, and tells its length",
      async ({ world, talking, killedAtMs }) => {
        const told = await world.inbox.kind(talking.callId, "call.recording.ready", 2, 40_000);
        const call = await world.customer.call(talking.callId);
        for (const { data } of told) {
          const leg = call.legs.find(({ id }) => id === data["leg_id"])!;
          const seconds = wavSeconds(await world.customer.download(call.id, String(data["recording_id"])));
          assert.ok(Math.abs(seconds - Number(data["duration_seconds"])) < 0.01, `${seconds} s`);
          const lost = (killedAtMs - Date.parse(leg.answered_at!)) / 1000 - seconds;
          assert.ok(Math.abs(lost) <= lostSecondsMax, `${lost} s lost of ${seconds} s`);
        }
      },
    );

    died("fails the call that rang, free of charge", async ({ world, ringing }) => {
      const call = await world.customer.ended(ringing, 40_000);
      assert.equal(call.status, "failed");
      assert.equal(call.failure_code, "switch_failed");
      assert.equal(call.cost_minor, 0);
      await world.inbox.kind(ringing, "call.failed");
      checkTold(world, call);
    });

    died("takes calls again", async ({ world, pairs }) => {
      const next = pairs.next();
      await pairs.talk(next);
      await pairs.checkAsEver(await pairs.finish(next), next);
      await checkAtRest(world);
    });

    died("stands up to the auditor", ({ world }) => world.audit());
  }
});
