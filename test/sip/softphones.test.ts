import { strict as assert } from "node:assert";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { systemClock } from "../../engine/clock.ts";
import { systemIds, type WorkspaceId } from "../../engine/ids.ts";
import { addNumber } from "../../engine/numbers/numbers.ts";
import { aesSecrets } from "../../engine/secrets.ts";
import { levelDbfs } from "../../engine/simulator/media/goertzel.ts";
import { audibleDbfs } from "../contract/world.ts";
import { Baresip, baresipMissing } from "../peers/baresip.ts";
import { Linphone, linphoneMissing } from "../peers/linphone.ts";
import { freePort } from "../peers/free-ports.ts";
import { SipDevice, type Login } from "../peers/sip-device.ts";
import { describeOnSwitch, switchKind } from "../peers/switch-under-test.ts";
import { TurningCarrier } from "../peers/turning-carrier.ts";
import { eventually } from "../peers/waiting.ts";
import type { ApiCall } from "../world/customer.ts";
import { nairobi, TestWorld } from "../world/world.ts";

const mombasa = "+254200000002";
/** The simulated switch speaks to devices over UDP alone. */
const transports = switchKind === "freeswitch" ? (["udp", "tcp", "tls"] as const) : (["udp"] as const);
type Transport = "udp" | "tcp" | "tls";

describeOnSwitch("baresip and Linphone as customers' devices", function () {
  this.timeout(60_000);
  let folder: string;
  let world: TestWorld;
  let carrier: TurningCarrier;
  let tlsPort: number;
  let phones = 0;
  const open: (Baresip | Linphone)[] = [];
  const closing: (() => unknown)[] = [];
  const numberIds = new Map<string, string>();
  before(async function () {
    if (baresipMissing !== undefined) skipped(this, baresipMissing);
    folder = mkdtempSync(join(tmpdir(), "baresip-"));
    closing.push(() => rmSync(folder, { recursive: true, force: true }));
    carrier = await TurningCarrier.open();
    closing.push(() => carrier.close());
    tlsPort = await freePort();
    const env = switchKind === "freeswitch" ? tlsOf(folder, tlsPort) : {};
    world = await TestWorld.start({}, undefined, { switchOptions: { devices: true, carrier, env } });
    closing.push(() => world.end());
    carrier.switchPort = world.switch.sip.port;
    const ids = systemIds(systemClock);
    await world.store.write(async (tx) => {
      const [workspace] = await tx.all<{ id: WorkspaceId }>("SELECT id FROM workspaces", []);
      const secrets = aesSecrets(Buffer.from(world.env["SECRETS_KEY"]!, "hex"), ids);
      const of = {
        workspaceId: workspace!.id,
        country: "ke" as const,
        provisionedAtMs: systemClock.nowMs(),
      };
      await addNumber(tx, { ids, secrets }, { ...of, e164: mombasa });
    });
    const { body } = await world.customer.ask("GET", "/v1/numbers");
    for (const { id, number } of body.data as { id: string; number: string }[]) {
      numberIds.set(number, id);
      const routing = {
        voice_callback_url: null,
        events_url: number === nairobi ? world.inbox.url : null,
        ring_sip: true,
      };
      assert.equal(
        (await world.customer.ask("PATCH", `/v1/numbers/${id}/routing`, { body: routing })).status,
        200,
      );
    }
  });
  afterEach(async () => {
    await Promise.all(open.splice(0).map((phone) => phone.close()));
  });
  after(async () => {
    for (const close of closing.reverse()) await close();
  });

  const path = (number: string, more = "") => `/v1/numbers/${numberIds.get(number)!}/sip-credentials${more}`;
  async function credential(number: string): Promise<Login & { id: string }> {
    const { status, body } = await world.customer.ask("POST", path(number), { body: { label: "baresip" } });
    assert.equal(status, 201, JSON.stringify(body));
    return { id: body.id, username: body.username, password: body.password };
  }
  const registrations = async (number: string, id: string) =>
    (await world.customer.ask("GET", path(number, `/${id}/registrations`))).body.data as {
      transport: string;
      user_agent: string;
    }[];
  /** Registered, and known to be. */
  async function phone<P extends Baresip | Linphone>(
    [name, Phone]: PhoneKind<P>,
    number: string,
    transport: Transport,
    hz: number,
  ): Promise<P> {
    const login = await credential(number);
    const devices = world.switch.devices!;
    // Both try again only after a minute.
    const first = await SipDevice.open(devices, login);
    await eventually("to be let in", async () => (await first.register()).status === 200 || undefined, {
      everyMs: 200,
    });
    await first.unregister();
    await first.close();
    const opened = await Phone.open({
      ...{ folder: join(folder, String(phones++)), login, realm: devices.realm, hz },
      server: { host: devices.host, port: transport === "tls" ? tlsPort : devices.port, transport },
    });
    open.push(opened);
    const [row] = await eventually("the registration", async () => {
      const rows = await registrations(number, login.id);
      return rows.length === 1 && rows[0]!.user_agent.startsWith(name) ? rows : undefined;
    });
    assert.equal(row!.transport, transport);
    return opened;
  }
  const latestOf = async (number: string, direction: string): Promise<ApiCall> => {
    const { body } = await world.customer.ask("GET", `/v1/calls?number=${encodeURIComponent(number)}`);
    return (body.data as (ApiCall & { direction: string })[]).find((call) => call.direction === direction)!;
  };

  /** From Nairobi to Mombasa, and the caller's own leg cost nothing. */
  async function talkedOver(): Promise<void> {
    const [out, into] = [await latestOf(mombasa, "outbound"), await latestOf(mombasa, "inbound")];
    const [placed, came] = [await world.customer.ended(out.id), await world.customer.ended(into.id)];
    assert.deepEqual([placed.status, came.status, came.cost_minor], ["completed", "completed", 0]);
    assert.deepEqual(
      placed.legs.map((leg) => leg.cost_minor > 0),
      [false, true],
    );
  }

  for (const [index, transport] of transports.entries()) {
    const other = transports[(index + 1) % transports.length]!;
    it(`one over ${transport} calls one over ${other}: each hears the other, and one leg alone is billed`, async () => {
      const caller = await phone(baresip, nairobi, transport, 440);
      const callee = await phone(baresip, mombasa, other, 880);
      caller.dial(mombasa);
      await Promise.all([caller.event("CALL_ESTABLISHED"), callee.event("CALL_ESTABLISHED")]);
      await sleep(2_500);
      caller.hangUp();
      await Promise.all([caller.event("CALL_CLOSED"), callee.event("CALL_CLOSED")]);
      await talkedOver();
      await heardEachOther([caller, 440], [callee, 880]);
    });
  }

  for (const transport of transports) {
    it(`Linphone over ${transport} calls baresip, and is called by it: each hears the other`, async function () {
      if (linphoneMissing !== undefined) skipped(this, linphoneMissing);
      const caller = await phone(linphone, nairobi, transport, 440);
      const callee = await phone(baresip, mombasa, "udp", 880);
      caller.dial(mombasa);
      await Promise.all([caller.talk(), callee.event("CALL_ESTABLISHED")]);
      await sleep(3_000);
      caller.hangUp();
      await callee.event("CALL_CLOSED");
      await talkedOver();
      await heardEachOther([caller, 440], [callee, 880]);

      const [called, calling] = [
        await phone(linphone, nairobi, transport, 440),
        await phone(baresip, mombasa, "udp", 880),
      ];
      calling.dial(nairobi);
      await Promise.all([called.talk(), calling.event("CALL_ESTABLISHED")]);
      await sleep(3_000);
      calling.hangUp();
      await calling.event("CALL_CLOSED");
      await heardEachOther([called, 440], [calling, 880]);
    });
  }
});

type PhoneKind<P> = readonly [name: string, { open(options: PhoneOptions): Promise<P> }];
type PhoneOptions = Parameters<typeof Baresip.open>[0];
const baresip: PhoneKind<Baresip> = ["baresip", Baresip];
const linphone: PhoneKind<Linphone> = ["Linphone", Linphone];

function skipped(test: Mocha.Context, why: string): never {
  assert.notEqual(process.env["CI"], "true", why);
  console.log(`    skipped: ${why}`);
  return test.skip();
}

type Talked = readonly [Baresip | Linphone, hz: number];

/** Ends both phones, which then have written what they heard. */
async function heardEachOther(one: Talked, another: Talked): Promise<void> {
  await Promise.all([one[0].close(), another[0].close()]);
  for (const [[who, own], [, others]] of [
    [one, another],
    [another, one],
  ] as const) {
    // Without the first half second, in which the way is being joined.
    const heard = who.heard().slice(4_000, 16_000);
    assert.ok(heard.length > 8_000, `${heard.length} samples were heard`);
    assert.ok(levelDbfs(heard, others) > audibleDbfs, `${others} Hz at ${levelDbfs(heard, others)} dBFS`);
    assert.ok(levelDbfs(heard, own) < levelDbfs(heard, others) - 20, "nobody hears themselves");
  }
}

/** A certificate that nobody knows, for a real switch. */
function tlsOf(folder: string, port: number): Record<string, string> {
  const [key, certificate] = [join(folder, "key.pem"), join(folder, "certificate.pem")];
  execFileSync(
    "openssl",
    [
      ...["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"],
      ...["-keyout", key, "-out", certificate],
    ],
    { stdio: "ignore" },
  );
  writeFileSync(join(folder, "agent.pem"), readFileSync(certificate, "utf8") + readFileSync(key, "utf8"));
  return { DEVICES_TLS_PORT: String(port), DEVICES_CERT_DIR: folder };
}
