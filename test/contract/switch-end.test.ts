import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startCarrierProcess, type CarrierProcess } from "../peers/carrier-process.ts";
import { startSwitchUnderTest } from "../peers/switch-under-test.ts";
import { eventually } from "../peers/waiting.ts";
import { describeContract } from "./report.ts";
import { numbers, World } from "./world.ts";

describeContract("the contract of the switch: its end, and ours", function () {
  this.timeout(60_000);
  let carrier: CarrierProcess;
  let world: World;
  let spoolDir: string;
  beforeEach(async () => {
    carrier = await startCarrierProcess();
    spoolDir = mkdtempSync(join(tmpdir(), "spool-"));
    world = new World(await startSwitchUnderTest({ carrier, spoolDir }), carrier);
    await world.connect();
  });
  afterEach(async () => {
    await world.close();
    rmSync(spoolDir, { recursive: true, force: true });
  });

  /** Two that talk and one that rings. */
  const threeLegs = async () => {
    const pair = await world.pair();
    const ringing = world.dial(numbers.ringsForEver);
    await world.event(ringing.leg, "ringing");
    return [...pair, ringing];
  };

  it("SIGTERM: every party gets its BYE or CANCEL, and every leg its record", async () => {
    const legs = await threeLegs();
    world.switch.child.kill("SIGTERM");
    assert.deepEqual(await world.switch.child.exited(), { code: 0, signal: null });
    await world.boxEvent("disconnected");
    for (const dialled of legs) {
      const { ended_by } = await world.carrierCall(dialled, (call) => call.ended_at !== null);
      assert.equal(ended_by, "caller");
      assert.ok(world.record(dialled.leg), `no record of ${dialled.leg}`);
    }
    assert.ok(world.record(legs[0]!.leg)?.answeredAtUs);
    assert.equal(world.record(legs[2]!.leg)?.answeredAtUs, null);
  });

  it("kill -9: no record and no BYE; the one that comes back is another, and is driven at once", async () => {
    const legs = await threeLegs();
    const { host, port } = world.switch.esl;
    world.switch.child.kill("SIGKILL");
    await world.switch.child.exited();
    await world.boxEvent("disconnected");
    for (const dialled of legs) {
      assert.equal((await world.carrierCall(dialled)).ended_at, null);
      assert.equal(world.record(dialled.leg), undefined);
    }

    const seen = world.boxEvents.length;
    const [first] = world.boxEvents;
    const again = await startSwitchUnderTest({ carrier, spoolDir, eslPort: port });
    try {
      assert.deepEqual([again.esl.host, again.esl.port], [host, port]);
      const second = await world.boxEvent("connected", seen);
      assert.ok(first?.kind === "connected" && first.coreUuid !== second.coreUuid);
      assert.equal(second.version, first.version);
      assert.equal(await world.box.hangUp(legs[0]!.leg, "NORMAL_CLEARING"), false);
      const { leg } = await world.parked(numbers.answers440);
      await world.box.hangUp(leg, "NORMAL_CLEARING");
      await world.event(leg, "hungUp");
    } finally {
      await again.stop();
    }
  });

  it("without us calls go on, the cut-offs hold, and legs are joined all the same; back, we drive them at once", async () => {
    const talking = await world.pair();
    const shortLived = await world.parked(numbers.answers440, { maxSeconds: 1 });
    const waiting = await world.parked(numbers.answers440);
    const joining = world.dial(numbers.ringsThenAnswers, { then: { kind: "intercept", leg: waiting.leg } });
    await world.event(joining.leg, "ringing");
    await world.box.stop();
    await assert.rejects(world.box.hangUp(waiting.leg, "NORMAL_CLEARING"), { code: "switch.unavailable" });
    await world.carrierCall(shortLived, (call) => call.ended_at !== null);
    const record = await eventually("its record", () => world.record(shortLived.leg));
    assert.equal(record.cause, "ALLOTTED_TIMEOUT");
    await world.carrierCall(joining, (call) => call.heard.some(({ hz }) => hz !== null));

    const back = new World(world.switch, carrier);
    await back.connect();
    try {
      for (const [one, other] of [talking, [waiting, joining] as const]) {
        assert.equal((await back.box.channelFacts(one.leg))?.bridgedTo, other.leg);
        assert.equal(await back.box.hangUp(one.leg, "NORMAL_CLEARING"), true);
        await back.event(other.leg, "hungUp");
      }
    } finally {
      await back.box.stop();
    }
  });
});
