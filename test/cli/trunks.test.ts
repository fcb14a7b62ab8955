import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startCarrierProcess, type CarrierProcess } from "../peers/carrier-process.ts";
import { startSautikit, type Child } from "../peers/child.ts";
import { startRefusingCarrier, type RefusingCarrier } from "../peers/refusing-carrier.ts";
import { describeOnSwitch, startSwitchUnderTest, type SwitchUnderTest } from "../peers/switch-under-test.ts";
import { eventually } from "../peers/waiting.ts";
import { Customer } from "../world/customer.ts";
import { sautikit, toldLine, toldLines } from "./sautikit.ts";

const answers = "+254700000001";
const isBusy = "+254700000486";

describeOnSwitch("the operator's trunks", function () {
  this.timeout(60_000);
  let folder: string;
  let carrier: CarrierProcess;
  let refusing: RefusingCarrier;
  let on: SwitchUnderTest;
  let server: Child;
  let baseUrl: string;
  let env: Record<string, string>;
  let options = 200;
  let refusesAfterMs = 0;

  const file = () => join(folder, "data", "trunks.yaml");
  const trunk = (name: string, at: { host: string; port: number }, more = "") =>
    `  - { name: ${name}, host: ${at.host}, port: ${at.port}, ping_seconds: 5, codecs: [PCMA]${more} }\n`;
  const written = (text: string) => writeFile(file(), text);

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "sautikit-trunks-"));
    carrier = await startCarrierProcess();
    refusing = await startRefusingCarrier({ options: () => options, afterMs: () => refusesAfterMs });
    on = await startSwitchUnderTest({ carrier });
    const { host, port, password } = on.esl;
    env = {
      ...{ DATA_DIR: join(folder, "data"), SPOOL_DIR: on.spoolDir, PORT: "0", LOG_LEVEL: "silent" },
      FREESWITCH_URLS: `freeswitch://:${password}@${host}:${port}`,
    };
    await mkdir(join(folder, "data"), { mode: 0o700 });
    await written(`trunks:\n${trunk("safari", carrier)}${trunk("baringo", refusing)}`);
    const { child, ready } = await startSautikit(["start"], { folder, env });
    [server, baseUrl] = [child, String(ready["base_url"])];
    await eventually("both trunks loaded, and up", async () =>
      (await states()).join() === "up,up" ? true : undefined,
    );
  });
  after(async () => {
    await server.stop();
    await on.stop();
    refusing.close();
    await carrier.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const list = () => toldLines(["trunk", "list"], env);
  const faultsTold = (count: number) =>
    eventually("the metric of the file's faults", async () => {
      const metrics = await (await fetch(`${baseUrl}/metrics`)).text();
      return metrics.includes(`\nsautikit_trunk_file_faults ${count}\n`) || undefined;
    });
  const states = async () =>
    (await list()).map(({ boxes }) => (boxes as { state: string }[])[0]?.state ?? "none");

  it("are listed with where they lead and how they are, and told in the metrics", async () => {
    const [safari] = await list();
    const { boxes, ...rest } = safari!;
    assert.deepEqual(rest, {
      ...{ name: "safari", via: "switch", host: `127.0.0.1:${carrier.port}`, transport: "udp" },
      ...{ registers: false, prefixes: [""], channels: null, priority: 10, weight: 1, live_calls: 0 },
    });
    assert.equal((boxes as unknown[]).length, 1);
    const metrics = await (await fetch(`${baseUrl}/metrics`)).text();
    assert.match(metrics, /^sautikit_trunk_up\{trunk="safari",box="[^"]+"\} 1$/m);
    assert.match(metrics, /^sautikit_trunk_file_faults 0$/m);
  });

  it("lead where the switch's addresses are held against, and no gateway of its own is needed", async () => {
    const { stdout } = await sautikit(["doctor"], { ...env, TRUNK_GATEWAY: "nobody" });
    assert.match(
      stdout,
      /^ok {5}switch's addresses: (edge tells 127\.0\.0\.1 to send SIP to [^;]+(; |$)){2}/m,
    );
  });

  it("are tried by one call, which is answered, hears something, and costs nobody anything", async () => {
    const told = await toldLine(["trunk", "test", "safari", answers, "--from", "+254200000009"], env);
    const { ok, sip_status, codec, seconds, packets_heard, billed_minor, ms_to_answer } = told;
    assert.deepEqual({ ok, sip_status, billed_minor }, { ok: true, sip_status: 200, billed_minor: 0 });
    assert.equal(codec, "PCMA");
    assert.ok(Number(seconds) >= 1.9 && Number(seconds) < 4, String(seconds));
    assert.ok(Number(packets_heard) > 50, String(packets_heard));
    assert.ok(Number(ms_to_answer) < 2000, String(ms_to_answer));
    const call = await carrier.callFrom("+254200000009", ({ ended_at }) => ended_at !== null);
    assert.equal(call.heard[0]?.hz, 440);
    // No leg, so no price; and no record of its end that somebody would look for an owner of.
    assert.deepEqual(await readdir(join(on.spoolDir, "cdr")), []);
    assert.deepEqual(await readdir(join(on.spoolDir, "unclaimed")), []);
  });

  it("are told apart by a test that fails, with what the carrier said", async () => {
    const busy = await sautikit(["trunk", "test", "safari", isBusy], env);
    assert.equal(busy.code, 1);
    const told = JSON.parse(busy.stdout) as Record<string, unknown>;
    assert.deepEqual([told["ok"], told["sip_status"], told["hangup_cause"]], [false, 486, "user_busy"]);
    const refused = await sautikit(["trunk", "test", "baringo", answers], env);
    assert.equal(refused.code, 1);
    assert.equal((JSON.parse(refused.stdout) as Record<string, unknown>)["sip_status"], 503);
    assert.equal(refusing.invites(), 1);
    const unknown = await sautikit(["trunk", "test", "nobody", answers], env);
    assert.equal(unknown.code, 1);
    assert.match(unknown.stderr, /"nobody" is no trunk; there are safari, baringo/);
  });

  it("follow one another once, though Sautikit was killed while the first was asked", async () => {
    const nairobi = "+254200000001";
    const { workspace_id: id } = await toldLine(["workspace", "create", "Wanjiru"], env);
    await toldLine(["number", "add", String(id), nairobi], env);
    await toldLine(["credit", String(id), "500"], env);
    const { api_key: key } = await toldLine(["key", "create", String(id)], env);
    // The list reads the file by itself: what the server has taken up is told by its faults alone.
    await written("trunks: 0");
    await faultsTold(1);
    await written(`trunks:\n${trunk("baringo", refusing, ", priority: 1")}${trunk("safari", carrier)}`);
    await faultsTold(0);
    const before = refusing.invites();
    refusesAfterMs = 2_000;
    const placed = await new Customer(baseUrl, String(key)).place({ from: nairobi, to: "+254700000103" });
    await eventually("the first carrier was asked", () => refusing.invites() > before || undefined);
    server.kill("SIGKILL");
    await server.exited();
    const { child, ready } = await startSautikit(["start"], { folder, env });
    [server, baseUrl] = [child, String(ready["base_url"])];
    const call = await new Customer(baseUrl, String(key)).ended(placed, 30_000);
    refusesAfterMs = 0;
    assert.equal(call.status, "completed");
    assert.deepEqual(
      call.legs[0]!.attempts.map(({ trunk: name, sip_status }) => [name, sip_status]),
      [
        ["baringo", 503],
        ["safari", 200],
      ],
    );
    assert.equal(refusing.invites(), before + 1);
    const rang = (await carrier.calls()).filter(({ number }) => number === "+254700000103");
    assert.equal(rang.length, 1);
    assert.equal(call.cost_minor, call.legs[0]!.cost_minor);
    assert.ok([3, 4].includes(call.legs[0]!.billed_seconds));
  });

  it("that are down are named by the list and by doctor", async () => {
    options = 503;
    await eventually("baringo down", async () => ((await states())[0] === "down" ? true : undefined), {
      withinMs: 30_000,
    });
    const { stdout } = await sautikit(["doctor"], env);
    assert.match(stdout, /^WARN {2} ?trunks: baringo \(at [^)]+\) down/m);
  });

  it("that the box does not take are named by doctor, with what may be missing", async () => {
    await written(`trunks:\n${trunk("safari", carrier)}${trunk("chui", carrier, ", transport: tcp")}`);
    await eventually(
      "the file was taken",
      async () => (await states()).join() === "up,changing" || undefined,
    );
    const { stdout } = await sautikit(["doctor"], env);
    assert.match(stdout, /^WARN {3}trunks: chui \(at [^)]+\) not loaded.*\n.*TRUNKS_PORT/m);
  });

  it("in a broken file are named with every fault, keep running, and do not start again", async () => {
    await written("trunks:\n  - { name: Safari, host: 127.0.0.1, port: 0 }\n");
    const listed = await sautikit(["trunk", "list"], env);
    assert.equal(listed.code, 1);
    assert.match(listed.stdout, /trunks\[0\]\.name: .*trunks\[0\]\.port: /);
    await faultsTold(2);
    const again = await sautikit(["start"], { ...env, DATA_DIR: join(folder, "other"), TRUNKS_FILE: file() });
    assert.equal(again.code, 1);
    assert.match(again.stderr, /trunks\[0\]\.name: [\s\S]*trunks\[0\]\.port: /);
  });

  it("of a file that is gone stay in force, which the list and doctor say", async () => {
    await rm(file());
    const gone = await sautikit(["trunk", "list"], env);
    assert.equal(gone.code, 1);
    assert.match(
      gone.stdout,
      /"faults":\["the file: is gone, and chui, safari stay in force until the next start"\]/,
    );
    const { stdout } = await sautikit(["doctor"], env);
    assert.match(stdout, /^BROKEN trunks: .*trunks\.yaml is gone/m);
    const tried = await sautikit(["trunk", "test", "carrier", answers], env);
    assert.match(tried.stderr, /the file: is gone/);
  });

  it("are gone from the box after a start without a file, and its own gateway is the one trunk", async () => {
    await server.stop();
    const { child, ready } = await startSautikit(["start"], { folder, env });
    server = child;
    await eventually("no gateway of a trunk", async () => {
      const metrics = await (await fetch(`${String(ready["base_url"])}/metrics`)).text();
      return metrics.includes("sautikit_trunk_up{") ? undefined : true;
    });
    const [only, ...others] = await list();
    assert.deepEqual([only?.["name"], only?.["file"], others.length], ["carrier", null, 0]);
    assert.equal((await toldLine(["trunk", "test", "carrier", answers], env))["ok"], true);
  });
});
