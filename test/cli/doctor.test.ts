import assert from "node:assert/strict";
import { chmod, mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { toCarrier, toDevices } from "../../cli/doctor/check-addresses.ts";
import { freeSwitchFloor, ofVersion } from "../../cli/doctor/check-switch.ts";
import { systemClock } from "../../engine/clock.ts";
import { openSqlite } from "../../engine/store/sqlite.ts";
import { startEmbeddedS3, type EmbeddedS3 } from "../../recordings/embedded-s3/server.ts";
import { freePort } from "../peers/free-ports.ts";
import { describeOnSwitch, startSwitchUnderTest, type SwitchUnderTest } from "../peers/switch-under-test.ts";
import { sautikit, toldLine } from "./sautikit.ts";

const credentials = { accessKeyId: "doctor", secretAccessKey: "doctor's secret" };

describeOnSwitch("doctor", function () {
  this.timeout(30_000);
  let folder: string;
  let on: SwitchUnderTest;
  let s3: EmbeddedS3;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "sautikit-doctor-"));
    on = await startSwitchUnderTest({ carrier: { host: "127.0.0.1", port: await freePort() } });
    s3 = await startEmbeddedS3({
      ...{ host: "127.0.0.1", port: 0, region: "af-nairobi-1", credentials, clock: systemClock },
      directory: join(folder, "objects"),
      onFault: (error) => assert.fail(String(error)),
    });
  });
  after(async () => {
    await on.stop();
    await s3.close();
    await rm(folder, { recursive: true, force: true });
  });

  const asked = async (env: Record<string, string> = {}) => {
    const { code, stdout, stderr } = await sautikit(["doctor"], { DATA_DIR: join(folder, "data"), ...env });
    assert.equal(stderr, "");
    assert.doesNotMatch(stdout, /secret|\n {4}at /);
    return { code, said: stdout };
  };
  const storageAt = (port: number) => ({
    S3_ENDPOINT: `http://127.0.0.1:${port}`,
    S3_ACCESS_KEY_ID: credentials.accessKeyId,
    S3_SECRET_ACCESS_KEY: credentials.secretAccessKey,
  });

  it("finds nothing wrong with the embedded default", async () => {
    const { code, said } = await asked();
    assert.equal(code, 0, said);
    assert.match(said, /0 broken\n$/);
  });

  it("makes a spool that is not there for its owner alone", async () => {
    const spool = join(folder, "box", "spool");
    await asked({ SPOOL_DIR: spool });
    assert.equal((await stat(spool)).mode & 0o777, 0o700);
  });

  it("asks a switch for its version, and puts an object into the storage and takes it away", async () => {
    const { host, port, password } = on.esl;
    const FREESWITCH_URLS = `freeswitch://:${password}@${host}:${port}`;
    const { code, said } = await asked({ FREESWITCH_URLS, ...storageAt(s3.port) });
    assert.match(
      said,
      /^(ok {4}|WARN {2}) switch: 127\.0\.0\.1:\d+ is (FreeSWITCH \d+\.\d+\.\d+|the simulated switch)/m,
    );
    assert.match(said, /^ok {5}switch's addresses: edge tells 127\.0\.0\.1 to send SIP to 127\.0\.0\.1/m);
    assert.match(said, /^ok {5}SIP trace: off/m);
    assert.match(said, /^ok {5}storage: .*an object was put, read and deleted$/m);
    assert.equal(code, 0, said);
    assert.ok(!said.includes(password));
  });

  it("says of several boxes which one it speaks of", async () => {
    const { port, password } = on.esl;
    const boxes = ["127.0.0.1", "localhost"].map((host) => `freeswitch://:${password}@${host}:${port}`);
    const { said } = await asked({ FREESWITCH_URLS: boxes.join(), ...storageAt(s3.port) });
    assert.match(said, /switch's addresses: 127\.0\.0\.1:\d+: edge tells .*; localhost:\d+: edge tells /);
  });

  it("warns where one of several boxes has no SIP address of its own by which the others ring its devices", async () => {
    const at = (...boxes: string[]) => boxes.map((box) => `freeswitch://:secret@${box}`).join();
    const SIP_DOMAIN = "sip.example.test";
    for (const [FREESWITCH_URLS, domain, says] of [
      [at("127.0.0.1:1"), SIP_DOMAIN, "ok     boxes' SIP: not needed: there is one"],
      [at("127.0.0.1:1", "localhost:1"), "", "ok     boxes' SIP: not needed: SIP devices are not let in"],
      [
        at("127.0.0.1:1", "localhost:1"),
        SIP_DOMAIN,
        "WARN   boxes' SIP: devices at localhost:1 are not rung for calls that are on another box: localhost:5060 is no IPv4 address",
      ],
      [
        at("127.0.0.1:1", "127.0.0.1:2"),
        SIP_DOMAIN,
        "WARN   boxes' SIP: more than one box is at 127.0.0.1:5060: devices at one of them are not rung",
      ],
      [
        at("127.0.0.1:1", "localhost:1?sip=127.0.0.2:5060"),
        SIP_DOMAIN,
        "ok     boxes' SIP: 127.0.0.1:1 is at 127.0.0.1:5060, localhost:1 is at 127.0.0.2:5060",
      ],
    ] as const) {
      const { said } = await asked({ FREESWITCH_URLS, SIP_DOMAIN: domain, ...storageAt(s3.port) });
      assert.ok(said.split("\n").includes(says), said);
    }
  });

  it("names each part that cannot be reached, and how to mend it, and fails", async () => {
    const port = await freePort();
    const { code, said } = await asked({
      FREESWITCH_URLS: `freeswitch://:secret@127.0.0.1:${port}`,
      DATABASE_URL: `postgres://sautikit:secret@127.0.0.1:${port}/sautikit`,
      SPEECH_COMMAND: "/nowhere/speaks",
      ...storageAt(port),
    });
    assert.equal(code, 1);
    for (const part of ["database: postgres", "switch", "storage", "speech"])
      assert.match(said, new RegExp(`^BROKEN ${part}: .+\\n {9}\\S`, "m"), part);
    assert.match(said, /ECONNREFUSED/);
    assert.match(said, / 4 broken\n$/);
  });

  it("fails a key that does not open what is sealed in the database, as another machine's would not", async () => {
    const env = { DATA_DIR: join(folder, "sealed"), SECRETS_KEY: "1".repeat(64) };
    assert.match((await asked(env)).said, /^ok {5}sealing key: that of SECRETS_KEY$/m);
    const { workspace_id: workspace } = await toldLine(["workspace", "create", "Wanjiru's"], env);
    await toldLine(["number", "add", String(workspace), "+254200000001"], env);
    assert.equal((await asked(env)).code, 0);
    for (const other of ["2".repeat(64), ""]) {
      const { code, said } = await asked({ ...env, SECRETS_KEY: other });
      assert.match(said, /^BROKEN sealing key: .*sealed in the database.*\n {9}.*SECRETS_KEY/m);
      assert.equal(code, 1);
    }
  });

  it("warns where nobody says that the recordings are in Kenya", async () => {
    for (const [note, says] of [
      ["", /^WARN {3}storage's place: nobody said/m],
      [
        "Frankfurt, Germany",
        /^WARN {3}storage's place: Frankfurt, Germany, and customers are told .* Kenya/m,
      ],
      ["Nairobi, Kenya", /^ok {5}storage's place: Nairobi, Kenya$/m],
    ] as const) {
      const { code, said } = await asked({ S3_REGION_NOTE: note });
      assert.equal(code, 0, said);
      assert.match(said, says);
    }
  });

  it("warns where no firewall keeps banned addresses from a real switch's devices", async () => {
    const FREESWITCH_URLS = `freeswitch://:secret@127.0.0.1:${await freePort()}`;
    for (const [env, says] of [
      [{ FREESWITCH_URLS }, /^ok {5}firewall: not needed/m],
      [{ FREESWITCH_URLS, SIP_DOMAIN: "sip.example.test" }, /^WARN {3}firewall: none: /m],
    ] as const)
      assert.match((await asked(env)).said, says);
  });

  it("fails a switch without the gateway that calls go to", async () => {
    const { host, port, password } = on.esl;
    const FREESWITCH_URLS = `freeswitch://:${password}@${host}:${port}`;
    const { code, said } = await asked({ FREESWITCH_URLS, TRUNK_GATEWAY: "nobody" });
    assert.match(said, /^BROKEN switch's addresses: the switch has no gateway nobody$/m);
    assert.equal(code, 1);
  });

  it("warns where the trace of SIP is on and calls have none", async () => {
    const trace = { SIP_TRACE: "on", HEP_PORT: "9061", DATABASE_URL: `sqlite:${join(folder, "traced.db")}` };
    assert.match(
      (await asked(trace)).said,
      /^ok {5}SIP trace: on, at 127\.0\.0\.1:9061; there was no call yet$/m,
    );
    const store = await openSqlite(join(folder, "traced.db"), { clock: systemClock });
    await store.write(async (tx) => {
      await tx.run(
        "INSERT INTO workspaces (id, name, created_at_ms, mpesa_account_ref) VALUES ('ws_1', 'Wanjiru', 1, 'W1')",
      );
      await tx.run(
        `INSERT INTO calls (id, workspace_id, direction, from_e164, to_e164, status, options, created_at_ms, updated_at_ms)
         VALUES ('call_1', 'ws_1', 'outbound', '+254200000001', '+254712345678', 'completed', '{}', 1, 1)`,
      );
      await tx.run(
        `INSERT INTO legs (id, call_id, workspace_id, position, kind, direction, from_e164, to_e164, status, box,
           rate_micro_kes_per_minute, created_at_ms, ended_at_us, max_duration_seconds, cut_after_seconds, sip_call_id)
         VALUES ('leg_1', 'call_1', 'ws_1', 0, 'pstn', 'outbound', '+254200000001', '+254712345678', 'completed', 'b',
           1, 1, 1, 60, 60, 'abc')`,
      );
    });
    await store.close();
    assert.match(
      (await asked(trace)).said,
      /^WARN {3}SIP trace: on, .*nothing came of the last 1 legs\n.*SIP_TRACE_TO/m,
    );
  });

  it("tells a wrong password from a switch that is away", async () => {
    const { host, port } = on.esl;
    const { said } = await asked({ FREESWITCH_URLS: `freeswitch://:wrong@${host}:${port}` });
    assert.match(said, /^BROKEN switch: .*password/m);
  });

  it("warns of a folder that others can look into", async () => {
    await asked();
    await chmod(join(folder, "data"), 0o755);
    const { code, said } = await asked();
    assert.match(said, /^WARN {3}folder: .*mode 755/m);
    assert.equal(code, 0);
  });
});

describe("doctor, of a switch's version", () => {
  const verdict = (version: string, onLoopback = false) =>
    ofVersion("box", `FreeSWITCH Version ${version}-release~64bit (-release 64bit)`, onLoopback).verdict;

  it("fails one below the floor, and warns where nobody outside reaches it", () => {
    for (const old of ["1.10.12", "1.11.3", "0.99.99"]) {
      assert.equal(verdict(old), "broken", old);
      assert.equal(verdict(old, true), "warn", old);
    }
    for (const fine of [freeSwitchFloor.join("."), "1.11.10", "1.12.0", "2.0.0"])
      assert.equal(verdict(fine), "ok", fine);
  });

  it("fails what does not tell", () => {
    assert.equal(ofVersion("box", "-ERR no such api", true).verdict, "broken");
  });
});

describe("doctor, of the addresses that the switch tells others", () => {
  const told = (sip: string, rtp = sip) => ({ profile: "edge", sip, rtp });
  for (const [sip, rtp, carrier, verdict] of [
    ["127.0.0.1", "127.0.0.1", ["127.0.0.1"], "ok"],
    ["196.201.1.1", "196.201.1.1", ["41.90.1.1"], "ok"],
    ["10.0.0.5", "10.0.0.5", ["10.9.0.1"], "ok"],
    ["10.0.0.5", "10.0.0.5", [], "ok"],
    ["10.0.0.5", "10.0.0.5", ["41.90.1.1"], "warn"],
    ["196.201.1.1", "10.0.0.5", ["41.90.1.1"], "warn"],
    ["100.64.0.5", "100.64.0.5", ["41.90.1.1"], "warn"],
    ["127.0.0.1", "127.0.0.1", ["41.90.1.1"], "broken"],
    ["196.201.1.1", "127.0.0.1", ["10.9.0.1"], "broken"],
    ["0.0.0.0", "0.0.0.0", ["41.90.1.1"], "broken"],
    ["auto", "auto", ["41.90.1.1"], "broken"],
  ] as const)
    it(`${verdict} where a carrier at ${carrier.join() || "nobody knows where"} is told ${sip} and ${rtp}`, () => {
      assert.equal(toCarrier(told(sip, rtp), "carrier", [...carrier]).verdict, verdict);
    });
  for (const [sip, rtp, verdict] of [
    ["196.201.1.1", "196.201.1.1", "ok"],
    ["127.0.0.1", "127.0.0.1", "ok"],
    ["192.168.1.5", "192.168.1.5", "warn"],
    ["196.201.1.1", "192.168.1.5", "warn"],
    ["196.201.1.1", "127.0.0.1", "broken"],
    ["0.0.0.0", "0.0.0.0", "broken"],
  ] as const)
    it(`${verdict} where phones are told ${sip} and ${rtp}`, () => {
      assert.equal(toDevices(told(sip, rtp)).verdict, verdict);
    });
});
