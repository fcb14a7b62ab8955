import assert from "node:assert/strict";
import { describeOnSwitch } from "../peers/switch-under-test.ts";
import { twoMinutes } from "./measures.ts";
import { trendTable } from "./report.ts";
import { runSoak, type SoakResult } from "./run.ts";

describeOnSwitch("two minutes of steady calls", function () {
  this.timeout(180_000);
  let result: SoakResult;
  before(async () => {
    result = await runSoak({ trafficMs: 90_000, warmUpMs: 25_000, measures: twoMinutes });
  });

  it("end as each should, with their recordings and their events told", () => {
    assert.deepEqual(result.troubles, []);
    assert.ok(result.placed >= 105, `${result.placed} calls`);
  });

  it("leave memory, descriptors, timers, threads and what is in flight flat", () => {
    assert.ok(
      result.trends.every(({ flat }) => flat),
      `\n${trendTable(result.trends)}`,
    );
  });

  it("leave nothing in flight when the last is over, and the books in order", () => {
    const { calls, legs, intents, deliveries, recordings, spoolFiles } = result.leftOver;
    assert.deepEqual([calls, legs, intents, deliveries, recordings, spoolFiles], [0, 0, 0, 0, 0, 0]);
    assert.match(result.ledger, /, 0 broken$/);
  });
});
