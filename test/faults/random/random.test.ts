import assert from "node:assert/strict";
import { describeOnSwitch } from "../../peers/switch-under-test.ts";
import { planOf, type Plan } from "./plan.ts";
import { runPlan, summaryOf, type RunResult } from "./run.ts";

const trafficMs = 20_000;

describeOnSwitch("twenty seconds of random calls, and one kill of each process", function () {
  this.timeout(180_000);
  let plan: Plan;
  let result: RunResult;
  before(async () => {
    plan = planOf(Number(process.env["SAUTIKIT_SEED"] ?? Date.now() % 2 ** 31), trafficMs);
    plan.faults.splice(4);
    result = await runPlan(plan, () => undefined);
  });

  it("stand up to the auditor", () => {
    assert.equal(result.findings.length, 0, summaryOf(plan, result));
    assert.deepEqual(result.kills, { controller: 1, spool: 1, carrier: 1, switch: 1 });
    assert.equal(result.calls, plan.calls.length);
    assert.ok(result.answeredLegs >= 5, summaryOf(plan, result));
  });

  it("are the same for the same seed, however long they go on", () => {
    const longer = planOf(plan.seed, 3 * trafficMs);
    assert.deepEqual(longer.calls.slice(0, plan.calls.length), plan.calls);
    assert.deepEqual(longer.faults.slice(0, 4), plan.faults);
    assert.notDeepEqual(planOf(plan.seed + 1, trafficMs).calls, plan.calls);
  });
});
