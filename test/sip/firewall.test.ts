import { strict as assert } from "node:assert";
import { execFileSync, spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { systemClock } from "../../engine/clock.ts";
import { Firewall } from "../../engine/sip/firewall.ts";
import type { Store } from "../../engine/store/store.ts";
import { eventually } from "../peers/waiting.ts";

const program = new URL("../../cli/sautikit.ts", import.meta.url).pathname;
const prober = new URL("./options-prober.ts", import.meta.url).pathname;

/** Whether this machine lets us make networks of our own, with a firewall in them. */
function missing(): string | undefined {
  if (process.getuid?.() !== 0) return "not root";
  if (!existsSync("/usr/sbin/nft")) return "no nft";
  const { status } = spawnSync("unshare", ["--net", "/usr/sbin/nft", "add", "table", "inet", "tried"]);
  return status === 0 ? undefined : "no network namespaces, or no nftables in the kernel";
}
const lacks = missing();
const hasIptables = existsSync("/usr/sbin/iptables");

(lacks === undefined ? describe : describe.skip)(
  `the firewall of a media server's box${lacks === undefined ? "" : ` (skipped: ${lacks})`}`,
  function () {
    this.timeout(60_000);
    const net = `sk${process.pid}`;
    const namespaces = { box: `${net}box`, scanner: `${net}a`, office: `${net}b` };
    const address = { box: "10.77.0.1", scanner: "10.77.0.2", office: "10.77.0.3" };
    const port = 5080;
    const running: ChildProcess[] = [];
    let folder: string;
    let env: Record<string, string>;
    let spool: ChildProcess;

    const ip = (...args: string[]) => execFileSync("ip", args, { stdio: "pipe" });
    const within = (name: string, ...args: string[]): string =>
      execFileSync("ip", ["netns", "exec", name, ...args], {
        env: { ...process.env, ...env },
        stdio: "pipe",
      }).toString();
    const sautikit = (...args: string[]) => within(namespaces.box, process.execPath, program, ...args);
    const run = (...args: string[]): ChildProcess => {
      const child = spawn("ip", ["netns", "exec", namespaces.box, process.execPath, program, ...args], {
        env: { ...process.env, ...env },
        stdio: ["ignore", "pipe", "inherit"],
      });
      running.push(child);
      return child;
    };
    const stop = async (child: ChildProcess) => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill("SIGTERM");
      await once(child, "exit");
    };
    /** Whether an OPTIONS from there is answered. */
    const answered = (from: "scanner" | "office", agent = "Yealink"): boolean =>
      within(namespaces[from], process.execPath, prober, address.box, String(port), agent).trim() === "200";
    const set = () =>
      within(namespaces.box, "/usr/sbin/nft", "list", "set", "inet", "sautikit_devices", "banned");
    const kept = (there: boolean) =>
      eventually(
        `${address.scanner} ${there ? "in" : "out of"} the set`,
        () => set().includes(address.scanner) === there || undefined,
      );

    before(async () => {
      folder = await mkdtemp(join(tmpdir(), "sautikit-firewall-"));
      env = {
        ...{
          DATA_DIR: join(folder, "data"),
          FIREWALL: "nft",
          BAN_NEVER: "10.77.0.200/32",
          LOG_LEVEL: "warn",
        },
        ...{
          SIP_DOMAIN: "sip.example.test",
          SIP_PORTS: `udp:${port},tcp:${port}`,
          ESL_PASSWORD: "secret-of-the-test",
        },
        FREESWITCH_URLS: `freeswitch://:secret-of-the-test@127.0.0.1:8021`,
      };
      for (const name of Object.values(namespaces)) ip("netns", "add", name);
      within(namespaces.box, "ip", "link", "set", "lo", "up");
      within(namespaces.box, "ip", "link", "add", "bridge", "type", "bridge");
      within(namespaces.box, "ip", "addr", "add", `${address.box}/24`, "dev", "bridge");
      within(namespaces.box, "ip", "link", "set", "bridge", "up");
      for (const who of ["scanner", "office"] as const) {
        const [outer, inner] = [`${net}${who[0]!}0`, `${net}${who[0]!}1`];
        ip(
          "link",
          "add",
          outer,
          "netns",
          namespaces.box,
          "type",
          "veth",
          "peer",
          "name",
          inner,
          "netns",
          namespaces[who],
        );
        within(namespaces.box, "ip", "link", "set", outer, "master", "bridge", "up");
        within(namespaces[who], "ip", "addr", "add", `${address[who]}/24`, "dev", inner);
        within(namespaces[who], "ip", "link", "set", inner, "up");
      }
      const devices = [
        "--devices-port",
        String(port),
        "--devices-realm",
        "sip.example.test",
        "--devices-spool",
        folder,
      ];
      const peer = run("simulator", "switch", "--cdr-dir", folder, "--devices-host", address.box, ...devices);
      await once(peer.stdout!, "data");
      spool = run("start", "--role", "spool");
      await eventually("an answer to the office", () => answered("office") || undefined);
    });
    after(async () => {
      for (const child of running) await stop(child);
      for (const name of Object.values(namespaces)) spawnSync("ip", ["netns", "delete", name]);
      await rm(folder, { recursive: true, force: true });
    });

    const load = (rules: string, ...program: string[]) =>
      execFileSync("ip", ["netns", "exec", namespaces.box, ...program], { input: rules, stdio: "pipe" });
    const doctor = () =>
      spawnSync("ip", ["netns", "exec", namespaces.box, process.execPath, program, "doctor"], {
        env: { ...process.env, ...env },
      }).stdout.toString();

    it("doctor says whether its rules are there; loaded twice they are the same", async () => {
      await eventually("the set", () => set() !== "" || undefined);
      assert.match(doctor(), /^BROKEN firewall: .*\n.*bans firewall/m);
      load(sautikit("bans", "firewall"), "/usr/sbin/nft", "-f", "-");
      const once = within(namespaces.box, "/usr/sbin/nft", "list", "table", "inet", "sautikit_devices");
      load(sautikit("bans", "firewall"), "/usr/sbin/nft", "-f", "-");
      assert.equal(
        within(namespaces.box, "/usr/sbin/nft", "list", "table", "inet", "sautikit_devices"),
        once,
      );
      assert.match(doctor(), /^ok {5}firewall: /m);
    });

    it("who is banned gets silence, others are answered, and who is lifted is answered again", async () => {
      assert.equal(answered("scanner"), true);
      sautikit("bans", "add", address.scanner, "--for", "1h");
      await kept(true);
      assert.deepEqual([answered("scanner"), answered("office")], [false, true]);
      sautikit("bans", "lift", address.scanner);
      await kept(false);
      assert.equal(answered("scanner"), true);
    });

    it("who is banned while a call runs may still hang up, and answer what is asked in it, at a rate", async () => {
      sautikit("bans", "add", address.scanner, "--for", "1h");
      await kept(true);
      // After ours, which is at -10: what is counted here got through.
      const through = "inet through";
      load(
        `table ${through} {
          chain input {
            type filter hook input priority 0;
            ip saddr ${address.scanner} udp dport ${port} counter
          }
        }`,
        "/usr/sbin/nft",
        "-f",
        "-",
      );
      const send = (method: string, count = "1"): number => {
        const before = counted();
        const args = [address.box, String(port), "Yealink", count, method];
        within(namespaces.scanner, process.execPath, prober, ...args);
        return counted() - before;
      };
      const counted = (): number => {
        const rules = within(namespaces.box, "/usr/sbin/nft", "list", "table", ...through.split(" "));
        return Number(/counter packets (\d+)/.exec(rules)?.[1]);
      };
      const passed = ["BYE", "SIP/2.0", "INVITE", "REGISTER"].map((method) => send(method));
      assert.deepEqual(passed, [1, 1, 0, 0]);
      const flood = send("BYE", "300");
      assert.ok(flood >= 20 && flood < 100, `${flood} of 300 got through`);
      within(namespaces.box, "/usr/sbin/nft", "delete", "table", ...through.split(" "));
      sautikit("bans", "lift", address.scanner);
      await kept(false);
    });

    it("after the spool's restart, and after the set was emptied, it is as the store has it", async () => {
      sautikit("bans", "add", address.scanner, "--for", "1h");
      await kept(true);
      await stop(spool);
      assert.equal(answered("scanner"), false, "nobody is needed for a ban to hold");
      within(namespaces.box, "/usr/sbin/nft", "flush", "set", "inet", "sautikit_devices", "banned");
      assert.equal(answered("scanner"), true);
      spool = run("start", "--role", "spool");
      await kept(true);
      assert.deepEqual([answered("scanner"), answered("office")], [false, true]);
      assert.match(set(), /10\.77\.0\.2 timeout \d+[hms]/);
      sautikit("bans", "lift", address.scanner);
      await kept(false);
    });

    it(`known scanners get silence, by the name that they give${hasIptables ? "" : " (skipped: no iptables)"}`, function () {
      if (!hasIptables) this.skip();
      const script = sautikit("bans", "firewall", "--scanners");
      for (let time = 0; time < 2; time++) load(script, "sh");
      const rules = within(namespaces.box, "/usr/sbin/iptables", "-S", "INPUT").split("\n");
      assert.equal(
        rules.filter((rule) => rule.includes("SAUTIKIT_SCANNERS")).length,
        2,
        "one for UDP, one for TCP",
      );
      assert.deepEqual(
        ["friendly-scanner", "Friendly-Scanner 0.3", "Yealink SIP-T31P"].map((agent) =>
          answered("office", agent),
        ),
        [false, false, true],
      );
    });

    it("one address that floods is cut to its rate, and another is answered meanwhile", async () => {
      const flood = spawn(
        "ip",
        [
          "netns",
          "exec",
          namespaces.scanner,
          process.execPath,
          prober,
          address.box,
          String(port),
          "x",
          "1000",
        ],
        {
          stdio: ["ignore", "pipe", "inherit"],
        },
      );
      let said = "";
      flood.stdout.setEncoding("utf8").on("data", (text: string) => (said += text));
      assert.equal(answered("office"), true);
      await once(flood, "close");
      const got = Number(said);
      assert.ok(got >= 250 && got < 600, `${said} of 1000 were answered`);
    });
  },
);

describe("the firewall's set that cannot be written", () => {
  it("is said at once and then each minute, not each time that it is tried", async () => {
    const said: number[] = [];
    let nowMs = 0;
    let tries = 0;
    const clock = {
      ...systemClock,
      monotonicMs: () => nowMs,
      after(ms: number, then: () => void) {
        nowMs += ms;
        return systemClock.after(0, then);
      },
    };
    const log = pino({ level: "silent" });
    log.error = () => void said.push(nowMs);
    const store = { read: () => Promise.reject(new Error(`away, ${++tries}`)) } as unknown as Store;
    const firewall = new Firewall({ store, clock, log });
    firewall.start();
    await eventually("two minutes", () => (tries >= 65 ? true : undefined));
    await firewall.stop();
    assert.deepEqual(said.slice(0, 3), [0, 60_000, 120_000]);
  });
});
