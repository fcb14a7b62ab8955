import assert from "node:assert/strict";
import { mkdir, mkdtemp, rename, rm, rmdir, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { systemClock } from "../../../engine/clock.ts";
import { allowedAddresses, gatewayHash, gatewayOf } from "../../../engine/sip/trunks/gateways.ts";
import { readTrunkFile, type Trunk } from "../../../engine/sip/trunks/trunk-file.ts";
import { sayFault, TrunkWatch } from "../../../engine/sip/trunks/trunk-watch.ts";
import { pick } from "../../../engine/sip/trunks/trunks.ts";
import { gatewayStates, gatewayXml } from "../../../engine/switch/gateway-file.ts";

const edge = "192.0.2.5:5060";

function trunks(...lines: Record<string, unknown>[]): readonly Trunk[] {
  const text = JSON.stringify({ trunks: lines });
  const read = readTrunkFile(text, { secretOf: () => "hunter-2", edge: true, reserved: "carrier" });
  assert.ok(read.ok, read.ok ? "" : read.bad.map(sayFault).join("\n"));
  return read.trunks;
}
const named = (name: string, more: Record<string, unknown> = {}) => ({
  name,
  host: "196.201.214.10",
  ...more,
});

describe("which trunk is picked", () => {
  const to = "+254722000001";
  const picked = (lines: Record<string, unknown>[], chance = 0) => pick(trunks(...lines), to, chance)?.name;

  it("is the one with the longest prefix that fits, before any priority", () => {
    const all = named("all", { priority: 0 });
    const kenya = named("kenya", { prefixes: ["254"] });
    const safaricom = named("safaricom", { prefixes: ["25470", "25472"], priority: 99 });
    assert.equal(picked([all, kenya, safaricom]), "safaricom");
    assert.equal(picked([all, kenya]), "kenya");
    assert.equal(picked([all]), "all");
    assert.equal(picked([]), undefined);
  });

  it("is of the lowest priority, and of equals by weight", () => {
    const lines = [
      named("a", { priority: 1, weight: 1 }),
      named("b", { priority: 1, weight: 3 }),
      named("c", { priority: 2, weight: 1000 }),
    ];
    const chosen = Array.from({ length: 100 }, (_, point) => picked(lines, point / 100));
    assert.equal(chosen.filter((name) => name === "a").length, 25);
    assert.equal(chosen.filter((name) => name === "b").length, 75);
  });
});

describe("a trunk's gateway", () => {
  it("sends to the edge what names the trunk, where it is over the edge", () => {
    const [over, own] = trunks(named("over"), named("own", { via: "switch" }));
    assert.match(gatewayXml(gatewayOf(over!, edge)), /name="outbound-proxy" value="192\.0\.2\.5:5060"/);
    assert.doesNotMatch(gatewayXml(gatewayOf(own!, edge)), /outbound-proxy/);
    assert.deepEqual(allowedAddresses([over!, own!], edge, []), ["196.201.214.10/32", "192.0.2.5/32"]);
    assert.deepEqual(allowedAddresses([over!], null, []), []);
    // Boxes call each other.
    assert.deepEqual(allowedAddresses([own!], edge, ["10.0.0.7"]), [
      "196.201.214.10/32",
      "10.0.0.7/32",
      "192.0.2.5/32",
    ]);
  });

  it("is another one for what the switch has to know, and the same for what it has not", () => {
    const hash = (more: Record<string, unknown>) =>
      gatewayHash(trunks(named("safari", { via: "switch", ...more }))[0]!, null);
    const before = hash({});
    for (const more of [{ priority: 3 }, { channels: 5 }, { prefixes: ["1"] }, { number_format: "digits" }])
      assert.equal(hash(more), before, JSON.stringify(more));
    for (const more of [{ port: 5070 }, { codecs: ["PCMU"] }, { ping_seconds: 0 }, { transport: "tcp" }])
      assert.notEqual(hash(more), before, JSON.stringify(more));
  });

  it("holds nothing that would begin something else in the switch's configuration", () => {
    const [trunk] = trunks(named("safari", { via: "switch" }));
    const gateway = gatewayOf(trunk!, null);
    for (const text of ['"/><x', "$${esl_password}", "a b", "a'b", "\n"]) {
      assert.throws(() => gatewayXml({ ...gateway, host: text }), RangeError);
      assert.throws(() => gatewayXml({ ...gateway, over: text }), RangeError);
      const login = { username: "u", password: text, realm: null };
      assert.throws(() => gatewayXml({ ...gateway, login }), RangeError);
      assert.throws(() => gatewayXml({ ...gateway, name: text }), RangeError);
    }
  });

  it("is read from what the switch lists, and nothing from what is no list", () => {
    assert.equal(gatewayStates("Invalid Gateway!"), undefined);
    const reply =
      "<gateways>\n  <gateway>\n    <name>safari</name>\n    <profile>edge</profile>\n    <state>REGED</state>\n" +
      "    <status>DOWN</status>\n  </gateway>\n</gateways>\n";
    const safari = { name: "safari", profile: "edge", state: "REGED", up: false };
    assert.deepEqual(gatewayStates(reply), [{ ...safari, pinging: false }]);
    const asked = reply.replace("    <state>", "    <pinging>1</pinging>\n    <state>");
    assert.deepEqual(gatewayStates(asked), [{ ...safari, pinging: true }]);
  });
});

describe("the file of trunks, watched", () => {
  let folder: string;
  beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), "sautikit-trunks-"))));
  afterEach(() => rm(folder, { recursive: true, force: true }));

  const watchOf = (optional = true) =>
    new TrunkWatch({
      ...{ clock: systemClock, log: pino({ level: "silent" }), path: join(folder, "trunks.yaml"), optional },
      ...{ secretOf: () => undefined, edge: false, reserved: "carrier" },
    });
  const written = (text: string) => writeFile(join(folder, "trunks.yaml"), text);
  const changed = (watch: TrunkWatch) => new Promise<void>((resolve) => watch.onChange(resolve));

  it("is not needed, unless it is named", async () => {
    const watch = watchOf();
    await watch.start();
    assert.equal(watch.trunks, null);
    await watch.stop();
    await assert.rejects(watchOf(false).start(), /There is no file of trunks .*TRUNKS_FILE/);
  });

  it("ends the start with every fault, by its place", async () => {
    await written(JSON.stringify({ trunks: [named("Safari"), named("carrier"), { name: "x", hots: "1" }] }));
    await assert.rejects(watchOf().start(), /trunks\[0\]\.name: [\s\S]*trunks\[2\]\.host: /);
    await written(JSON.stringify({ trunks: [named("carrier"), named("other", { via: "edge" })] }));
    await assert.rejects(watchOf().start(), /trunks\[0\]\.name: [\s\S]*trunks\[1\]\.via: .*EDGE_SIP/);
  });

  it("counts again once it is whole, and a broken or missing one leaves what was", async () => {
    await written(JSON.stringify({ trunks: [named("safari")] }));
    const watch = watchOf();
    await watch.start();
    const names = () => watch.trunks?.map(({ name }) => name).join();
    let told = changed(watch);
    await written("trunks: [{ name: saf");
    await told;
    assert.deepEqual([names(), watch.faults.length], ["safari", 1]);
    told = changed(watch);
    await rm(join(folder, "trunks.yaml"));
    await told;
    assert.deepEqual([names(), watch.faults.map(sayFault)], ["safari", ["the file: is gone"]]);
    told = changed(watch);
    await written(JSON.stringify({ trunks: [named("baringo"), named("kisumu")] }));
    await told;
    assert.deepEqual([names(), watch.faults.length], ["baringo,kisumu", 0]);
    await watch.stop();
  });

  it("is at fault while it cannot be read, and what was stays", async () => {
    const path = join(folder, "trunks.yaml");
    await written(JSON.stringify({ trunks: [named("safari")] }));
    const watch = watchOf();
    await watch.start();
    let told = changed(watch);
    await rename(path, join(folder, "aside"));
    // Whoever runs this may read every file.
    await mkdir(path);
    await told;
    while (watch.faults[0]?.code === "missing") await changed(watch);
    assert.deepEqual(
      [watch.trunks?.map(({ name }) => name), watch.faults.map(sayFault)],
      [["safari"], ["the file: cannot be read (EISDIR)"]],
    );
    told = changed(watch);
    await rmdir(path);
    await rename(join(folder, "aside"), path);
    await told;
    while (watch.faults.length > 0) await changed(watch);
    assert.deepEqual(
      watch.trunks?.map(({ name }) => name),
      ["safari"],
    );
    await watch.stop();
  });
});
