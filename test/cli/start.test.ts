import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { connect, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import type { Demo } from "../../cli/demo-workspace.ts";
import { startSautikit } from "../peers/child.ts";
import { eventually } from "../peers/waiting.ts";
import { sqliteFile } from "../store/test-database.ts";
import { Customer } from "../world/customer.ts";
import { sautikit, toldLine } from "./sautikit.ts";

const wanjiru = "+254700000001";

/** Every process below `pid`, by what the system says now. */
async function descendants(pid: number): Promise<number[]> {
  const { stdout } = await promisify(execFile)("ps", ["-A", "-o", "pid=,ppid="]);
  const rows = stdout
    .trim()
    .split("\n")
    .map((line) => line.trim().split(/\s+/).map(Number) as [number, number]);
  const found: number[] = [];
  for (let parents = [pid]; parents.length > 0; found.push(...parents)) {
    parents = rows.filter(([, parent]) => parents.includes(parent)).map(([child]) => child);
  }
  return found;
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

const allGone = (pids: readonly number[]) =>
  eventually("the end of every process that was started", () => (pids.some(alive) ? undefined : true));

describe("sautikit start, with everything embedded", function () {
  this.timeout(40_000);
  let folder: string;
  /** A customer's web server that takes everything and does not answer. */
  let web: Server;
  let answers: boolean;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "sautikit-start-"));
    answers = false;
    web = createServer((request, response) => {
      if (answers) request.resume().on("end", () => response.end("OK"));
    }).listen(0, "127.0.0.1");
    await once(web, "listening");
  });
  afterEach(async () => {
    web.closeAllConnections();
    web.close();
    await rm(folder, { recursive: true, force: true });
  });

  const hangingUrl = () => `http://127.0.0.1:${(web.address() as AddressInfo).port}/hangs`;
  const start = () =>
    startSautikit(["start"], {
      folder,
      env: { DATA_DIR: join(folder, "data"), PORT: "0", LOG_LEVEL: "warn" },
    });
  const demoAccount = async (data = join(folder, "data")) =>
    JSON.parse(await readFile(join(data, "demo.json"), "utf8")) as Demo;

  it("makes a demo workspace that works, for its owner's eyes alone, once", async () => {
    const { child, ready } = await start();
    try {
      const demo = await demoAccount();
      const data = join(folder, "data");
      for (const name of await readdir(data)) {
        const found = await stat(join(data, name));
        assert.equal((found.mode & 0o777).toString(8), found.isDirectory() ? "700" : "600", name);
      }
      assert.ok((await readdir(data)).includes("sautikit.db-wal"));
      assert.equal((await stat(data)).mode & 0o777, 0o700);
      assert.doesNotMatch(child.output(), /chmod 700/);
      assert.deepEqual(Object.keys(demo), [
        "base_url",
        "carrier_status",
        "daraja_control",
        "api_key",
        "workspace_id",
        "number",
        "voice_signing_secret",
      ]);
      assert.equal(demo.base_url, ready["base_url"]);
      assert.equal(demo.carrier_status, ready["carrier_status"]);
      // On another stream than the line that says that it is ready: either may arrive first.
      const line = `ready at ${demo.base_url}; the demo key is in ${folder}/data/demo.json\n`;
      await eventually("the line for people", () => (child.output().includes(line) ? true : undefined));
      const customer = new Customer(demo.base_url, demo.api_key);
      const wallet = await customer.ask("GET", "/v1/wallet");
      assert.equal(wallet.body.workspace_id, demo.workspace_id);
      assert.equal(wallet.body.balance_minor, 100_000);
      const id = await customer.place({ from: demo.number, to: wanjiru });
      await customer.until(id, "its answer", ({ status }) => status === "answered");
      await customer.hangUp(id);
      assert.equal((await customer.ended(id)).status, "completed");
      await child.stop();
      await chmod(data, 0o750);
      const again = await start();
      // What was opened on purpose is left so, and said.
      assert.match(again.child.output(), /"mode":"750".*chmod 700/);
      assert.equal((await stat(data)).mode & 0o777, 0o750);
      const after = await demoAccount();
      await again.child.stop();
      const { base_url, carrier_status, daraja_control } = again.ready as unknown as Demo;
      assert.deepEqual(after, { ...demo, base_url, carrier_status, daraja_control });
    } finally {
      await child.stop();
    }
  });

  for (const [signal, what] of [
    ["SIGTERM", "whatever it is doing"],
    ["SIGINT", "with calls up"],
  ] as const) {
    it(`ends by ${signal} in less than 10 s and leaves nothing behind, ${what}`, async () => {
      answers = signal === "SIGINT";
      const { child } = await start();
      try {
        const demo = await demoAccount();
        const customer = new Customer(demo.base_url, demo.api_key);
        // A call that talks, one whose prompt never comes, one that rings; and each event's webhook hangs.
        const calls = await Promise.all([
          customer.place({ from: demo.number, to: wanjiru, record: true, events_url: hangingUrl() }),
          customer.place({ from: demo.number, to: wanjiru, actions: [{ play: { url: hangingUrl() } }] }),
          customer.place({ from: demo.number, to: "+254700000180", events_url: hangingUrl() }),
        ]);
        await customer.until(calls[0], "its answer", ({ status }) => status === "answered");
        await customer.until(calls[1], "its prompt", ({ events }) =>
          events.some(({ kind }) => kind === "action.started"),
        );
        await customer.until(calls[2], "ringing", ({ status }) => status === "ringing");
        const children = await descendants(child.pid);
        assert.ok(children.length >= 2, "a carrier and a switch");
        const beganMs = performance.now();
        child.kill(signal);
        // A second one changes nothing.
        child.kill(signal);
        assert.deepEqual(await child.exited(), { code: 0, signal: null }, child.output());
        assert.ok(performance.now() - beganMs < 10_000);
        await allGone(children);
        assert.doesNotMatch(
          child.output(),
          /could not stop cleanly|Unhandled|"level":(50|60)/,
          child.output(),
        );

        answers = true;
        // What was up ended with the switch, and is settled by the next start.
        const again = await start();
        try {
          const next = new Customer((await demoAccount()).base_url, demo.api_key);
          for (const id of calls) await next.ended(id);
        } finally {
          await again.child.stop();
        }
      } finally {
        await child.stop();
      }
    });
  }

  it("gives its leases back by SIGTERM, though somebody is slow to ask it something", async () => {
    const { child, ready } = await start();
    const slow = connect(Number(new URL(String(ready["base_url"])).port), "127.0.0.1");
    // It is cut off in the end.
    slow.on("error", () => undefined);
    try {
      await once(slow, "connect");
      slow.write("POST /v1/calls HTTP/1.1\r\nHost: sautikit\r\n");
      // Answered behind it: it is there by then.
      await fetch(`${String(ready["base_url"])}/healthz`);
      child.kill("SIGTERM");
      assert.deepEqual(await child.exited(), { code: 0, signal: null }, child.output());
      const database = sqliteFile(join(folder, "data", "sautikit.db"));
      const leases = await database.byHand("SELECT name, holder FROM leases ORDER BY name");
      assert.deepEqual(leases, [
        { name: "duties", holder: null },
        { name: "embedded", holder: null },
      ]);
    } finally {
      slow.destroy();
      await child.stop();
    }
  });

  it("makes no demo workspace beside a real switch, and does not speak of one", async () => {
    const { child, ready } = await startSautikit(["start"], {
      folder,
      env: {
        ...{ DATA_DIR: join(folder, "data"), PORT: "0", LOG_LEVEL: "silent" },
        // Nobody listens there: it starts all the same.
        FREESWITCH_URLS: "freeswitch://:a-password@127.0.0.1:1",
      },
    });
    try {
      const said = `Sautikit is ready at ${String(ready["base_url"])}\n`;
      await eventually("its address", () => (child.output() === "" ? undefined : true));
      assert.equal(child.output(), said);
      await assert.rejects(demoAccount(), { code: "ENOENT" });
    } finally {
      await child.stop();
    }
  });

  it("keeps the port of its object storage, so that a link to a recording outlives a restart", async () => {
    let { child } = await start();
    const blocker = createServer();
    try {
      const demo = await demoAccount();
      const customer = new Customer(demo.base_url, demo.api_key);
      const id = await customer.place({ from: demo.number, to: "+254700000103", record: true });
      const [recording] = (await customer.ended(id)).legs[0]!.recording_ids;
      const linkFrom = (to: Customer) =>
        eventually("a link", async () => {
          const { status, headers } = await to.ask(
            "GET",
            `/v1/calls/${id}/recording?recording_id=${recording}`,
          );
          return status === 302 ? headers.get("location")! : undefined;
        });
      const link = await linkFrom(customer);
      await child.stop();
      ({ child } = await start());
      assert.equal((await fetch(link)).status, 200);
      assert.doesNotMatch(child.output(), /port is taken/);

      await child.stop();
      blocker.listen(Number(new URL(link).port), "127.0.0.1");
      await once(blocker, "listening");
      ({ child } = await start());
      assert.match(child.output(), new RegExp(`"before":${new URL(link).port},.*port is taken`));
      const again = new Customer((await demoAccount()).base_url, demo.api_key);
      assert.equal((await fetch(await linkFrom(again))).status, 200);
    } finally {
      blocker.close();
      await child.stop();
    }
  });

  it("prints a firewall for the port that phones are told, once there is one", async () => {
    const env = { DATA_DIR: join(folder, "data") };
    const before = await sautikit(["bans", "firewall"], env);
    assert.equal(before.code, 1);
    assert.match(before.stderr, /SIP_DEVICES_PORT/);
    const { child } = await start();
    try {
      const { base_url: url, api_key: key } = await demoAccount();
      const customer = new Customer(url, key);
      const [number] = (await customer.ask("GET", "/v1/numbers")).body.data as [{ id: string }];
      const made = await customer.ask("POST", `/v1/numbers/${number.id}/sip-credentials`, {
        body: { label: "Desk" },
      });
      const { stdout } = await sautikit(["bans", "firewall"], env);
      assert.match(stdout, new RegExp(`th dport { ${String(made.body.ports.udp)} } jump sip`));
    } finally {
      await child.stop();
    }
  });

  it("says at the start that its key does not open what is sealed in the database, and nothing with the right one", async () => {
    const env = {
      ...{ DATA_DIR: join(folder, "data"), PORT: "0", LOG_LEVEL: "warn" },
      // Beside a real switch: without M-Pesa nothing else asks for the key.
      ...{ FREESWITCH_URLS: "freeswitch://:none@127.0.0.1:9", SPOOL_DIR: join(folder, "spool") },
    };
    const { workspace_id: workspace } = await toldLine(["workspace", "create", "Wanjiru"], env);
    await toldLine(["number", "add", String(workspace), "+254200000001"], env);
    const file = join(env.DATA_DIR, "secrets.key");
    const right = await readFile(file, "utf8");
    for (const key of ["0".repeat(64), right]) {
      await writeFile(file, key);
      const { child } = await startSautikit(["start"], { folder, env });
      await child.stop();
      assert.equal(/"level":50.*SECRETS_KEY/.test(child.output()), key !== right, child.output());
    }
  });

  it("prints a firewall at a box's boot, as root, when no database is there and none is to be made", async () => {
    const box = { FREESWITCH_URLS: "freeswitch://:none@10.1.0.4:8021", SPOOL_DIR: "/var/spool/sautikit" };
    for (const [name, database] of [
      ["sqlite", ""],
      ["away", "postgres://nobody@127.0.0.1:9/none"],
    ] as const) {
      const env = { ...box, DATA_DIR: join(folder, name), DATABASE_URL: database };
      const { code, stdout, stderr } = await sautikit(["bans", "firewall"], env);
      assert.equal(code, 0, stderr);
      assert.match(stdout, /th dport { 5080 } jump sip/);
      assert.equal(existsSync(env.DATA_DIR), false);
    }
  });

  it("killed by SIGKILL leaves no carrier and no switch behind", async () => {
    const { child } = await start();
    const children = await descendants(child.pid);
    assert.ok(children.length >= 2);
    child.kill("SIGKILL");
    await child.exited();
    await allGone(children);
  });

  for (const signal of ["SIGINT", "SIGTERM"] as const)
    it(`is what npm start runs, and ${signal} to its whole group ends all of it`, async () => {
      // A process group of its own, as a terminal makes one: Ctrl-C is a SIGINT to each process in it.
      const npm = spawn("npm", ["start", "--silent"], {
        cwd: new URL("../..", import.meta.url).pathname,
        env: { ...process.env, DATA_DIR: join(folder, signal), PORT: "0", LOG_LEVEL: "warn" },
        stdio: ["ignore", "pipe", "pipe"],
        detached: true,
      });
      let said = "";
      npm.stderr.on("data", (piece: Buffer) => void (said += piece.toString()));
      const group = -npm.pid!;
      const ended = once(npm, "exit");
      try {
        const [line] = (await once(createInterface({ input: npm.stdout }), "line", {
          signal: AbortSignal.timeout(20_000),
        })) as [string];
        const demo = await demoAccount(join(folder, signal));
        assert.equal((JSON.parse(line) as { base_url: string }).base_url, demo.base_url);
        assert.equal((await new Customer(demo.base_url, demo.api_key).ask("GET", "/v1/wallet")).status, 200);
        const children = await descendants(npm.pid!);
        assert.ok(children.length >= 3);
        process.kill(group, signal);
        await ended;
        await allGone(children);
        assert.doesNotMatch(said, /"level":/, `something is wrong when a user stops it: ${said}`);
      } finally {
        if (alive(group)) process.kill(group, "SIGKILL");
      }
    });
});
