import assert from "node:assert/strict";
import { dominantTone } from "../../engine/simulator/media/goertzel.ts";
import { toneSource } from "../../engine/simulator/media/tone.ts";
import type { SipCall } from "../../engine/simulator/sip/call.ts";
import type { LegId } from "../../engine/ids.ts";
import type { Arrival, Registration } from "../../engine/switch/switch.ts";
import { Nat } from "../peers/nat.ts";
import { SipDevice, writeDirectory, type Login } from "../peers/sip-device.ts";
import type { Devices } from "../peers/switch-under-test.ts";
import { eventually } from "../peers/waiting.ts";
import { hears } from "./hears.ts";
import { describeContract } from "./report.ts";
import { ids, numbers, World } from "./world.ts";

const wanjiru: Login = { username: "wanjiru7f3a", password: "chapati-na-maharagwe" };

/** Without sound for so long a device is gone. */
const silenceS = 3;
/** 20 ms each: what came in twice as long. */
const framesOfTwice = silenceS * 2 * 50;

describeContract("the contract of the switch: a device behind a NAT", function () {
  this.timeout(60_000);
  let world: World;
  let devices: Devices;
  let nat: Nat;
  let phone: SipDevice;
  const arrivals: Arrival[] = [];
  before(async () => {
    world = await World.open({ devices: true, mediaTimeoutS: silenceS });
    devices = world.switch.devices!;
    world.box.onArrival((arrival) => arrivals.push(arrival));
    writeDirectory(world.switch.spoolDir, devices.realm, [wanjiru]);
    await world.box.reloadDirectory();
  });
  beforeEach(async () => {
    nat = await Nat.open(devices);
    phone = await SipDevice.open(nat.devices, wanjiru, { host: nat.inside });
    assert.equal((await phone.register()).status, 200);
  });
  afterEach(async () => {
    await phone.close();
    nat.close();
    await world.box.forgetDevice(wanjiru.username);
  });
  after(() => world.close());

  /** Its one binding, once that is where the NAT lets it out. */
  const boundThere = (again: () => Promise<unknown>): Promise<Registration> =>
    eventually("one binding, at the NAT's port", async () => {
      await again();
      const [found, ...more] = await world.box.registrations();
      return more.length === 0 && found?.source.port === nat.port ? found : undefined;
    });
  async function rung(leg = ids.next("leg")): Promise<{ leg: LegId; call: SipCall }> {
    const { contact } = await boundThere(() => Promise.resolve());
    const branch = world.branch("+254700000001", { leg, way: { kind: "device", contact: contact! } });
    const outcome = world.box.originate({
      ...{ then: { kind: "park" }, ignoreEarlyMedia: true, branches: [branch] },
    });
    const call = await phone.ringing();
    call.answer();
    assert.deepEqual(await outcome, { ok: true, leg });
    return { leg, call };
  }
  let dialled = 800_000;
  async function calling(leg = ids.next("leg")): Promise<{ leg: LegId; call: SipCall }> {
    const to = `+25471${String(dialled++)}0`;
    const call = phone.call(to);
    const { uuid } = await eventually("the arrival", () => arrivals.find((one) => one.to === to));
    world.box.know(leg, uuid);
    await world.box.takeIn({
      ...{ leg, call: ids.next("call"), ringSeconds: 60, maxSeconds: 60, cutGroup: `cut-${leg}-0` },
    });
    const answered = new Promise<void>((resolve) => call.on("answered", resolve));
    await world.box.answer(leg);
    await answered;
    return { leg, call };
  }
  /** It says 440 Hz, and hears 880 of a callee that is joined to it. */
  async function talking(begin: typeof calling): Promise<{ leg: LegId; call: SipCall; callee: LegId }> {
    const { leg, call } = await begin();
    call.media!.setSource(toneSource({ hz: 440 }));
    const { leg: callee } = world.dial(numbers.answers880, { then: { kind: "intercept", leg } });
    await world.bridged(leg, callee);
    await hears(call, 880);
    await says({ leg, call }, 440);
    return { leg, call, callee };
  }
  /** Half a second of what the switch hears of it has that tone; null: none. */
  async function says({ leg, call }: { leg: LegId; call: SipCall }, hz: number | null): Promise<void> {
    const near = (found: number | null) =>
      hz === null || found === null ? found === hz : Math.abs(found - hz) < 10;
    await eventually(`${hz} Hz of the device`, async () => {
      const recording = ids.next("rec");
      await world.box.startRecording(leg, recording);
      const sent = sentBy(call);
      await eventually("half a second of it", () => sentBy(call) > sent + 25 || undefined);
      await world.box.stopRecording(leg, recording);
      await world.event(leg, "recordingStopped", (event) => event.recording === recording);
      const { channels } = await world.wav(recording);
      return near(dominantTone(channels[0]!)?.hz ?? null) || undefined;
    });
  }
  const over = (call: SipCall) => new Promise<void>((resolve) => call.on("ended", () => resolve()));
  const sentBy = (call: SipCall) => call.media!.stats.packetsSent;
  const heardBy = (call: SipCall) => call.media!.stats.packetsReceived;

  it("that comes back by another port is rung there, and nowhere else", async () => {
    const was = nat.port;
    await boundThere(() => Promise.resolve());
    await nat.rebind();
    assert.notEqual(nat.port, was);
    // The real one clears up behind a REGISTER a moment later, one that comes before that included: then it registers again.
    await boundThere(() => phone.register());

    const { leg, call } = await rung();
    call.media!.setSource(toneSource({ hz: 440 }));
    await says({ leg, call }, 440);
    const ended = over(call);
    await world.box.hangUp(leg, "NORMAL_CLEARING");
    await ended;

    assert.equal(phone.calls, 1);
    assert.deepEqual(nat.requestsLost("INVITE"), []);
  });

  for (const [whose, begin] of [
    ["of its own", calling],
    ["to it", rung],
  ] as const) {
    it(`whose ports change in a call ${whose} is heard no more, nor hears, and ends it by its BYE`, async () => {
      const { leg, call, callee } = await talking(begin);
      await nat.rebind();
      await says({ leg, call }, null);
      const heard = heardBy(call);
      const sent = sentBy(call);
      // So that nobody takes a call's sound by sending to its port.
      await eventually("a second of its sound", () => sentBy(call) > sent + 50 || undefined);
      assert.equal(heardBy(call), heard);

      call.end();
      const end = await world.event(leg, "hungUp");
      assert.deepEqual(
        [end.cause, (await world.event(callee, "hungUp")).cause],
        ["NORMAL_CLEARING", "NORMAL_CLEARING"],
      );
    });

    it(`that says in a call ${whose} where it moved to is heard again, and hears`, async () => {
      const { leg, call } = await talking(begin);
      await nat.move();
      await says({ leg, call }, null);
      call.changeDirection("sendrecv");
      await Promise.all([says({ leg, call }, 440), hears(call, 880)]);
      call.end();
      assert.equal((await world.event(leg, "hungUp")).cause, "NORMAL_CLEARING");
    });

    it(`whose ports have changed in a call ${whose} is not waited for when the switch ends it`, async () => {
      const { leg, call, callee } = await talking(begin);
      await nat.rebind();
      await world.box.hangUp(callee, "NORMAL_CLEARING");
      await world.event(leg, "hungUp");
      await eventually("the BYE, where it was", () => nat.requestsLost("BYE").length > 0 || undefined);
      assert.equal(call.state, "answered");
    });

    it(`that vanishes in a call ${whose} is given up ${silenceS} s after its last sound, and the callee with it`, async () => {
      const { leg, callee } = await talking(begin);
      nat.cut();

      const [end, other] = [await world.event(leg, "hungUp"), await world.event(callee, "hungUp")];
      assert.deepEqual([end.cause, other.cause], ["MEDIA_TIMEOUT", "NORMAL_CLEARING"]);
      const tookMs = end.endedAtUs / 1000 - nat.lastOutAtMs;
      // Its stamps go by ticks of 20 ms.
      assert.ok(tookMs > silenceS * 1000 - 25 && tookMs < silenceS * 1000 + 500, `${tookMs} ms`);
      const apartMs = (other.endedAtUs - end.endedAtUs) / 1000;
      assert.ok(apartMs >= 0 && apartMs < 200, `${apartMs} ms`);
      assert.equal(nat.requestsLost("BYE").length > 0, true);
    });
  }

  it("whose sound comes from another port is not taken for one that vanished", async () => {
    const { leg, call } = await talking(calling);
    await nat.rebind();
    const sent = sentBy(call);
    await eventually("its sound, twice as long", () => sentBy(call) > sent + framesOfTwice || undefined);
    assert.deepEqual(world.kindsOf(leg).includes("hungUp"), false);
    call.end();
    assert.equal((await world.event(leg, "hungUp")).cause, "NORMAL_CLEARING");
  });
});
