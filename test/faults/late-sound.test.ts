import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { describeOnSwitch } from "../peers/switch-under-test.ts";
import { wavSeconds, type ApiCall, type ApiLeg } from "../world/customer.ts";
import { nairobi, TestWorld } from "../world/world.ts";

const wanjiru = "+254700000001";
const otieno = "+254700000002";
/** The carrier sends nothing for so long, so often, and each time all of it afterwards. */
const stillMs = 300;
const stills = 4;
/** What a recording may be apart from its leg by itself. */
const apartMsMax = 150;

describeOnSwitch("a party whose sound comes late", function () {
  this.timeout(60_000);
  let world: TestWorld;
  const calls: Record<string, ApiCall> = {};

  before(async () => {
    world = await TestWorld.start();
    const { customer, inbox, carrier } = world;
    const place = (more: Record<string, unknown> = {}) =>
      customer.place({ from: nairobi, to: wanjiru, events_url: inbox.url, record: true, ...more });
    const ids = {
      alone: await place(),
      joined: await place({ actions: [{ dial: { number: otieno, record: true } }] }),
    };
    await customer.until(ids.alone, "its answer", ({ status }) => status === "answered");
    await customer.until(ids.joined, "the two joined", ({ events }) =>
      events.some(({ kind }) => kind === "leg.bridged"),
    );
    for (let n = 0; n < stills; n++) {
      await sleep(1_500);
      carrier.child.kill("SIGSTOP");
      await sleep(stillMs);
      carrier.child.kill("SIGCONT");
    }
    // A bridge makes up for what came late within seconds.
    await sleep(4_000);
    for (const [name, id] of Object.entries(ids)) {
      await customer.hangUp(id);
      calls[name] = await customer.ended(id);
    }
  });
  after(() => world.end());

  /** By how much the leg's recording is longer than the leg, ms. */
  async function longerMs(call: ApiCall, leg: ApiLeg): Promise<number> {
    const wav = await world.customer.download(call.id, leg.recording_ids[0]!);
    return wavSeconds(wav) * 1000 - (Date.parse(leg.ended_at!) - Date.parse(leg.answered_at!));
  }

  it("has a recording that is longer by no more than it was late, and none where it talks with nobody", async () => {
    const [alone] = calls["alone"]!.legs;
    const aloneMs = await longerMs(calls["alone"]!, alone!);
    assert.ok(aloneMs <= apartMsMax, `alone: ${aloneMs} ms longer`);
    for (const leg of calls["joined"]!.legs) {
      const ms = await longerMs(calls["joined"]!, leg);
      assert.ok(ms <= stills * stillMs + apartMsMax, `${leg.to}: ${ms} ms longer`);
      // The simulated switch drops what is too late for it, and is never longer.
      if (world.switch.kind === "freeswitch")
        assert.ok(ms >= (stills * stillMs) / 2, `${leg.to}: ${ms} ms longer`);
    }
  });

  it("stands up to the auditor", () => world.audit());
});
