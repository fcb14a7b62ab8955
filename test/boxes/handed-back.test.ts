import assert from "node:assert/strict";
import { ProxiedWorld } from "../faults/proxied-world.ts";
import { describeOnSwitch } from "../peers/switch-under-test.ts";

/** Less than what a list of devices may take, and than what a process has for its stop. */
const stopMsMax = 5_000;

describeOnSwitch("a box is given back at SIGTERM", function () {
  this.timeout(60_000);
  let on: ProxiedWorld;
  before(async () => {
    on = await ProxiedWorld.start({}, { devices: true });
  });
  after(() => on.end());

  it("while it takes its time to list the devices that are registered there", async () => {
    const { world, proxy } = on;
    await world.sautikit.stop();
    const listing = proxy.hold(({ text }) => /^api sofia xmlstatus profile devices reg\b/m.test(text));
    await world.startSautikit();
    const held = await listing;
    const fromMs = performance.now();
    await world.sautikit.stop();
    const tookMs = performance.now() - fromMs;
    held.let("pass");
    assert.deepEqual(await world.byHand("SELECT DISTINCT holder FROM leases"), [{ holder: null }]);
    assert.ok(tookMs < stopMsMax, `it took ${tookMs} ms`);
  });
});
