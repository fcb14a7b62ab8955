import { strict as assert } from "node:assert";
import { setTimeout as sleep } from "node:timers/promises";
import { systemClock } from "../../engine/clock.ts";
import { systemIds } from "../../engine/ids.ts";
import { levelDbfs } from "../../engine/simulator/media/goertzel.ts";
import { readDeck } from "../../engine/metering/deck-file.ts";
import { importDeck } from "../../engine/metering/deck-import.ts";
import { SipDevice, type Login } from "../peers/sip-device.ts";
import { sideBySide } from "../peers/side-by-side.ts";
import { describeOnSwitch } from "../peers/switch-under-test.ts";
import { eventually } from "../peers/waiting.ts";
import { numbers } from "../contract/world.ts";
import { EslClient } from "../simulator/switch/esl-client.ts";
import type { ApiCall } from "../world/customer.ts";
import { nairobi, TestWorld } from "../world/world.ts";

/** A number of the carrier's that nobody else rings, so that its account of it is of one call. */
const answersFor = (last: string) => `+2547220${last}`;

describeOnSwitch("a customer's SIP devices, over HTTP and SIP", function () {
  this.timeout(60_000);
  let world: TestWorld;
  let numberId: string;
  const devices: SipDevice[] = [];
  before(async () => {
    world = await TestWorld.start({}, undefined, { switchOptions: { devices: true } });
    const { body } = await world.customer.ask("GET", "/v1/numbers");
    numberId = body.data[0].id;
  });
  after(async () => {
    for (const device of devices) await device.close();
    await world.end();
  });
  const test = sideBySide(3);

  const path = (more = "") => `/v1/numbers/${numberId}/sip-credentials${more}`;
  async function credential(label = "Desk"): Promise<Login & { id: string }> {
    const { status, body } = await world.customer.ask("POST", path(), { body: { label } });
    assert.equal(status, 201, JSON.stringify(body));
    return { id: body.id, username: body.username, password: body.password };
  }
  /** Registers as soon as it is let in. */
  async function registered(login: Login): Promise<SipDevice> {
    const device = await SipDevice.open(world.switch.devices!, login);
    devices.push(device);
    await eventually(
      "a registration that is taken",
      async () => ((await device.register()).status === 200 ? true : undefined),
      { everyMs: 300 },
    );
    return device;
  }
  const shown = (id: string, count: number) =>
    eventually(
      `${count} registrations shown`,
      async () => {
        const { body } = await world.customer.ask("GET", path(`/${id}/registrations`));
        return body.data.length === count ? body.data : undefined;
      },
      { everyMs: 200 },
    );
  const latestTo = (to: string): Promise<ApiCall> =>
    eventually(`the call to ${to}`, async () => {
      const { body } = await world.customer.ask("GET", `/v1/calls?number=${encodeURIComponent(to)}`);
      return body.data[0] as ApiCall | undefined;
    });

  test("one calls out as its number: it rings, is answered with the callee, and the callee's leg alone is billed", async () => {
    const login = await credential();
    const device = await registered(login);
    const [row] = await shown(login.id, 1);
    assert.deepEqual([row.contact, row.transport, row.reachable], [device.contact, "udp", true]);
    const to = answersFor("00111");
    const call = device.call(to, {
      from: "+254799999999",
      headers: { "P-Asserted-Identity": "<sip:+254788888888@x>" },
    });
    const seen: string[] = [];
    call.on("ringing", () => void seen.push("ringing"));
    call.on("answered", () => void seen.push("answered"));
    call.on("ended", () => void seen.push("ended"));
    await eventually("an answer", () => (seen.includes("answered") ? true : undefined));
    assert.equal(seen[0], "ringing");
    await sleep(1_500);
    call.end();
    const { id } = await latestTo(to);
    const done = await world.customer.ended(id);
    const [own, callee] = done.legs as [
      ApiCall["legs"][0] & { kind: string },
      ApiCall["legs"][0] & { kind: string },
    ];
    assert.deepEqual([done.status, own.kind, callee.kind], ["completed", "sip", "pstn"]);
    assert.deepEqual([own.cost_minor, callee.cost_minor > 0, done.cost_minor], [0, true, callee.cost_minor]);
    assert.ok(callee.billed_seconds >= 2 && callee.billed_seconds <= 4, String(callee.billed_seconds));
    const carried = await eventually("the carrier's account", async () =>
      (await world.carrier.calls()).find((one) => one.number === to && one.ended_at !== null),
    );
    assert.equal(carried.from, nairobi, "it is shown as its number, whatever its From says");
    await world.verifyLedger();
  });

  test("what the callee's network says is what it hears: busy is 486, and nothing is charged", async () => {
    const device = await registered(await credential());
    const call = device.call(numbers.isBusy);
    const status = await finalStatus(call);
    assert.equal(status, 486);
    const { id } = await latestTo(numbers.isBusy);
    const done = await world.customer.ended(id);
    assert.deepEqual([done.status, done.failure_code, done.cost_minor], ["busy", "busy", 0]);
  });

  test("an announcement of the callee's network is free, and not heard: a ringing tone is, unanswered, until its end", async () => {
    const device = await registered(await credential());
    const call = device.call(numbers.announcesThenRefuses);
    const seen: string[] = [];
    const heard: number[] = [];
    for (const event of ["ringing", "early", "answered"] as const)
      call.on(event, () => void seen.push(event));
    call.on("early", () => call.media!.onFrame((pcm) => void heard.push(...pcm)));
    assert.equal(await finalStatus(call), 408);
    assert.deepEqual([...new Set(seen)], ["ringing", "early"]);
    // The tone is a second in five, and the announcement would be 620 Hz for two.
    const [tone, announcement] = [425, 620].map((hz) => levelDbfs(Int16Array.from(heard), hz));
    assert.ok(tone! > -35 && announcement! < -50, `${tone} and ${announcement} dBFS`);
    const { id } = await latestTo(numbers.announcesThenRefuses);
    const done = await world.customer.ended(id);
    assert.deepEqual([done.answered_at, done.cost_minor], [null, 0]);
  });

  test("what it may not dial is refused with 403 or 404 before anybody is rung, and noted", async () => {
    const device = await registered(await credential());
    for (const [dialled, expected] of [
      ["999", 403],
      ["+256772000001", 403],
      ["nobody", 404],
    ] as const)
      assert.equal(await finalStatus(device.call(dialled)), expected, dialled);
    const { body } = await world.customer.ask("GET", "/v1/refusals");
    const mine = body.data.filter((row: { source: string }) => row.source === "device");
    assert.deepEqual([...new Set(mine.map((row: { reason: string }) => row.reason))].sort(), [
      "country",
      "destination",
    ]);
  });

  test("given up over the API while it rings, it is canceled, as one of the API's is", async () => {
    const device = await registered(await credential());
    const call = device.call(numbers.ringsForEver);
    await eventually("ringing", () =>
      call.state === "ringing" || call.state === "early" ? true : undefined,
    );
    const { id } = await latestTo(numbers.ringsForEver);
    await world.customer.until(id, "ringing", ({ legs }) => legs.length === 2);
    await world.customer.hangUp(id);
    const done = await world.customer.ended(id);
    assert.deepEqual([done.status, done.failure_code, done.cost_minor], ["canceled", "canceled", 0]);
  });

  test("dialled as people do, a local number is called", async () => {
    const device = await registered(await credential());
    const to = answersFor("00112");
    const call = device.call(to.replace("+254", "0"));
    await eventually("an answer", () => (call.state === "answered" ? true : undefined));
    call.end();
    const done = await world.customer.ended((await latestTo(to)).id);
    assert.equal(done.legs[1]!.to, to);
  });

  test("digits that its workspace sends into its call go to whom it called, not to the device", async () => {
    const device = await registered(await credential());
    const to = answersFor("00117");
    const call = device.call(to);
    const atDevice: string[] = [];
    await eventually("an answer", () => (call.state === "answered" ? true : undefined));
    call.media!.onDigit((digit) => void atDevice.push(digit));
    const { id } = await latestTo(to);
    await world.customer.until(id, "answered", ({ status }) => status === "answered");
    const { status } = await world.customer.ask("POST", `/v1/calls/${id}/digits`, {
      body: { digits: "42#" },
    });
    assert.equal(status, 202);
    await eventually("the digits at the callee", async () =>
      (await world.carrier.calls()).find((one) => one.number === to && one.digits === "42#"),
    );
    call.end();
    await world.customer.ended(id);
    assert.deepEqual(atDevice, []);
  });

  test("`dial.sip` rings every device of a credential; the first to answer has it, and is free", async () => {
    const login = await credential("Two phones");
    const [first, second] = [await registered(login), await registered(login)];
    await shown(login.id, 2);
    const id = await world.customer.place({
      ...{ from: nairobi, to: answersFor("00113") },
      actions: [{ dial: { sip: `sip:${login.username}@anything.example` } }, { hangup: {} }],
    });
    const [ringsHere, ringsThere] = [await first.ringing(10_000), await second.ringing(10_000)];
    assert.equal(ringsHere.fromUser, answersFor("00113"), "it is shown whom it would talk with");
    ringsHere.answer();
    await world.customer.until(id, "joined", ({ legs }) =>
      legs.some((leg) => leg.to.startsWith("sip:") && leg.answered_at !== null),
    );
    await eventually("the other stops ringing", () => (ringsThere.state === "ended" ? true : undefined));
    ringsHere.end();
    const done = await world.customer.ended(id);
    const own = done.legs.filter((leg) => leg.to === `sip:${login.username}`);
    assert.deepEqual([own.length, own.reduce((sum, leg) => sum + leg.cost_minor, 0)], [2, 0]);
    assert.deepEqual(own.map((leg) => leg.status).sort(), ["canceled", "completed"]);
  });

  test("`dial.sip` where nobody is registered says so, and the document goes on", async () => {
    const { username } = await credential("Nobody");
    const id = await world.customer.place({
      ...{ from: nairobi, to: answersFor("00114") },
      actions: [{ dial: { sip: `sip:${username}` } }, { wait: { seconds: 1 } }, { hangup: {} }],
    });
    const done = await world.customer.ended(id);
    const refused = done.events.find(({ kind }) => kind === "dial.refused");
    assert.equal(refused?.payload["code"], "sip.not_registered");
    assert.ok(
      done.events.some(({ kind, payload }) => kind === "action.started" && payload["verb"] === "wait"),
    );
  });

  test("a revoked one is let in no more, and a rotated one only with its new login", async () => {
    const login = await credential();
    const device = await registered(login);
    await shown(login.id, 1);
    const { body } = await world.customer.ask("POST", path(`/${login.id}/rotate`), { body: {} });
    await eventually(
      "the old login to end",
      async () => ((await device.register()).status === 403 ? true : undefined),
      {
        everyMs: 300,
      },
    );
    await shown(login.id, 0);
    const next = await registered({ username: body.username, password: body.password });
    await shown(login.id, 1);
    assert.equal((await world.customer.ask("DELETE", path(`/${login.id}`))).status, 204);
    await eventually(
      "the new login to end",
      async () => ((await next.register()).status === 403 ? true : undefined),
      {
        everyMs: 300,
      },
    );
    assert.equal(await finalStatus(next.call(answersFor("00115"))), 403);
  });

  const place = async (from: string) => {
    const { host, port } = world.switch.sip;
    return world.carrier.place({ from, to: nairobi, switch: `${host}:${port}` });
  };
  const route = (body: unknown) =>
    world.customer
      .ask("PATCH", `/v1/numbers/${numberId}/routing`, { body })
      .then(({ status }) => assert.equal(status, 200));

  describe("calls to its number", () => {
    it("ring it with `ring_sip`: the caller is answered by its answer and no sooner, and is free", async () => {
      await route({ voice_callback_url: null, events_url: world.inbox.url, ring_sip: true });
      const login = await credential("Reception");
      const device = await registered(login);
      const from = "+254734700001";
      await shown(login.id, 1);
      const sip = await place(from);
      const rings = await device.ringing(10_000);
      assert.equal(rings.fromUser, from, "it is shown who calls");
      assert.equal((await world.carrier.placed(sip)).answered_at, null);
      rings.answer();
      await world.carrier.placed(sip, ({ answered_at }) => answered_at !== null);
      await sleep(500);
      rings.end();
      await world.carrier.placed(sip, ({ ended_at }) => ended_at !== null);
      const call = await latestTo(from);
      const done = await world.customer.ended(call.id);
      assert.deepEqual([done.status, done.cost_minor], ["completed", 0]);
    });

    it("a PBX has several at once over its one registration, in and out", async () => {
      const login = await credential("Asterisk");
      const pbx = await registered(login);
      await shown(login.id, 1);
      const out = ["00122", "00123"].map((last) => pbx.call(answersFor(last)));
      await eventually("two answers", () => out.every(({ state }) => state === "answered") || undefined);
      const into: string[] = [];
      const rang = [];
      for (const from of ["+254734700005", "+254734700006"]) {
        into.push(await place(from));
        const call = await pbx.ringing(10_000);
        assert.equal(call.fromUser, from);
        call.answer();
        rang.push(call);
      }
      for (const sip of into) await world.carrier.placed(sip, ({ answered_at }) => answered_at !== null);
      const all = [...out, ...rang];
      assert.deepEqual([...new Set(all.map(({ state }) => state))], ["answered"]);
      for (const call of all) call.end();
      for (const number of [answersFor("00122"), answersFor("00123"), "+254734700005", "+254734700006"])
        assert.equal((await world.customer.ended((await latestTo(number)).id)).status, "completed");
    });

    it("a PBX that marks its line in its Contact, as Asterisk does, is called with the mark; and it calls out unregistered", async () => {
      const login = await credential("Asterisk, line = yes");
      const said: string[] = [];
      const pbx = await SipDevice.open(world.switch.devices!, login, { log: (line) => void said.push(line) });
      devices.push(pbx);
      const contact = `${pbx.contact};line=yqkbwpj`;
      await eventually(
        "a registration that is taken",
        async () => ((await pbx.register({ contact })).status === 200 ? true : undefined),
        { everyMs: 300 },
      );
      await shown(login.id, 1);
      const sip = await place("+254734700007");
      (await pbx.ringing(10_000)).answer();
      await world.carrier.placed(sip, ({ answered_at }) => answered_at !== null);
      const invite = said.find((line) => /^received .*INVITE sip:/s.test(line));
      assert.match(invite ?? "", /INVITE sip:[^ ]+;line=yqkbwpj[; ]/);
      await world.carrier.hangUp(sip);
      assert.equal((await world.customer.ended((await latestTo("+254734700007")).id)).status, "completed");

      assert.equal((await pbx.register({ contact, expiresSeconds: 0 })).status, 200);
      await shown(login.id, 0);
      const out = pbx.call(answersFor("00124"));
      await eventually("an answer", () => (out.state === "answered" ? true : undefined));
      out.end();
      assert.equal(
        (await world.customer.ended((await latestTo(answersFor("00124"))).id)).status,
        "completed",
      );
    });

    it("where its voice URL fails they ring it too", async () => {
      await route({ voice_callback_url: "http://127.0.0.1:9/nobody", ring_sip: false });
      const login = await credential("Fallback");
      const device = await registered(login);
      await shown(login.id, 1);
      const sip = await place("+254734700002");
      (await device.ringing(25_000)).answer();
      await world.carrier.placed(sip, ({ answered_at }) => answered_at !== null);
      await world.carrier.hangUp(sip);
      assert.equal((await world.customer.ended((await latestTo("+254734700002")).id)).status, "completed");
    });
  });

  it("a device that hangs up while no controller runs ends the call, and the charge, at that second", async () => {
    const device = await registered(await credential("Survivor"));
    const to = answersFor("00116");
    const call = device.call(to);
    await eventually("an answer", () => (call.state === "answered" ? true : undefined));
    const { id } = await latestTo(to);
    await world.customer.until(id, "answered", ({ status }) => status === "answered");
    await world.killSautikit();
    await sleep(1_000);
    call.changeDirection("sendonly");
    await sleep(500);
    call.end();
    const endedMs = Date.now();
    await sleep(2_000);
    await world.startSautikit();
    const done = await world.customer.ended(id);
    const callee = done.legs[1]!;
    assert.equal(done.status, "completed");
    assert.ok(
      Math.abs(Date.parse(callee.ended_at!) - endedMs) < 1_000,
      `${callee.ended_at} for ${new Date(endedMs).toISOString()}`,
    );
    const talkedMs = Date.parse(callee.ended_at!) - Date.parse(callee.answered_at!);
    assert.equal(callee.billed_seconds, Math.ceil(talkedMs / 1000));
    await world.verifyLedger();
  });

  it("a device that registers while no controller runs is rung once one is back", async () => {
    await route({ voice_callback_url: null, events_url: world.inbox.url, ring_sip: true });
    const login = await credential("Early bird");
    const there = await registered(login);
    await shown(login.id, 1);
    await world.killSautikit();
    const came = await SipDevice.open(world.switch.devices!, login);
    devices.push(came);
    assert.equal((await came.register()).status, 200);
    assert.equal((await there.unregister()).status, 200);
    await world.startSautikit();
    await eventually("the one that came, without the one that went", async () => {
      const [row, ...others] = await shown(login.id, 1);
      return (others.length === 0 && row.contact === came.contact) || undefined;
    });
    const sip = await place("+254734700004");
    (await came.ringing(10_000)).answer();
    await world.carrier.placed(sip, ({ answered_at }) => answered_at !== null);
    await world.carrier.hangUp(sip);
    assert.equal((await world.customer.ended((await latestTo("+254734700004")).id)).status, "completed");
    assert.equal(there.calls, 0);
  });

  it("a recording goes on while the device holds (re-INVITE), and is as long as the talk", async () => {
    await route({ record: true });
    const device = await registered(await credential("Holder"));
    const to = answersFor("00121");
    const call = device.call(to);
    await eventually("an answer", () => (call.state === "answered" ? true : undefined));
    await sleep(1_000);
    call.changeDirection("sendonly");
    await sleep(2_000);
    call.changeDirection("sendrecv");
    await sleep(1_000);
    call.end();
    const [own] = (await world.customer.ended((await latestTo(to)).id)).legs;
    await route({ record: false });
    const recording = await eventually("the recording", async () => {
      const { body } = await world.customer.ask("GET", `/v1/recordings/${own!.recording_ids[0]}`);
      return body.status === "ready" ? body : undefined;
    });
    const talkedSeconds = (Date.parse(own!.ended_at!) - Date.parse(own!.answered_at!)) / 1000;
    assert.ok(talkedSeconds > 3.9, String(talkedSeconds));
    const { duration_seconds: seconds } = recording;
    assert.ok(Math.abs(seconds - talkedSeconds) < 0.3, `${seconds} s of ${talkedSeconds} s`);
  });

  it("an answered caller whom nobody took in is hung up, since they would talk on nobody's account", async () => {
    await world.killSautikit();
    const { host, port } = world.switch.sip;
    const sip = await world.carrier.place({ from: "+254734700003", to: nairobi, switch: `${host}:${port}` });
    const { esl } = world.switch;
    const client = await EslClient.login(esl.port, esl.password, "CHANNEL_HANGUP_COMPLETE");
    const uuid = await eventually("the caller at the switch", async () => {
      const listed = JSON.parse(await client.api("show channels as json")) as {
        rows?: { uuid: string; cid_num: string }[];
      };
      return listed.rows?.find(({ cid_num }) => cid_num.endsWith("254734700003"))?.uuid;
    });
    await client.api(`sched_del ${uuid}`);
    await client.api(`uuid_answer ${uuid}`);
    await world.carrier.placed(sip, ({ answered_at }) => answered_at !== null);
    await world.startSautikit();
    const end = await eventually(
      "the caller's end",
      () => client.events.find((event) => event["Unique-ID"] === uuid),
      { withinMs: 20_000 },
    );
    assert.equal(end["variable_hangup_cause"], "MANAGER_REQUEST");
    client.close();
  });

  describe("with another deck", () => {
    it("where the deck charges for devices they are paid for, and asked for money, as any leg", async () => {
      const { lines } = readDeck(
        "prefix,kes_per_minute,leg_kind,direction\n254,0,pstn,outbound\n,60,sip,outbound\n,60,sip,inbound",
      );
      const parts = { ids: systemIds(systemClock), clock: systemClock };
      const { bad } = await world.store.write((tx) => importDeck(tx, parts, { lines, force: true }));
      assert.deepEqual(bad, []);
      const cut = await world.customer.ask("PATCH", "/v1/wallet", { body: { on_zero_balance: "hangup" } });
      assert.equal(cut.status, 200);
      const login = await credential("Charged");
      const device = await registered(login);
      const to = answersFor("00118");
      const call = device.call(to);
      await eventually("an answer", () => (call.state === "answered" ? true : undefined));
      const { id } = await latestTo(to);
      const [{ seconds } = { seconds: 0 }] = await world.byHand(
        `SELECT cut_after_seconds AS seconds FROM legs WHERE call_id = '${id}' AND position = 0`,
      );
      // The switch's stamps go by ticks of 20 ms: a talk within one of them is none.
      await sleep(200);
      // KES 10,000 or less, at a shilling a second; its own longest is four hours.
      assert.ok(Number(seconds) > 9_000 && Number(seconds) <= 10_000, String(seconds));
      call.end();
      const [own, callee] = (await world.customer.ended(id)).legs;
      assert.deepEqual([own!.cost_minor > 0, callee!.cost_minor], [true, 0]);

      await world.byHand("UPDATE workspaces SET daily_spend_cap_minor = 1");
      assert.equal(await finalStatus(device.call(answersFor("00119"))), 403);
      const { body } = await world.customer.ask("GET", "/v1/refusals");
      assert.deepEqual([body.data[0].source, body.data[0].reason], ["device", "spend_cap"]);
      const dials = await world.customer.place({
        ...{ from: nairobi, to: answersFor("00120") },
        actions: [{ dial: { sip: `sip:${login.username}` } }, { hangup: {} }],
      });
      const done = await world.customer.ended(dials);
      const refused = done.events.find(({ kind }) => kind === "dial.refused");
      assert.equal(refused?.payload["reason"], "spend_cap");
      await world.verifyLedger();
    });

    it("where it has no rate for devices their calls are refused with the reason, and frozen is said first", async () => {
      await world.byHand("UPDATE rates SET ended = 1 WHERE leg_kind = 'sip' AND direction = 'inbound'");
      const device = await registered(await credential("Without a rate"));
      const reason = async () => {
        assert.equal(await finalStatus(device.call(answersFor("00121"))), 403);
        const { body } = await world.customer.ask("GET", "/v1/refusals");
        return [body.data[0].source, body.data[0].reason];
      };
      assert.deepEqual(await reason(), ["device", "no_rate"]);
      await world.byHand("UPDATE workspaces SET frozen_at_ms = 1");
      assert.deepEqual(await reason(), ["device", "frozen"]);
    });
  });

  function finalStatus(call: ReturnType<SipDevice["call"]>): Promise<number | null> {
    return new Promise((resolve) => call.on("ended", ({ status }) => resolve(status)));
  }
});
