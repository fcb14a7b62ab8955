import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { world, type World } from "../calls/world.ts";
import { NameServer, ownNamesMissing } from "../peers/name-server.ts";
import { describeOnSwitch } from "../peers/switch-under-test.ts";
import { eventually } from "../peers/waiting.ts";
import { numbers } from "./world.ts";
import { reportResults } from "./report.ts";

const missing = ownNamesMissing();

describeOnSwitch("a trunk whose name leads to no address that the switch can use", function () {
  this.timeout(60_000);
  if (missing !== undefined) {
    it.skip(`(skipped, names of one's own cannot be had here: ${missing})`);
    return;
  }
  let names: NameServer;
  let here: World;
  reportResults();

  before(async () => {
    names = await NameServer.open();
    const lamu = { name: "lamu", host: names.name, port: 5060, priority: 0, ping_seconds: 5 };
    here = await world({
      switchWithin: names.within,
      trunks: (carrier) =>
        JSON.stringify({
          trunks: [
            { ...lamu, addresses: ["192.0.2.0/24"] },
            { name: "safari", host: carrier.host, port: carrier.port, priority: 1 },
          ],
        }),
    });
    await here.trunksLoaded("lamu", "safari");
  });
  after(async () => {
    await here.end();
    names.close();
  });

  it("is known to be down where that is an IPv6 address alone, and the next one is used", async () => {
    const [command = "", ...args] = names.within;
    const { stdout } = spawnSync(command, [...args, "getent", "ahosts", names.name], { encoding: "utf8" });
    assert.deepEqual([...new Set(stdout.match(/^\S+/gm))], [names.address]);

    await eventually(
      "lamu, known to be down",
      async () =>
        (await here.trunkStates()).some(({ trunk, up }) => trunk === "lamu" && up === 0) || undefined,
      { withinMs: 40_000 },
    );
    const { legs } = await here.ended(await here.place({ to: numbers.isBusy }));
    assert.deepEqual(
      legs[0]!.attempts.map(({ trunk, sip_status }) => [trunk, sip_status]),
      [["safari", 486]],
    );
  });
});
