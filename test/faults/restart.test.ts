import assert from "node:assert/strict";
import { describeOnSwitch } from "../peers/switch-under-test.ts";
import { checkAtRest } from "./checks.ts";
import type { Row } from "./restart/row.ts";
import { batches, rows } from "./restart/rows.ts";
import { Stage } from "./restart/stage.ts";

describeOnSwitch("docs/restart.md: the controller is killed", function () {
  this.timeout(180_000);
  const outcomes = new Map<Row, Promise<void>>();
  let stage: Stage;

  before(async () => {
    stage = await Stage.open(rows.length);
    for (const batch of Object.values(batches))
      for (const [row, outcome] of await stage.run(batch)) outcomes.set(row, outcome);
  });
  after(() => stage.close());

  for (const [when, batch] of Object.entries(batches)) {
    describe(when, () => {
      for (const row of batch) {
        it(`while ${row.verb} ${row.moment}: ${row.then}`, async () => {
          assert.ok(outcomes.has(row), "it was run");
          await outcomes.get(row);
        });
      }
    });
  }

  it("and leaves nothing undone, and stands up to the auditor", async () => {
    await checkAtRest(stage.world);
    await stage.world.audit();
  });
});
