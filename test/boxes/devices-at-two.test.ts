import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { systemClock } from "../../engine/clock.ts";
import { systemIds } from "../../engine/ids.ts";
import { toneSource } from "../../engine/simulator/media/tone.ts";
import { createSipAgent } from "../../engine/simulator/sip/agent.ts";
import type { SipCall } from "../../engine/simulator/sip/call.ts";
import { liveLegsByBox } from "../../engine/store/calls.ts";
import { hears } from "../contract/hears.ts";
import { startCarrierProcess } from "../peers/carrier-process.ts";
import { SipDevice, type Login } from "../peers/sip-device.ts";
import {
  boxName,
  describeOnSwitch,
  startSwitchUnderTest,
  type SwitchUnderTest,
} from "../peers/switch-under-test.ts";
import { EslClient } from "../simulator/switch/esl-client.ts";
import { eventually } from "../peers/waiting.ts";
import type { ApiCall } from "../world/customer.ts";
import { nairobi, TestWorld } from "../world/world.ts";
import { drain } from "./drain.ts";

const ids = systemIds(systemClock);
/** Presses, and so sends back, each digit that it is sent. */
const echo = "+254700000004";

describeOnSwitch("devices of a number that are registered at two boxes", function () {
  this.timeout(120_000);
  let world: TestWorld;
  let second: SwitchUnderTest;
  let numberId: string;
  let login: Login & { id: string };
  /** Two at the first box, and one at the second. */
  let near: SipDevice;
  let far: SipDevice;
  const said: string[] = [];
  const devices: SipDevice[] = [];
  const boxes: EslClient[] = [];
  before(async () => {
    const carrier = await startCarrierProcess();
    second = await startSwitchUnderTest({ carrier, devices: true });
    world = await TestWorld.start({}, undefined, {
      ...{ carrier, beside: [second] },
      switchOptions: { spoolDir: second.spoolDir, devices: true },
    });
    const { body } = await world.customer.ask("GET", "/v1/numbers");
    numberId = body.data[0].id;
    login = await credential();
    near = await registered(world.switch);
    await registered(world.switch);
    far = await registered(second, { log: (line) => void said.push(line) });
    for (const { esl } of [world.switch, second])
      boxes.push(await EslClient.login(esl.port, esl.password, "DTMF"));
    await shown(3);
    await route({ voice_callback_url: null, events_url: world.inbox.url, ring_sip: true });
  });
  after(async () => {
    for (const device of devices) await device.close();
    for (const { socket } of boxes) socket.destroy();
    await world.end();
    await second.stop();
  });

  const path = (more = "") => `/v1/numbers/${numberId}/sip-credentials${more}`;
  async function credential(): Promise<Login & { id: string }> {
    const { status, body } = await world.customer.ask("POST", path(), { body: { label: "Reception" } });
    assert.equal(status, 201, JSON.stringify(body));
    return { id: body.id, username: body.username, password: body.password };
  }
  async function registered(
    at: SwitchUnderTest,
    options: Parameters<typeof SipDevice.open>[2] = {},
  ): Promise<SipDevice> {
    const device = await SipDevice.open(at.devices!, login, options);
    devices.push(device);
    await eventually(
      "a registration that is taken",
      async () => ((await device.register()).status === 200 ? true : undefined),
      { everyMs: 300 },
    );
    return device;
  }
  const shown = (count: number) =>
    eventually(`${count} registrations shown`, async () => {
      const { body } = await world.customer.ask("GET", path(`/${login.id}/registrations`));
      return body.data.length === count || undefined;
    });
  const route = (body: unknown) =>
    world.customer
      .ask("PATCH", `/v1/numbers/${numberId}/routing`, { body })
      .then(({ status }) => assert.equal(status, 200));
  /** The second box, which so has none of the API's calls; its devices ring all the same. */
  const drained = (isDrained: boolean) => drain(world, boxName(second), isDrained);
  const place = (from: string) => {
    const { host, port } = world.switch.sip;
    return world.carrier.place({ from, to: nairobi, switch: `${host}:${port}`, tone_hz: 600 });
  };
  const latestFrom = (from: string): Promise<ApiCall> =>
    eventually(`the call from ${from}`, async () => {
      const { body } = await world.customer.ask("GET", `/v1/calls?number=${encodeURIComponent(from)}`);
      return body.data[0] as ApiCall | undefined;
    });
  const ended = (call: SipCall) => eventually("its end", () => call.state === "ended" || undefined);
  /** Neither a leg, nor a channel that is none. */
  const nobodyIsLeft = async () => {
    await eventually("no leg is left", async () => {
      const [row] = await world.byHand("SELECT COUNT(*) AS legs FROM legs WHERE ended_at_us IS NULL");
      return Number(row!["legs"]) === 0 || undefined;
    });
    for (const box of boxes)
      await eventually(
        "no channel is left",
        async () => /^\s*0 total\./.test(await box.api("show channels count")) || undefined,
      );
  };
  /** All three ring. */
  async function ringsAll(from: string) {
    const sip = await place(from);
    const [first, other, last] = await Promise.all(devices.map((device) => device.ringing(10_000)));
    return { sip, near: [first!, other!], rings: last! };
  }
  const answered = (sip: string) =>
    world.carrier.placed(sip, ({ answered_at: answeredAt }) => answeredAt !== null);
  const callerEnded = (sip: string) => world.carrier.placed(sip, ({ ended_at: endedAt }) => endedAt !== null);
  /** The one at the other box answers, and both are known to talk. */
  async function talks(from: string) {
    const { sip, rings } = await ringsAll(from);
    rings.answer();
    await answered(sip);
    await world.customer.until((await latestFrom(from)).id, "two that talk", ({ legs }) =>
      legs.some(({ kind, answered_at: at }) => kind === "sip" && at !== null),
    );
    return { sip, rings };
  }
  async function completed(from: string): Promise<ApiCall> {
    const done = await world.customer.ended((await latestFrom(from)).id);
    assert.deepEqual([done.status, done.cost_minor], ["completed", 0]);
    await nobodyIsLeft();
    return done;
  }

  it("all ring; the one at the other box answers, both hear each other, and its end is the call's", async () => {
    const from = "+254734710001";
    const { sip, near, rings } = await ringsAll(from);
    assert.equal(rings.fromUser, from, "it is shown who calls");
    assert.doesNotMatch(said.join("\n"), /X-Sautikit/i, "what the boxes tell each other is not for it");
    assert.equal((await world.carrier.placed(sip)).answered_at, null);
    rings.answer();
    await answered(sip);
    rings.media!.setSource(toneSource({ hz: 880 }));
    await hears(rings, 600);
    await eventually("the caller hears it", async () => {
      const { heard } = await world.carrier.placed(sip);
      return heard.some(({ hz }) => hz !== null && Math.abs(hz - 880) < 20) || undefined;
    });
    for (const call of near) await ended(call);
    rings.end();
    await callerEnded(sip);
    const done = await completed(from);
    assert.deepEqual(done.legs.map(({ status }) => status).sort(), [
      ...["canceled", "canceled", "completed", "completed"],
    ]);
  });

  it("the caller's end is its end", async () => {
    const from = "+254734710002";
    const { sip, rings } = await ringsAll(from);
    rings.answer();
    await answered(sip);
    await world.carrier.hangUp(sip);
    await ended(rings);
    await completed(from);
  });

  it("one at the call's own box answers, and the one at the other rings no more; nor where the caller gives up", async () => {
    const from = "+254734710003";
    const first = await ringsAll(from);
    first.near[0]!.answer();
    await answered(first.sip);
    await ended(first.rings);
    await world.carrier.hangUp(first.sip);
    await completed(from);

    const { sip, rings, near } = await ringsAll("+254734710004");
    await world.carrier.hangUp(sip);
    for (const call of [rings, ...near]) await ended(call);
    await nobodyIsLeft();
  });

  it("a refusal there is told as it is: busy, while the others ring on", async () => {
    const from = "+254734710005";
    const { sip, rings, near } = await ringsAll(from);
    rings.reject(486);
    const call = await latestFrom(from);
    await world.customer.until(call.id, "a busy leg", ({ legs }) =>
      legs.some(({ status, sip_status: code }) => status === "busy" && code === 486),
    );
    near[1]!.answer();
    await answered(sip);
    near[1]!.end();
    await callerEnded(sip);
    await completed(from);
  });

  it("`dial` of the API rings it from a call that is at the first box; digits go both ways, and a hold keeps it", async () => {
    await drained(true);
    const id = await world.customer.place({
      ...{ from: nairobi, to: echo, events_url: world.inbox.url },
      actions: [{ dial: { sip: `sip:${login.username}` } }],
    });
    const call = await far.ringing(10_000);
    await drained(false);
    const digits: string[] = [];
    const comesBack = (all: string) =>
      eventually(`${all} comes back`, () => digits.join("") === all || undefined);
    call.answer();
    call.media!.onDigit((digit) => void digits.push(digit));
    await world.customer.until(
      id,
      "both talk",
      ({ legs }) => legs.filter(({ answered_at: at }) => at !== null).length === 2,
    );
    call.media!.sendDigits("42");
    await comesBack("42");
    call.changeDirection("sendonly");
    await sleep(500);
    call.changeDirection("sendrecv");
    call.media!.sendDigits("7");
    await comesBack("427");
    call.end();
    const done = await world.customer.ended(id);
    assert.equal(done.status, "completed");
    await nobodyIsLeft();
  });

  it("is counted where it is: a box that is being drained is not done before it", async () => {
    const from = "+254734710006";
    const { sip, rings } = await ringsAll(from);
    rings.answer();
    await answered(sip);
    // Of the two that talk the device's is at both.
    await eventually("two there, and one of them here too", async () => {
      const live = await world.store.read(liveLegsByBox);
      return (live.get(boxName(world.switch)) === 2 && live.get(boxName(second)) === 1) || undefined;
    });
    rings.end();
    await completed(from);
  });

  it("talks on while nobody controls the boxes, and its end then is the end of the charge", async () => {
    const from = "+254734710007";
    const { sip, rings } = await talks(from);
    await world.killSautikit();
    await sleep(1_000);
    rings.end();
    const endedMs = Date.now();
    await callerEnded(sip);
    await sleep(1_000);
    await world.startSautikit();
    const done = await completed(from);
    const leg = done.legs.find(({ kind, status }) => kind === "sip" && status === "completed");
    assert.ok(
      Math.abs(Date.parse(leg!.ended_at!) - endedMs) < 1_000,
      `${leg!.ended_at} for ${new Date(endedMs).toISOString()}`,
    );
    await world.verifyLedger();
  });

  it("one that has moved from box to box rings once, where it is now", async () => {
    await near.register();
    const from = "+254734710008";
    // Its binding at the first box stays: it did not say goodbye there.
    assert.equal((await near.register({ at: second.devices! })).status, 200);
    await shown(4);
    const before = near.calls;
    const sip = await place(from);
    const call = await near.ringing(10_000);
    await sleep(1_000);
    assert.equal(near.calls, before + 1);
    call.answer();
    await answered(sip);
    call.end();
    await completed(from);
    assert.equal((await near.register({ at: second.devices!, expiresSeconds: 0 })).status, 200);
    assert.equal((await near.register()).status, 200);
    await shown(3);
  });

  it("nobody else is let in as a box: a ticket that is none, used, old, or another box's is refused", async () => {
    const agent = await createSipAgent({ host: "127.0.0.1", port: 0, clock: systemClock, ids });
    const refusal = async (ticket: string, at: SwitchUnderTest) => {
      const call = agent.invite({
        ...{ user: "device", host: at.sip.host, port: at.sip.port, fromUser: "+254734710009" },
        headers: { "X-Sautikit-Relay": ticket },
      });
      const status = Promise.withResolvers<number | null>();
      call.on("ended", (info) => status.resolve(info.status));
      return status.promise;
    };
    const from = "+254734710010";
    const { sip, rings, near } = await ringsAll(from);
    const [relay] = await world.byHand("SELECT ticket FROM relays ORDER BY created_at_ms DESC LIMIT 1");
    const used = String(relay!["ticket"]);
    /** The same leg's, and as good as that was, but for what is said. */
    const copy = async (ticket: string, expiresAtMs: number) => {
      await world.byHand(
        `INSERT INTO relays SELECT '${ticket}', leg_id, box, contact, encrypted, ring_seconds, created_at_ms, ${expiresAtMs}, NULL
           FROM relays WHERE ticket = '${used}'`,
      );
      return ticket;
    };
    const fresh = await copy("B".repeat(32), Date.now() + 30_000);
    const old = await copy("C".repeat(32), Date.now() - 1);
    const before = far.calls;
    assert.deepEqual(
      [
        await refusal("A".repeat(32), second),
        await refusal(used, second),
        await refusal(old, second),
        await refusal(fresh, world.switch),
      ],
      [403, 403, 403, 403],
    );
    assert.equal(far.calls, before);
    rings.answer();
    await answered(sip);
    rings.end();
    for (const call of near) await ended(call);
    await completed(from);
    await agent.close();
  });

  it("is let go where the call's box dies: nobody is left on the line", async () => {
    const from = "+254734710013";
    // What follows takes most of the minute that a registration lasts.
    assert.equal((await far.register()).status, 200);
    const { rings } = await talks(from);
    boxes.shift()!.socket.destroy();
    await world.killSwitch();
    await world.startSwitch();
    boxes.unshift(await EslClient.login(world.switch.esl.port, world.switch.esl.password, "DTMF"));
    // The leg is known to have died, and then the box of the device looks, each half a minute.
    await eventually("its end", () => rings.state === "ended" || undefined, { withinMs: 60_000 });
    const done = await world.customer.ended((await latestFrom(from)).id);
    assert.equal(done.status, "completed");
    await nobodyIsLeft();
    for (const device of devices)
      if (device !== far)
        await eventually(
          "it is registered again",
          async () => (await device.register({ at: world.switch.devices! })).status === 200 || undefined,
        );
    await shown(3);
    await world.verifyLedger();
  });

  it("ends with its box, of which nobody says so: once that is back it is found out, and the talk is over", async () => {
    const from = "+254734710012";
    const { sip } = await talks(from);
    const { esl, devices: where, spoolDir } = second;
    boxes.pop()!.socket.destroy();
    second.child.kill("SIGKILL");
    await second.child.exited();
    const dead = second;
    second = await startSwitchUnderTest({
      ...{ carrier: world.carrier, spoolDir, eslPort: esl.port, devices: true, devicesPort: where!.port },
    });
    boxes.push(await EslClient.login(second.esl.port, second.esl.password, "DTMF"));
    await callerEnded(sip);
    const { id } = await latestFrom(from);
    const done = await world.customer.ended(id);
    assert.equal(done.status, "completed");
    await nobodyIsLeft();
    await dead.stop();
    await world.verifyLedger();
  });

  it("one whose box is away is not waited for: the others ring", async () => {
    boxes.pop()!.socket.destroy();
    second.child.kill("SIGKILL");
    await second.child.exited();
    await eventually(
      "its box is known to be away",
      () => world.sautikit.output().includes("switch disconnected") || undefined,
    );
    const from = "+254734710011";
    const sip = await place(from);
    const call = await near.ringing(10_000);
    call.answer();
    await answered(sip);
    call.end();
    const done = await completed(from);
    assert.equal(done.legs.length, 3);
    assert.doesNotMatch(world.sautikit.output(), /"level":(50|60)|Unhandled/);
  });
});
