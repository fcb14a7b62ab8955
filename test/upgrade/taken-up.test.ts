import assert from "node:assert/strict";
import { checkAtRest } from "../faults/checks.ts";
import type { Row } from "../faults/restart/row.ts";
import { batches } from "../faults/restart/rows.ts";
import { Stage } from "../faults/restart/stage.ts";
import { describeOnSwitch } from "../peers/switch-under-test.ts";
import { checkOut, removeVersion, versionBefore, type Version } from "./versions.ts";

/**
 * The table of docs/restart.md once more: the version before brings each call into its phase, on this version's schema, and is
 * killed; this one reads what it left, in each of the formats that docs/upgrade.md names.
 */
const taken = ["in the middle of what it does", "before the switch was told"];
const from = versionBefore();
const title = "what the version before left, killed in the middle of a call, is taken up by this one";
if ("missing" in from)
  describe(title, () => {
    it.skip(`is skipped: ${from.missing}`);
  });
else
  describeOnSwitch(`${title} (from ${from.title})`, function () {
    this.timeout(180_000);
    const outcomes = new Map<Row, Promise<void>>();
    const rows = taken.flatMap((batch) => batches[batch] ?? []);
    let old: Version;
    let stage: Stage;

    before(async () => {
      old = checkOut(from.commit);
      stage = await Stage.open(rows.length, old.folder);
      for (const batch of taken)
        for (const [row, outcome] of await stage.run(batches[batch] ?? [])) outcomes.set(row, outcome);
    });
    after(async () => {
      await stage.close();
      await removeVersion(old);
    });

    for (const row of rows)
      it(`${row.verb} ${row.moment}: ${row.then}`, async () => {
        assert.ok(outcomes.has(row), "it was run");
        await outcomes.get(row);
      });

    it("and nothing is left undone, and the books stand up to the auditor", async () => {
      await checkAtRest(stage.world);
      await stage.world.audit();
    });
  });
