import assert from "node:assert/strict";
import { toneSource } from "../../engine/simulator/media/tone.ts";
import type { SipCall } from "../../engine/simulator/sip/call.ts";
import { Nat } from "../peers/nat.ts";
import { SipDevice } from "../peers/sip-device.ts";
import { describeOnSwitch } from "../peers/switch-under-test.ts";
import { eventually } from "../peers/waiting.ts";
import type { ApiCall } from "../world/customer.ts";
import { nairobi, TestWorld } from "../world/world.ts";
import { checkCharge } from "./checks.ts";

/** Five minutes, unless `DEVICES_MEDIA_TIMEOUT` says otherwise. */
const silenceS = 3;
/** What a busy machine may let one of its processes wait. */
const busyMsMax = 1_000;

describeOnSwitch("a device that vanishes in its call, without a BYE", function () {
  this.timeout(60_000);
  let world: TestWorld;
  let nat: Nat;
  let phone: SipDevice;
  before(async () => {
    const switchOptions = { devices: true, mediaTimeoutS: silenceS };
    world = await TestWorld.start({}, undefined, { switchOptions });
  });
  beforeEach(async () => {
    const { body } = await world.customer.ask("GET", "/v1/numbers");
    const path = `/v1/numbers/${body.data[0].id}/sip-credentials`;
    const made = await world.customer.ask("POST", path, { body: { label: "Desk" } });
    nat = await Nat.open(world.switch.devices!);
    phone = await SipDevice.open(nat.devices, made.body, { host: nat.inside });
    await eventually(
      "a registration that is taken, and shown",
      async () => {
        if ((await phone.register()).status !== 200) return undefined;
        const shown = await world.customer.ask("GET", `${path}/${made.body.id}/registrations`);
        return shown.body.data.length === 1 || undefined;
      },
      { everyMs: 300 },
    );
  });
  afterEach(async () => {
    await phone.close();
    nat.close();
  });
  after(() => world.end());

  let callees = 10_200;
  const callee = () => `+2547220${callees++}`;

  /** Whoever the carrier's number is, and the device: they talk. */
  async function called(): Promise<{ to: string; id: string; call: SipCall }> {
    const to = callee();
    const call = phone.call(to);
    await eventually("an answer", () => call.state === "answered" || undefined);
    const id = await eventually("the call", async () => {
      const { body } = await world.customer.ask("GET", `/v1/calls?number=${encodeURIComponent(to)}`);
      return body.data[0]?.id as string | undefined;
    });
    return { to, id, call };
  }
  async function rung(): Promise<{ to: string; id: string; call: SipCall }> {
    const to = callee();
    const actions = [{ dial: { sip: `sip:${phone.login.username}` } }];
    const id = await world.customer.place({ from: nairobi, to, actions });
    const call = await phone.ringing(10_000);
    call.answer();
    return { to, id, call };
  }
  async function talk({ id, call }: { id: string; call: SipCall }): Promise<void> {
    call.media!.setSource(toneSource({ hz: 440 }));
    await world.customer.until(id, "joined", ({ events }) =>
      events.some(({ kind }) => kind === "leg.bridged"),
    );
    const { stats } = call.media!;
    const sent = stats.packetsSent;
    await eventually("a second of talk", () => call.media!.stats.packetsSent > sent + 50 || undefined);
  }
  /** Both legs ended by it, when it was due, and what is paid for was charged to there. */
  async function check(done: ApiCall, to: string): Promise<void> {
    assert.equal(done.status, "completed");
    const [own, other] = ["media_timeout", "normal_clearing"].map((cause) =>
      done.legs.find((leg) => leg.hangup_cause === cause),
    );
    assert.ok(own && other, JSON.stringify(done.legs));
    assert.equal(own.cost_minor, 0);
    const [ownEndMs, otherEndMs] = [own, other].map(({ ended_at }) => Date.parse(ended_at!)) as [
      number,
      number,
    ];
    const afterMs = ownEndMs - nat.lastOutAtMs;
    assert.ok(afterMs > silenceS * 1000 - 25 && afterMs < silenceS * 1000 + busyMsMax, `${afterMs} ms`);
    assert.ok(otherEndMs >= ownEndMs && otherEndMs < ownEndMs + busyMsMax, `${otherEndMs - ownEndMs} ms`);
    await checkCharge(world, other);
    const carried = await eventually("the carrier's account of it", async () =>
      (await world.carrier.calls()).find(({ number, ended_at }) => number === to && ended_at !== null),
    );
    const apartMs = Date.parse(carried.ended_at!) - otherEndMs;
    assert.ok(Math.abs(apartMs) < busyMsMax, `${apartMs} ms`);
    assert.ok(other.billed_seconds >= silenceS + 1, String(other.billed_seconds));
  }

  for (const [what, begin] of [
    ["that it made", called],
    ["that rang it", rung],
  ] as const) {
    it(`${what}: both legs end when nothing came for so long, charged to then`, async () => {
      const { to, id, call } = await begin();
      await talk({ id, call });
      nat.cut();
      await check(await world.customer.ended(id), to);
    });
  }

  it("while no controller runs: the switch ends both, and they are charged to then afterwards", async () => {
    const { to, id, call } = await called();
    await talk({ id, call });
    await world.killSautikit();
    nat.cut();
    await eventually("the callee's end", async () =>
      (await world.carrier.calls()).find(({ number, ended_at }) => number === to && ended_at !== null),
    );
    await world.startSautikit();
    await check(await world.customer.ended(id), to);
  });

  it("and leaves nothing undone, and stands up to the auditor", () => world.audit());
});
