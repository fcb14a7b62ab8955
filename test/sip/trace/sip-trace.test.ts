import assert from "node:assert/strict";
import type { SipCall } from "../../../engine/simulator/sip/call.ts";
import { numbers } from "../../contract/world.ts";
import { freePort } from "../../peers/free-ports.ts";
import { SipDevice, type Login } from "../../peers/sip-device.ts";
import { describeOnSwitch } from "../../peers/switch-under-test.ts";
import { eventually } from "../../peers/waiting.ts";
import type { ApiCall } from "../../world/customer.ts";
import { nairobi, TestWorld } from "../../world/world.ts";

interface Traced {
  at: string;
  direction: "sent" | "received";
  leg_id: string;
  method: string;
  summary: string;
  transport: string;
  message: string;
}

describeOnSwitch("the SIP of a call", function () {
  this.timeout(60_000);
  let world: TestWorld;
  let numberId: string;
  let login: Login;
  let device: SipDevice;
  before(async () => {
    const hep = { host: "127.0.0.1", port: await freePort() };
    const env = { SIP_TRACE: "on", HEP_HOST: hep.host, HEP_PORT: String(hep.port) };
    world = await TestWorld.start(env, undefined, { switchOptions: { devices: true, hep } });
    numberId = (await world.customer.ask("GET", "/v1/numbers")).body.data[0].id;
    const path = `/v1/numbers/${numberId}/sip-credentials`;
    const { body } = await world.customer.ask("POST", path, { body: { label: "Desk" } });
    login = { username: body.username, password: body.password };
    device = await SipDevice.open(world.switch.devices!, login);
    await eventually(
      "a registration that is taken",
      async () => ((await device.register()).status === 200 ? true : undefined),
      { everyMs: 300 },
    );
  });
  after(async () => {
    await device.close();
    await world.end();
  });

  const traceOf = async (id: string): Promise<Traced[]> => {
    const { status, body } = await world.customer.ask("GET", `/v1/calls/${id}/sip-trace?limit=100`);
    assert.equal(status, 200);
    return body.data;
  };
  /** Once each leg's last word, the answer to its BYE, is there. */
  const whole = (call: ApiCall): Promise<Traced[]> =>
    eventually(
      "the whole trace",
      async () => {
        const trace = await traceOf(call.id);
        const isOver = (leg: string) =>
          trace.some(
            ({ leg_id, method, summary }) => leg_id === leg && method === "BYE" && summary === "200 OK",
          );
        return call.legs.every(({ id }) => isOver(id)) ? trace : undefined;
      },
      { everyMs: 200 },
    );
  /** As on a ladder; pieces that a busy machine repeats are there once. */
  const ladder = (trace: Traced[], leg: string) => [
    ...new Set(
      trace
        .filter(({ leg_id }) => leg_id === leg)
        .map(({ direction, method, summary }) => {
          const [first = ""] = summary.split(" ");
          return `${direction} ${/^\d/.test(first) ? `${first} of ${method}` : first}`;
        }),
    ),
  ];
  const has = (steps: string[], wanted: string[]) =>
    assert.deepEqual(
      steps.filter((step) => wanted.includes(step)),
      wanted,
      steps.join(", "),
    );
  const latestTo = (number: string): Promise<ApiCall> =>
    eventually(`the call of ${number}`, async () => {
      const { body } = await world.customer.ask("GET", `/v1/calls?number=${encodeURIComponent(number)}`);
      return body.data[0] as ApiCall | undefined;
    });
  const answered = (call: SipCall) => new Promise<void>((resolve) => call.on("answered", resolve));

  it("that we place is kept from INVITE to BYE, in the order of the wire", async () => {
    const to = numbers.ringsThenAnswers;
    const id = await world.customer.place({
      from: nairobi,
      to,
      actions: [{ wait: { seconds: 1 } }, { hangup: {} }],
    });
    const call = await world.customer.ended(id);
    const trace = await whole(call);

    has(ladder(trace, call.legs[0]!.id), [
      ...["sent INVITE", "received 180 of INVITE", "received 200 of INVITE", "sent ACK"],
      ...["sent BYE", "received 200 of BYE"],
    ]);
    const times = trace.map(({ at }) => at);
    assert.deepEqual(times, times.toSorted());
    assert.match(times[0]!, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
    assert.ok(Math.abs(Date.parse(times[0]!) - Date.parse(call.created_at)) < 10_000);
    assert.match(trace[0]!.message, /^INVITE sip:[\s\S]*\r\n\r\nv=0\r\n[\s\S]*m=audio/);
    assert.ok(trace.every(({ transport }) => transport === "udp"));
  });

  it("that comes to us, and the device that it rings, are a leg each", async () => {
    const from = "+254734700101";
    const routing = { voice_callback_url: null, events_url: world.inbox.url, ring_sip: true };
    await world.customer.ask("PATCH", `/v1/numbers/${numberId}/routing`, { body: routing });
    const { host, port } = world.switch.sip;
    const sip = await world.carrier.place({ from, to: nairobi, switch: `${host}:${port}` });
    (await device.ringing(10_000)).answer();
    await world.carrier.placed(sip, ({ answered_at }) => answered_at !== null);
    await world.carrier.hangUp(sip);
    const call = await world.customer.ended((await latestTo(from)).id);
    const trace = await whole(call);

    const [caller, callee] = call.legs;
    has(ladder(trace, caller!.id), [
      ...["received INVITE", "sent 200 of INVITE", "received ACK", "received BYE", "sent 200 of BYE"],
    ]);
    has(ladder(trace, callee!.id), [
      ...["sent INVITE", "received 200 of INVITE", "sent ACK", "sent BYE", "received 200 of BYE"],
    ]);
    assert.ok(trace.some(({ message }) => message.includes(`Call-ID: ${sip}`)));
  });

  it("of a device shows that it logged in, and nothing of the login; registrations are not kept", async () => {
    const to = "+254722000121";
    const placed = device.call(to);
    await answered(placed);
    placed.end();
    const call = await world.customer.ended((await latestTo(to)).id);
    const trace = await whole(call);

    has(ladder(trace, call.legs[0]!.id), [
      ...["received INVITE", "sent 407 of INVITE", "sent 200 of INVITE", "received BYE", "sent 200 of BYE"],
    ]);
    const text = trace.map(({ message }) => message).join("\n");
    assert.match(text, /^Proxy-Authenticate: Digest \*\*\*\r$/m);
    assert.match(text, /^Proxy-Authorization: Digest \*\*\*\r$/m);
    assert.doesNotMatch(text, /nonce|response=|cnonce|opaque/i);
    const { rows } = (await world.store.read((tx) =>
      tx.get<{ rows: number }>(
        "SELECT COUNT(*) AS rows FROM sip_messages WHERE method NOT IN ('INVITE', 'ACK', 'BYE', 'CANCEL')",
      ),
    ))!;
    assert.equal(rows, 0);
  });

  it("of whom nothing is heard for 5 s says so on its leg, in an event, and to the operator", async () => {
    const actions = [{ wait: { seconds: 6 } }, { hangup: {} }];
    const [silent, heard] = await Promise.all(
      [numbers.isNotHeard, numbers.answers440].map(async (to) =>
        world.customer.ended(await world.customer.place({ from: nairobi, to, actions })),
      ),
    );
    const audioOf = (call: ApiCall) =>
      (call.legs[0] as unknown as { audio: { packets_received: number; one_way: string | null } }).audio;
    assert.deepEqual([audioOf(silent!).packets_received, audioOf(silent!).one_way], [0, "not_heard"]);
    assert.deepEqual([audioOf(heard!).packets_received > 250, audioOf(heard!).one_way], [true, null]);
    const told = (call: ApiCall) => call.events.filter(({ kind }) => kind === "leg.one_way_audio");
    assert.equal(told(silent!)[0]?.payload["one_way"], "not_heard");
    assert.deepEqual(told(heard!), []);
    const metrics = await (await fetch(`${world.customer.baseUrl}/metrics`)).text();
    assert.match(metrics, /^sautikit_legs_one_way 1$/m);
    assert.match(metrics, /^sautikit_sip_trace_stored [1-9]/m);
  });

  it("goes on where nobody keeps it: a call without the controller's ear loses nothing else", async () => {
    await world.killSautikit();
    const placed = device.call("+254722000122");
    // Nobody takes it in for as long as nobody is there.
    await world.startSautikit();
    await answered(placed);
    placed.end();
    const call = await world.customer.ended((await latestTo("+254722000122")).id);
    assert.equal(call.status, "completed");
  });
});
