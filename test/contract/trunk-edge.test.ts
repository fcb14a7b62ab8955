import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { channelName } from "../../engine/switch/channel-names.ts";
import { gatewaysFile, trunkFileNames, type Gateway } from "../../engine/switch/gateway-file.ts";
import { startRefusingCarrier, type RefusingCarrier } from "../peers/refusing-carrier.ts";
import { describeOnSwitch } from "../peers/switch-under-test.ts";
import { reportResults } from "./report.ts";
import { ids, World } from "./world.ts";

describeOnSwitch("a trunk over the edge", function () {
  this.timeout(60_000);
  let world: World;
  let edge: RefusingCarrier;
  reportResults();
  before(async () => {
    edge = await startRefusingCarrier({ invite: () => 486 });
    world = await World.open();
  });
  after(async () => {
    await world.close();
    edge.close();
  });

  const load = async (gateways: Gateway[]) => {
    await mkdir(join(world.switch.spoolDir, "trunks"), { recursive: true });
    await writeFile(join(world.switch.spoolDir, trunkFileNames.udp), gatewaysFile(gateways));
    const before = (await world.box.gateways()).filter(({ name }) => name !== "carrier");
    await world.box.loadGateways(before.map(({ name }) => ({ name, profile: "edge" })));
  };
  const throughEdge = (more: Partial<Gateway> = {}): Gateway => ({
    ...{ name: "safari", host: "192.0.2.10", port: 5070, transport: "udp", login: null },
    ...{ over: `${edge.host}:${edge.port}`, registerSeconds: null, pingSeconds: 0, codecs: ["PCMA"] },
    ...more,
  });
  const call = () =>
    world.box.placeTest({
      ...{ channel: channelName(ids.bytes(16)), gateway: "safari", to: "0722000001" },
      ...{ callerId: "+254200000001", ringTimeoutSeconds: 10 },
    });

  it("is named by the call, which is sent to the edge", async () => {
    await load([throughEdge()]);
    const outcome = await call();
    assert.deepEqual([outcome.cause, outcome.sipStatus], ["USER_BUSY", 486]);
    assert.match(edge.uris()[0] ?? "", /^sip:0722000001@192\.0\.2\.10:5070(;|$)/);
  });

  it("that is another now is another in the switch too, and one that is gone is none", async () => {
    await load([throughEdge({ host: "192.0.2.11" })]);
    await call();
    assert.match(edge.uris()[1] ?? "", /@192\.0\.2\.11:5070(;|$)/);
    await load([]);
    assert.equal((await call()).cause, "INVALID_GATEWAY");
    assert.equal(edge.invites(), 2);
  });

  it("whose file was not written to its end changes nothing that is asked for by name, and starts nothing", async () => {
    const text = gatewaysFile([throughEdge()]);
    await writeFile(join(world.switch.spoolDir, trunkFileNames.udp), text.slice(0, -5));
    await world.box.loadGateways([]);
    assert.equal((await call()).cause, "INVALID_GATEWAY");
  });
});
