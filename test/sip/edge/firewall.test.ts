import assert from "node:assert/strict";
import { execFileSync, spawn, spawnSync, type ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { sautikit } from "../../cli/sautikit.ts";
import { edgeKind } from "../../peers/edge-under-test.ts";
import { eventually } from "../../peers/waiting.ts";

/** The edge's host, and the world, which is one other host with many addresses. */
const namespaces = { edge: `sk-edge-${process.pid}`, world: `sk-world-${process.pid}` };
const edge = "10.99.0.1";
const trunk = "10.99.0.2";
const box = "10.99.0.3";
const stranger = "10.99.0.9";
const victim = "10.99.0.10";
const methods = ["BYE", "OPTIONS", "MESSAGE", "INVITE", "SUBSCRIBE", "REGISTER"] as const;

const run = (program: string, ...args: string[]) => execFileSync(program, args, { stdio: "pipe" });
const within = (namespace: string, program: string, ...args: string[]) =>
  run("ip", "netns", "exec", namespace, program, ...args);

/** Why it cannot be tried here; undefined: it can. */
function missing(): string | undefined {
  if (process.getuid?.() !== 0) return "needs root";
  const probe = `sk-probe-${process.pid}`;
  const { status, error } = spawnSync("ip", ["netns", "add", probe]);
  if (error || status !== 0) return "needs iproute2 and the right to make network namespaces";
  const rules = spawnSync("ip", ["netns", "exec", probe, "nft", "list", "ruleset"]);
  spawnSync("ip", ["netns", "del", probe]);
  return rules.status === 0 ? undefined : "needs nftables";
}

const why = missing();
const title = `the firewall of the trunk edge (${edgeKind}${why === undefined ? "" : `: skipped, ${why}`})`;
(why === undefined ? describe : describe.skip)(title, function () {
  this.timeout(60_000);
  const folder = mkdtempSync(join(tmpdir(), "firewall-"));
  const arrived: { at: string; text: string }[] = [];
  const children: ChildProcess[] = [];
  let hosts: ChildProcess;
  let rules: string;

  const start = (namespace: string, ...command: string[]): ChildProcess => {
    const env = { ...process.env, DRACHTIO_SECRET: "s" };
    const child = spawn("ip", ["netns", "exec", namespace, ...command], {
      stdio: ["pipe", "pipe", "ignore"],
      env,
    });
    children.push(child);
    return child;
  };
  before(async () => {
    run("ip", "netns", "add", namespaces.edge);
    run("ip", "netns", "add", namespaces.world);
    const [near, far] = [`ske${process.pid}`, `skw${process.pid}`];
    run(
      "ip",
      "link",
      "add",
      near,
      "netns",
      namespaces.edge,
      "type",
      "veth",
      "peer",
      "name",
      far,
      "netns",
      namespaces.world,
    );
    within(namespaces.edge, "ip", "address", "add", `${edge}/24`, "dev", near);
    for (const address of [trunk, box, stranger, victim])
      within(namespaces.world, "ip", "address", "add", `${address}/24`, "dev", far);
    for (const [namespace, device] of [
      [namespaces.edge, near],
      [namespaces.world, far],
    ] as const) {
      within(namespace, "ip", "link", "set", "lo", "up");
      within(namespace, "ip", "link", "set", device, "up");
    }
    rules = await printedRules();
    const udpHosts = new URL("../../peers/udp-hosts.ts", import.meta.url).pathname;
    hosts = start(namespaces.world, process.execPath, udpHosts, trunk, box, stranger, victim);
    createInterface({ input: hosts.stdout! }).on("line", (line) => {
      arrived.push(JSON.parse(line) as (typeof arrived)[number]);
    });
    start(namespaces.edge, ...edgeCommand());
    await eventually("an answer of the edge", async () => {
      say(trunk, "OPTIONS", { in: "" });
      await sleep(200);
      return arrived.some(({ at, text }) => at === trunk && text.startsWith("SIP/2.0 503")) || undefined;
    });
  });
  after(async () => {
    for (const child of children) {
      child.stdin?.end();
      child.kill();
    }
    await sleep(200);
    for (const namespace of Object.values(namespaces)) spawnSync("ip", ["netns", "del", namespace]);
    rmSync(folder, { recursive: true, force: true });
  });

  async function printedRules(): Promise<string> {
    const file = join(folder, "trunks.yaml");
    const carrier = { name: "safari", via: "edge", host: trunk, addresses: [`${trunk}/32`] };
    writeFileSync(file, JSON.stringify({ trunks: [carrier] }));
    const { code, stdout, stderr } = await sautikit(["firewall"], {
      ...{ DRACHTIO_URL: `drachtio://:s@${edge}:9022`, EDGE_SIP: `${edge}:5060`, TRUNKS_FILE: file },
      ...{ FREESWITCH_URLS: `freeswitch://:s@${box}`, SPOOL_DIR: folder, DATA_DIR: folder },
    });
    assert.equal(code, 0, stderr);
    return stdout;
  }

  function edgeCommand(): string[] {
    const binary = process.env["DRACHTIO_BIN"];
    if (!binary) {
      const program = new URL("../../../cli/sautikit.ts", import.meta.url).pathname;
      const options = ["--sip-host", edge, "--sip-port", "5060", "--exit-with-parent"];
      return [process.execPath, program, "simulator", "edge", ...options];
    }
    const file = join(folder, "drachtio.conf.xml");
    writeFileSync(
      file,
      `<drachtio><admin port="9022" secret="s">127.0.0.1</admin><sip><contacts>
         <contact>sip:${edge}:5060;transport=udp</contact></contacts></sip>
         <logging><console/><loglevel>error</loglevel></logging></drachtio>`,
    );
    return [binary, "-f", file];
  }

  /** A request to the edge, by default within a dialog that it knows nothing of. */
  function say(from: string, method: string, more: { target?: string; in?: string; id?: string } = {}): void {
    const { target = box, in: dialog = ";tag=t1", id = `${method}-${counter++}` } = more;
    const route = dialog === "" ? [] : [`Route: <sip:${edge}:5060;lr>`];
    const text = [
      `${method} sip:+881600000001@${target}:5060 SIP/2.0`,
      `Via: SIP/2.0/UDP ${from}:5060;branch=z9hG4bK-${id}`,
      ...route,
      ...["Max-Forwards: 70", `From: <sip:a@${from}>;tag=f1`, `To: <sip:b@${target}>${dialog}`],
      ...[`Call-ID: ${id}`, `CSeq: 1 ${method}`, `Contact: <sip:a@${from}>`, "X-Sautikit-Ticket: forged"],
      ...["Content-Length: 0", "", ""],
    ].join("\r\n");
    hosts.stdin!.write(`${JSON.stringify({ from, to: edge, text })}\n`);
  }
  let counter = 1;
  const cameTo = (at: string) =>
    methods.filter((method) => arrived.some((one) => one.at === at && one.text.startsWith(`${method} `)));
  function sayAll(from: string, target: string): void {
    arrived.length = 0;
    for (const method of methods) say(from, method, { target });
  }
  async function arrives(from: string, target: string): Promise<void> {
    sayAll(from, target);
    await eventually(
      `all that ${from} sends to ${target}`,
      () => cameTo(target).length === methods.length || undefined,
    );
  }
  async function doesNotArrive(from: string, target: string): Promise<void> {
    sayAll(from, target);
    await sleep(400);
    assert.deepEqual(cameTo(target), []);
  }

  it("without it a stranger's request with a To tag and a Route goes wherever it says: an open relay", async () => {
    await arrives(stranger, box);
    await arrives(stranger, victim);
    await arrives(trunk, victim);
  });

  it("with it a stranger's arrives nowhere", async () => {
    const input = { input: rules, stdio: ["pipe", "pipe", "pipe"] as ["pipe", "pipe", "pipe"] };
    // Twice: they replace themselves.
    for (let time = 0; time < 2; time++)
      execFileSync("ip", ["netns", "exec", namespaces.edge, "nft", "-f", "-"], input);
    await doesNotArrive(stranger, box);
    await doesNotArrive(stranger, victim);
    assert.equal(arrived.length, 0);
  });

  it("nor does a trunk's that names a stranger", () => doesNotArrive(trunk, victim));

  it("and what trunks and boxes have to say to each other passes", async () => {
    await arrives(trunk, box);
    await arrives(box, trunk);
    say(trunk, "OPTIONS", { in: "" });
    await eventually(
      "an answer to the trunk",
      () => arrived.some(({ at, text }) => at === trunk && text.startsWith("SIP/2.0 503")) || undefined,
    );
  });
});
