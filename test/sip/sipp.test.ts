import { strict as assert } from "node:assert";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startProcess, type Child } from "../peers/child.ts";
import { freePort } from "../peers/free-ports.ts";
import { SipDevice, type Login } from "../peers/sip-device.ts";
import { describeOnSwitch } from "../peers/switch-under-test.ts";
import { eventually } from "../peers/waiting.ts";
import { numbers } from "../contract/world.ts";
import type { ApiCall } from "../world/customer.ts";
import { nairobi, TestWorld } from "../world/world.ts";

const scenario = (path: string) => new URL(path, import.meta.url).pathname;
const calls = scenario("sipp/device-calls.xml");
const refused = scenario("sipp/device-refused.xml");
const isCalled = scenario("../simulator/sip/sipp/uas-answered.xml");

describeOnSwitch("SIPp as a customer's SIP stack, with digest", function () {
  this.timeout(60_000);
  let folder: string;
  let world: TestWorld;
  let path: string;
  const running: Child[] = [];
  const closing: (() => unknown)[] = [];
  before(async function () {
    if (spawnSync("sipp", ["-v"]).error !== undefined) {
      assert.notEqual(process.env["CI"], "true", "SIPp (Debian: sip-tester) must be there in CI");
      console.log("    skipped: SIPp (Debian: sip-tester) is not on this machine");
      this.skip();
    }
    folder = mkdtempSync(join(tmpdir(), "sipp-device-"));
    closing.push(() => rmSync(folder, { recursive: true, force: true }));
    world = await TestWorld.start({}, undefined, { switchOptions: { devices: true } });
    closing.push(() => world.end());
    const { body } = await world.customer.ask("GET", "/v1/numbers");
    path = `/v1/numbers/${(body.data as { id: string }[])[0]!.id}`;
  });
  after(async () => {
    for (const child of running) await child.stop();
    for (const close of closing.reverse()) await close();
  });

  /** A credential that the switch lets in already: SIPp asks once. */
  async function credential(): Promise<Login & { id: string }> {
    const { status, body } = await world.customer.ask("POST", `${path}/sip-credentials`, {
      body: { label: "SIPp" },
    });
    assert.equal(status, 201, JSON.stringify(body));
    const login = { id: body.id, username: body.username, password: body.password };
    const first = await SipDevice.open(world.switch.devices!, login);
    await eventually("to be let in", async () => (await first.register()).status === 200 || undefined, {
      everyMs: 200,
    });
    await seen(login, 1);
    await first.unregister();
    await first.close();
    await seen(login, 0);
    return login;
  }

  /** Begins one run of that scenario, which sends back the sound that it hears. */
  async function sipp(file: string, port: number, login: Login, called: string): Promise<Child> {
    const { host, port: registrar, realm } = world.switch.devices!;
    const child = startProcess(
      "sipp",
      [
        ...[`${host}:${registrar}`, "-sf", file, "-s", called, "-m", "1", "-nostdin", "-rtp_echo"],
        ...["-i", "127.0.0.1", "-p", String(port), "-mi", "127.0.0.1", "-mp", String(await freePort())],
        ...[
          "-au",
          login.username,
          "-ap",
          login.password,
          "-key",
          "login",
          login.username,
          "-key",
          "domain",
          realm,
        ],
        ...["-timeout", "30s", "-timeout_error", "-trace_err", "-error_file", join(folder, "errors.log")],
      ],
      { outputFile: join(folder, `sipp-${running.length}.log`), env: { TERM: "dumb" } },
    );
    running.push(child);
    return child;
  }
  const wentAsWritten = async (child: Child) =>
    assert.deepEqual(await child.exited(), { code: 0, signal: null }, child.output());
  const registrations = async ({ id }: { id: string }) =>
    (await world.customer.ask("GET", `${path}/sip-credentials/${id}/registrations`)).body.data as {
      port: number;
      user_agent: string;
    }[];
  const seen = (login: { id: string }, count: number) =>
    eventually(`${count} registrations`, async () => {
      const rows = await registrations(login);
      return rows.length === count ? rows : undefined;
    });
  const latestWith = (number: string): Promise<ApiCall> =>
    eventually(`the call with ${number}`, async () => {
      const { body } = await world.customer.ask("GET", `/v1/calls?number=${encodeURIComponent(number)}`);
      return (body.data as ApiCall[])[0];
    });
  /** What the carrier's people say, which only SIPp can have sent back to them. */
  const heardThemselves = ({ heard }: { heard: readonly { hz: number | null }[] }) =>
    assert.ok(
      heard.some(({ hz }) => hz !== null && Math.abs(hz - 440) < 10),
      JSON.stringify(heard),
    );

  it("it registers, calls as its number, is heard both ways and billed once, and is called where it registered", async () => {
    const [login, port] = [await credential(), await freePort()];
    await wentAsWritten(await sipp(calls, port, login, numbers.answers440));
    const placed = await world.customer.ended((await latestWith(numbers.answers440)).id);
    assert.deepEqual(
      [placed.status, ...placed.legs.map((leg) => leg.cost_minor > 0)],
      ["completed", false, true],
    );
    const carried = await world.carrier.callFrom(nairobi, ({ ended_at }) => ended_at !== null);
    heardThemselves(carried);

    const [binding] = await seen(login, 1);
    assert.equal(binding!.port, port);
    const routing = { voice_callback_url: null, events_url: null, ring_sip: true };
    assert.equal((await world.customer.ask("PATCH", `${path}/routing`, { body: routing })).status, 200);
    const callee = await sipp(isCalled, port, login, "anybody");
    const from = "+254722000001";
    const { host, port: switchPort } = world.switch.sip;
    const sipCallId = await world.carrier.place({
      ...{ from, to: nairobi, switch: `${host}:${switchPort}`, hang_up_after_ms: 3_000 },
    });
    await wentAsWritten(callee);
    const caller = await world.carrier.placed(sipCallId, ({ ended_at }) => ended_at !== null);
    heardThemselves(caller);
    const came = await world.customer.ended((await latestWith(from)).id);
    assert.deepEqual([came.status, came.cost_minor], ["completed", 0]);
  });

  it("with a wrong password it hears 403, to its REGISTER as to its INVITE, and nobody is called", async () => {
    const login = await credential();
    const to = "+254722000778";
    const wrong = { ...login, password: `${login.password}x` };
    await wentAsWritten(await sipp(refused, await freePort(), wrong, to));
    assert.deepEqual(await registrations(login), []);
    const { body } = await world.customer.ask("GET", `/v1/calls?number=${encodeURIComponent(to)}`);
    assert.deepEqual(body.data, []);
  });
});
