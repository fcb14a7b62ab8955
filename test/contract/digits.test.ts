import assert from "node:assert/strict";
import { sideBySide } from "../peers/side-by-side.ts";
import { describeContract } from "./report.ts";
import { numbers, World } from "./world.ts";

describeContract("the contract of the switch: digits that it sends", function () {
  this.timeout(60_000);
  let world: World;
  before(async () => {
    world = await World.open();
  });
  after(() => world.close());
  const test = sideBySide(4);

  /** Sends them to a party that sends each back, and gives when each came back, ms after the first. */
  async function echoed(digits: string): Promise<{ heard: string; atMs: number[] }> {
    const party = await world.parked(numbers.repeatsDigits);
    const count = digits.replace(/w/gi, "").length;
    assert.equal(await world.box.sendDigits(party.leg, digits), true);
    await world.event(party.leg, "digit", () => echoes(party.leg).length === count);
    const atUs = echoes(party.leg).map((event) => event.atUs);
    const { digits: heard } = await world.carrierCall(party, (call) => call.digits.length === count);
    await world.box.hangUp(party.leg, "NORMAL_CLEARING");
    return { heard, atMs: atUs.map((us) => Math.round((us - atUs[0]!) / 1000)) };
  }
  const echoes = (leg: string) =>
    world.events.flatMap((event) => (event.leg === leg && event.kind === "digit" ? [event] : []));

  test("arrive as RFC 4733 events, in order, the pauses between them as long as asked", async () => {
    const [plain, half, whole] = await Promise.all([echoed("12#"), echoed("1w2#"), echoed("1W2#")]);
    assert.deepEqual([plain.heard, half.heard, whole.heard], ["12#", "12#", "12#"]);
    about(half.atMs[1]! - plain.atMs[1]!, 500, 150);
    about(whole.atMs[1]! - plain.atMs[1]!, 1000, 150);
  });

  test("take 640 ms each on a leg that hears nothing, the pause behind them included", async () => {
    const { heard, atMs } = await echoed("0123456789");
    assert.equal(heard, "0123456789");
    about(atMs.at(-1)! / 9, 640, 30);
  });
});

function about(value: number, expected: number, slack: number): void {
  assert.ok(Math.abs(value - expected) <= slack, `${value} is not ${expected} ± ${slack}`);
}
