import assert from "node:assert/strict";
import { describeOnSwitch } from "../../peers/switch-under-test.ts";
import { faultKindsOf, planOf, type Plan } from "./plan.ts";
import { runBatch, type BatchResult } from "./run.ts";

const seeds = 12;

describeOnSwitch(`${seeds} random customers, and what is done to the processes meanwhile`, function () {
  this.timeout(300_000);
  // The same each time: who looks for more takes other seeds (npm run test:faults), or SAUTIKIT_SEED.
  const seed = Number(process.env["SAUTIKIT_SEED"] ?? 1);
  let plans: Plan[];
  let result: BatchResult;
  before(async () => {
    plans = Array.from({ length: seeds }, (_, index) => planOf(seed + index));
    // Whatever is drawn, each of the processes dies once.
    for (const [index, kind] of (["carrier killed", "switch killed"] as const).entries())
      plans[index]!.faults = [{ kind, atMs: 500, downMs: 300 }];
    for (const [index, kind] of (["spool killed", "controller killed"] as const).entries())
      plans[index + 2]!.faults = [{ kind, atMs: 500, at: null, skip: 0 }];
    result = await runBatch(plans);
  });

  it("stand up to the auditor", () => {
    const said = `seeds from ${seed}:\n${result.findings.join("\n")}\n${JSON.stringify(result, null, 1)}`;
    assert.deepEqual(result.findings, [], said);
    for (const kind of ["carrier killed", "switch killed", "spool killed", "controller killed"])
      assert.ok((result.faults[kind] ?? 0) >= 1, said);
    const faults = Object.values(result.faults).reduce((sum, count) => sum + count, 0);
    assert.equal(faults, plans.flatMap((plan) => plan.faults).length);
    assert.ok(result.calls >= 3, said);
  });
});

describe("a seed's plan", () => {
  it("is the same each time, and another seed's is another", () => {
    assert.deepEqual(planOf(7), planOf(7));
    assert.notDeepEqual(planOf(8), { ...planOf(7), seed: 8 });
  });

  it("has over a thousand seeds every kind of act and of fault", () => {
    const plans = Array.from({ length: 1_000 }, (_, index) => planOf(index + 1));
    const kinds = new Set(plans.flatMap(({ acts }) => acts.map(({ kind }) => kind)));
    assert.deepEqual([...kinds].sort(), [
      ...["call", "claim", "deviceCalls", "deviceIsCalled", "inbound", "payBill", "recordingDeleted", "room"],
      "topUp",
    ]);
    const faults = new Set(plans.flatMap((plan) => plan.faults.map(({ kind }) => kind)));
    assert.deepEqual([...faults].sort(), [...faultKindsOf].sort());
    const verbs = JSON.stringify(plans);
    for (const verb of [
      "play",
      "say",
      "getDigits",
      "record",
      "dial",
      "sendDigits",
      "redirect",
      "stream",
      "reject",
    ])
      assert.ok(verbs.includes(`{"${verb}":`), verb);
  });
});
