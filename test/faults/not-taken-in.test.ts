import assert from "node:assert/strict";
import { command, type EslProxy } from "../peers/esl-proxy.ts";
import { SipDevice } from "../peers/sip-device.ts";
import { describeOnSwitch } from "../peers/switch-under-test.ts";
import { eventually } from "../peers/waiting.ts";
import type { ApiCall } from "../world/customer.ts";
import { ProxiedWorld } from "./proxied-world.ts";

/** What the switch says of is that it knows no such thing. */
const nonsense = "api sched_api\n\n";

describeOnSwitch("a switch that refuses to take a device's call in", function () {
  this.timeout(60_000);
  let on: ProxiedWorld;
  let proxy: EslProxy;
  let device: SipDevice;
  before(async () => {
    on = await ProxiedWorld.start({}, { devices: true });
    ({ proxy } = on);
    const { customer } = on.world;
    const [number] = (await customer.ask("GET", "/v1/numbers")).body.data;
    const path = `/v1/numbers/${number.id}/sip-credentials`;
    const { body } = await customer.ask("POST", path, { body: { label: "Desk" } });
    device = await SipDevice.open(on.world.switch.devices!, body);
    await eventually("its registration", async () => (await device.register()).status === 200 || undefined, {
      everyMs: 300,
    });
  });
  after(async () => {
    await device.close();
    await on.end();
  });

  async function callOf(to: string): Promise<ApiCall> {
    const { customer } = on.world;
    const id = await eventually("its call", async () => {
      const { body } = await customer.ask("GET", `/v1/calls?number=${encodeURIComponent(to)}`);
      return (body.data as ApiCall[])[0]?.id;
    });
    return customer.ended(id);
  }
  const rung = async (to: string) =>
    (await on.world.carrier.calls()).filter(({ number }) => number === to).length;

  for (const [what, kind, word, to] of [
    ["at its first command", /^api sched_api /, "ring-leg_", "+254722000701"],
    ["at a variable", /^api uuid_setvar /, "sautikit_call", "+254722000702"],
    ["at its last command", /^api uuid_ring_ready /, "", "+254722000703"],
  ] as const) {
    it(`${what}: nobody is rung for it, the device is told 503, and the call says why it is over`, async () => {
      const isIt = command(kind, word);
      let garbled = 0;
      proxy.rule = (passing) => {
        if (!isIt(passing)) return "pass";
        garbled++;
        return { instead: nonsense };
      };
      const call = device.call(to);
      const status = await new Promise((resolve) => call.on("ended", (end) => resolve(end.status)));
      const done = await callOf(to);
      proxy.rule = () => "pass";
      assert.equal(garbled, 1);
      assert.equal(status, 503);
      assert.deepEqual([done.status, done.failure_code, done.cost_minor], ["failed", "not_taken_in", 0]);
      const kinds = done.events.map(({ kind }) => kind);
      assert.ok(kinds.includes("arrival.failed"), kinds.join());
      const failed = done.events.find(({ kind }) => kind === "call.failed")!;
      assert.equal(failed.payload["failure_code"], "not_taken_in");
      const [own, callee] = done.legs;
      assert.deepEqual([own!.status, callee!.status], ["failed", "canceled"]);
      assert.equal(await rung(to), 0);
    });
  }

  it("that says that there is no such caller any more: nobody is rung for them", async () => {
    const to = "+254722000705";
    const isIt = command(/^api uuid_setvar /, "sautikit_call");
    const nobody = "api uuid_setvar 4fe2ac9e-6ad3-4d2e-9f0e-000000000000 sautikit_call none\n\n";
    proxy.rule = (passing) => (isIt(passing) ? { instead: nobody } : "pass");
    const call = device.call(to);
    await new Promise((resolve) => call.on("ended", resolve));
    const done = await callOf(to);
    proxy.rule = () => "pass";
    assert.deepEqual(
      done.legs.map(({ status }) => status),
      ["canceled", "canceled"],
    );
    assert.deepEqual([done.status, done.failure_code], ["canceled", "canceled"]);
    assert.ok(!done.events.some(({ kind }) => kind === "arrival.failed"));
    assert.equal(await rung(to), 0);
  });

  it("and the next call, which it takes in, is put through", async () => {
    const to = "+254722000704";
    const call = device.call(to);
    await eventually("an answer", () => call.state === "answered" || undefined);
    call.end();
    assert.equal((await callOf(to)).status, "completed");
    await on.world.verifyLedger();
  });
});
