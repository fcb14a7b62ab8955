import { strict as assert } from "node:assert";
import { toneSource } from "../../engine/simulator/media/tone.ts";
import { hears } from "../contract/hears.ts";
import { numbers } from "../contract/world.ts";
import { SipDevice } from "../peers/sip-device.ts";
import { describeOnSwitch } from "../peers/switch-under-test.ts";
import { eventually } from "../peers/waiting.ts";
import type { ApiCall } from "../world/customer.ts";
import { nairobi, TestWorld } from "../world/world.ts";

/** Another's server: it answers where it is, and registers nowhere. */
const openServer = (world: TestWorld, host: string) =>
  SipDevice.open(world.switch.devices!, { username: "reception", password: "" }, { host });
const onSwitch = { switchOptions: { devices: true } };
const destinations = "/v1/sip-destinations";
const eventOf = ({ events }: ApiCall, kind: string) => events.find((event) => event.kind === kind)?.payload;

describeOnSwitch("SIP URIs of a workspace's list, over HTTP and SIP", function () {
  this.timeout(60_000);
  let world: TestWorld;
  let server: SipDevice;
  before(async () => {
    world = await TestWorld.start({}, undefined, onSwitch);
    server = await openServer(world, "127.0.0.1");
  });
  after(async () => {
    await server.close();
    await world.end();
  });

  async function put(entry: Record<string, unknown>): Promise<string> {
    const { status, body } = await world.customer.ask("POST", destinations, { body: entry });
    assert.equal(status, 201, JSON.stringify(body));
    return String(body.id);
  }
  const remove = async (id: string) =>
    assert.equal((await world.customer.ask("DELETE", `${destinations}/${id}`)).status, 204);
  const dial = (sip: string, more: Record<string, unknown> = {}, to: string = numbers.answers440) =>
    world.customer.place({ from: nairobi, to, actions: [{ dial: { sip, ...more } }, { hangup: {} }] });

  it("one is dialled by its name, shown a number of the workspace, joined with the caller, and free", async () => {
    const entry = await put({ host: "localhost", port: server.port, user: "Front.Desk" });
    const uri = `sip:Front.Desk@localhost:${server.port}`;
    const id = await dial(uri, { record: true });
    const call = await server.ringing(10_000);
    assert.deepEqual([call.fromUser, call.toUser], [nairobi, "Front.Desk"]);
    call.answer();
    call.media!.setSource(toneSource({ hz: 880 }));
    await hears(call, 440);
    const [carried] = await eventually("the carrier's account", async () => {
      const calls = (await world.carrier.calls()).filter(({ number }) => number === numbers.answers440);
      return calls.some(({ heard }) => heard.length > 0) ? calls : undefined;
    });
    assert.ok(carried);
    await eventually("a second of talk", async () => {
      const { legs } = await world.customer.call(id);
      const answered = legs[1]?.answered_at;
      return (answered != null && Date.now() - Date.parse(answered) > 1_000) || undefined;
    });
    call.end();
    const done = await world.customer.ended(id);
    const leg = done.legs[1] as ApiCall["legs"][0] & { kind: string };
    assert.deepEqual([leg.kind, leg.to, leg.status, leg.cost_minor], ["sip", uri, "completed", 0]);
    assert.ok(leg.billed_seconds >= 2 && leg.recording_ids.length === 1, JSON.stringify(leg));
    const told = eventOf(done, "call.dial_completed")!;
    assert.deepEqual([told["dial_status"], told["to"]], ["completed", uri]);
    await remove(entry);
    await world.verifyLedger();
  });

  it("what a server says is what came of the dial: busy", async () => {
    const entry = await put({ host: "127.0.0.1" });
    const id = await dial(`sip:busy@127.0.0.1:${server.port}`);
    (await server.ringing(10_000)).reject(486);
    const told = eventOf(await world.customer.ended(id), "call.dial_completed")!;
    assert.deepEqual([told["dial_status"], told["failure_code"]], ["busy", "busy"]);
    await remove(entry);
  });

  it("over a transport that is spoken neither here nor there it comes to an end, too", async () => {
    const entry = await put({ host: "127.0.0.1" });
    const id = await dial(`sip:a@127.0.0.1:${server.port};transport=tls`);
    const done = await world.customer.ended(id);
    const told = eventOf(done, "call.dial_completed")!;
    assert.equal(told["dial_status"], "failed", JSON.stringify(told));
    assert.equal(done.legs[1]?.status, "failed");
    await remove(entry);
  });

  it("one that is not on the list is not dialled, whoever writes the document, and each is told and noted", async () => {
    const uri = `sip:nobody@127.0.0.1:${server.port}`;
    const before = server.calls;
    const { status, body } = await world.customer.ask("POST", "/v1/calls", {
      body: { from: nairobi, to: numbers.answers440, actions: [{ dial: { sip: uri } }] },
    });
    assert.deepEqual([status, body.error.code], [422, "sip.destination_not_allowed"]);
    assert.equal(body.error.fields[0].field, "actions[0].dial.sip");

    const entry = await put({ host: "127.0.0.1" });
    const id = await dial(uri, {}, numbers.ringsThenAnswers);
    await remove(entry);
    const done = await world.customer.ended(id);
    const refused = eventOf(done, "dial.refused")!;
    const { to, code, reason } = refused;
    assert.deepEqual([to, code, reason], [uri, "sip.destination_not_allowed", "sip_destination"]);
    assert.equal(eventOf(done, "call.dial_completed")!["dial_status"], "failed");
    const { body: refusals } = await world.customer.ask("GET", "/v1/refusals");
    const sources = refusals.data.map((row: { source: string; reason: string }) => [row.source, row.reason]);
    assert.deepEqual(sources.slice(0, 2), [
      ["dial", "sip_destination"],
      ["api", "sip_destination"],
    ]);
    assert.equal(server.calls, before);
  });

  it("a host that nobody knows is refused, and the document goes on", async () => {
    const entry = await put({ host: "no-such-host.invalid" });
    const id = await dial("sip:a@no-such-host.invalid");
    const done = await world.customer.ended(id);
    assert.equal(eventOf(done, "dial.refused")!["code"], "sip.host_not_allowed");
    assert.ok(
      done.events.some(({ kind, payload }) => kind === "action.started" && payload["verb"] === "hangup"),
    );
    await remove(entry);
  });

  it("a credential with some domain behind it rings its devices, unless the list has that domain", async () => {
    const { body: own } = await world.customer.ask("GET", "/v1/numbers");
    const path = `/v1/numbers/${own.data[0].id}/sip-credentials`;
    const { body: login } = await world.customer.ask("POST", path, { body: { label: "Desk" } });
    const uri = `sip:${login.username}@127.0.0.1:${server.port}`;
    const toDevice = eventOf(await world.customer.ended(await dial(uri)), "dial.refused")!;
    assert.equal(toDevice["code"], "sip.not_registered");
    const entry = await put({ host: "127.0.0.1" });
    const id = await dial(uri);
    (await server.ringing(10_000)).reject(486);
    await world.customer.ended(id);
    await remove(entry);
  });

  it("a caller who hangs up while it rings ends it", async () => {
    const entry = await put({ host: "127.0.0.1" });
    const id = await dial(`sip:a@127.0.0.1:${server.port}`);
    const call = await server.ringing(10_000);
    await world.customer.hangUp(id);
    await eventually("its end", () => call.state === "ended" || undefined);
    const done = await world.customer.ended(id);
    assert.equal(done.legs[1]?.status, "canceled");
    await remove(entry);
  });
});

describeOnSwitch("SIP URIs where private addresses are not allowed", function () {
  this.timeout(60_000);
  let world: TestWorld;
  let server: SipDevice;
  before(async () => {
    world = await TestWorld.start({ ALLOW_PRIVATE_URLS: "no" }, undefined, onSwitch);
    server = await openServer(world, "127.0.0.1");
  });
  after(async () => {
    await server.close();
    await world.end();
  });

  it("one is refused when it is put on the list, and once more when it is dialled", async () => {
    for (const host of ["127.0.0.1", "10.1.2.3", "localhost"]) {
      const { status, body } = await world.customer.ask("POST", destinations, { body: { host } });
      assert.deepEqual([status, body.error.code], [422, "sip.host_not_allowed"], host);
      // As if its name had led elsewhere then.
      await world.byHand(
        `INSERT INTO sip_destinations (id, workspace_id, host, label, created_at_ms)
         SELECT 'dst_' || '${host}', id, '${host}', '', 1 FROM workspaces`,
      );
      const id = await world.customer.place({
        ...{ from: nairobi, to: numbers.answers440 },
        actions: [{ dial: { sip: `sip:reception@${host}:${server.port}` } }, { hangup: {} }],
      });
      const refused = eventOf(await world.customer.ended(id), "dial.refused")!;
      assert.equal(refused["code"], "sip.host_not_allowed", host);
    }
    assert.equal(server.calls, 0);
  });
});
