import { strict as assert } from "node:assert";
import { startSautikit, type Child } from "../peers/child.ts";
import { freePort } from "../peers/free-ports.ts";
import { SipDevice } from "../peers/sip-device.ts";
import { describeOnSwitch } from "../peers/switch-under-test.ts";
import { eventually } from "../peers/waiting.ts";
import { TestWorld } from "../world/world.ts";

/** The spool looks for new logins every five seconds, the controller every second for what it wrote. */
const letInMsMax = 15_000;

describeOnSwitch("a device, where the spool is a process of its own", function () {
  this.timeout(60_000);
  let world: TestWorld;
  let spool: Child;
  let device: SipDevice | undefined;
  before(async () => {
    // Nothing is recorded, and nobody is there.
    const s3 = { S3_ENDPOINT: `http://127.0.0.1:${await freePort()}`, S3_ACCESS_KEY_ID: "wanjiru" };
    const env = { ...s3, S3_SECRET_ACCESS_KEY: "wanjiru-secret" };
    world = await TestWorld.start(env, "api,controller", { switchOptions: { devices: true } });
    spool = (await startSautikit(["start", "--role", "spool"], world)).child;
  });
  after(async () => {
    await device?.close();
    await spool.stop();
    await world.end();
  });

  it("is let in seconds after its credential was made, though no process can tell another", async () => {
    const { body: numbers } = await world.customer.ask("GET", "/v1/numbers");
    const path = `/v1/numbers/${numbers.data[0].id}/sip-credentials`;
    const { status, body } = await world.customer.ask("POST", path, { body: { label: "Desk" } });
    assert.equal(status, 201);
    device = await SipDevice.open(world.switch.devices!, body);
    await eventually(
      "a registration that is taken",
      async () => ((await device!.register()).status === 200 ? true : undefined),
      { withinMs: letInMsMax, everyMs: 300 },
    );
  });
});
