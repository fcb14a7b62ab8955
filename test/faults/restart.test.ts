import assert from "node:assert/strict";
import { describeOnSwitch } from "../peers/switch-under-test.ts";
import { checkAtRest } from "./checks.ts";
import * as parties from "./restart/parties.ts";
import * as prompts from "./restart/prompts.ts";
import * as questions from "./restart/questions.ts";
import type { Row } from "./restart/row.ts";
import { Stage } from "./restart/stage.ts";

/** Each is killed as one. Of those whose commands are held no more than there are connections for commands. */
const batches: Record<string, Row[]> = {
  "in the middle of": [...prompts.resting, ...parties.resting, ...questions.resting],
  "before the switch was told of": [...prompts.unsent, ...parties.unsent, ...questions.unsent],
  "as the switch should be told of": [...prompts.lost, ...parties.lost],
  "as the switch should be told too of": [...parties.lostToo, ...questions.lostToo],
  "as the switch is told of": [...prompts.late, ...parties.late],
};

const rows = Object.values(batches).flat();

describeOnSwitch("docs/restart.md: a controller that is killed", function () {
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
        it(`${row.verb}, which ${row.moment}: ${row.then}`, async () => {
          assert.ok(outcomes.has(row), "it was run");
          await outcomes.get(row);
        });
      }
    });
  }

  it("leaves nothing undone, and stands up to the auditor", async () => {
    await checkAtRest(stage.world);
    await stage.world.audit();
  });
});
