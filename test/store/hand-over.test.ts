import assert from "node:assert/strict";
import { systemClock } from "../../engine/clock.ts";
import { startSautikit, type Child } from "../peers/child.ts";
import { nairobi, TestWorld } from "../world/world.ts";
import { databaseKind } from "./test-database.ts";

const otieno = "+254700000002";
/** By NOTIFY, or at the controller's next look, which is a second off at most. */
const handOverMsMax = databaseKind === "postgres" ? 500 : 1_500;

describe(`the API, the controller and the spool as three processes, on ${databaseKind}`, function () {
  this.timeout(60_000);
  let world: TestWorld;
  const others: Child[] = [];
  before(async () => {
    // The spool's process serves the objects as well.
    const keys = { S3_ACCESS_KEY_ID: "wanjiru", S3_SECRET_ACCESS_KEY: "wanjiru-secret" };
    world = await TestWorld.start(keys, "spool");
    const env = { ...world.env, S3_ENDPOINT: `http://127.0.0.1:${world.env["S3_PORT"]!}` };
    for (const role of ["controller", "api"])
      others.push((await startSautikit(["start", "--role", role], { folder: world.folder, env })).child);
  });
  after(async () => {
    for (const child of others) await child.stop();
    await world.end();
  });

  it("take a call from the request to its end, each step in time", async () => {
    const waits: number[] = [];
    // Answered as soon as it is dialled: what is timed is us.
    for (let n = 0; n < 5; n++) {
      const askedMs = systemClock.monotonicMs();
      const id = await world.customer.place({ from: nairobi, to: otieno, events_url: world.inbox.url });
      await world.inbox.kind(id, "call.answered");
      waits.push(systemClock.monotonicMs() - askedMs);
      await world.customer.hangUp(id);
      await world.inbox.kind(id, "call.completed");
    }
    const median = waits.sort((a, b) => a - b)[2]!;
    assert.ok(median < handOverMsMax, `${Math.round(median)} ms from the request to the webhook`);
    await world.verifyLedger();
  });
});
