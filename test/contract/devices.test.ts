import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import type { IncomingSipCall, SipCall } from "../../engine/simulator/sip/call.ts";
import { levelDbfs } from "../../engine/simulator/media/goertzel.ts";
import { toneSource } from "../../engine/simulator/media/tone.ts";
import type { Arrival, Branch, DeviceContact, Registration, TakenIn } from "../../engine/switch/switch.ts";
import { deviceContact } from "../../engine/switch/devices.ts";
import { OpenServer } from "../peers/open-server.ts";
import { SipDevice, writeDirectory, type Login } from "../peers/sip-device.ts";
import type { Devices } from "../peers/switch-under-test.ts";
import { eventually } from "../peers/waiting.ts";
import { describeContract } from "./report.ts";
import { rawLogin } from "./raw-login.ts";
import { hears } from "./hears.ts";
import { audibleDbfs, ids, World } from "./world.ts";

const wanjiru: Login = { username: "wanjiru7f3a", password: "chapati-na-maharagwe" };
const otieno: Login = { username: "otieno91bc", password: "samaki-wa-kukaanga" };
const achieng: Login = { username: "achieng5d2e", password: "ugali-na-sukuma" };

describeContract("the contract of the switch: customers' devices", function () {
  this.timeout(60_000);
  let world: World;
  let devices: Devices;
  const arrivals: Arrival[] = [];
  const open: SipDevice[] = [];
  before(async () => {
    world = await World.open({ devices: true });
    devices = world.switch.devices!;
    world.box.onArrival((arrival) => arrivals.push(arrival));
    writeDirectory(world.switch.spoolDir, devices.realm, [wanjiru, otieno, achieng]);
    await world.box.reloadDirectory();
  });
  afterEach(async () => {
    await Promise.all(open.splice(0).map((device) => device.close()));
    for (const { username } of [wanjiru, otieno, achieng]) await world.box.forgetDevice(username);
  });
  after(() => world.close());

  async function device(login: Login): Promise<SipDevice> {
    const opened = await SipDevice.open(devices, login);
    open.push(opened);
    return opened;
  }
  async function registered(login: Login): Promise<SipDevice> {
    const opened = await device(login);
    assert.equal((await opened.register()).status, 200);
    return opened;
  }
  const bindings = async ({ username }: Login): Promise<Registration[]> =>
    (await world.box.registrations()).filter((one) => one.username === username);
  /** As many bindings as that, once the switch lists them. */
  const listed = (login: Login, count: number): Promise<Registration[]> =>
    eventually(`${count} bindings`, async () => {
      const found = await bindings(login);
      return found.length === count ? found : undefined;
    });
  const contacts = async (login: Login): Promise<DeviceContact[]> =>
    (await bindings(login)).map(({ contact }) => contact!);
  const branchTo = (contact: DeviceContact, more: Partial<Branch> = {}): Branch =>
    world.branch("+254700000001", { way: { kind: "device", contact }, ...more });
  const ring = (branches: [Branch, ...Branch[]]) => {
    const outcome = world.box.originate({ then: { kind: "park" }, ignoreEarlyMedia: true, branches });
    outcome.catch(() => undefined);
    return outcome;
  };
  const tone = (call: SipCall, hz: number) => call.media!.setSource(toneSource({ hz }));
  const over = (call: SipCall) =>
    new Promise<{ by: string; status: number | null }>((resolve) => call.on("ended", resolve));
  const answered = (call: SipCall) => new Promise<void>((resolve) => call.on("answered", resolve));
  const takeIn = (leg: TakenIn["leg"]) =>
    world.box.takeIn({
      ...{ leg, call: ids.next("call"), ringSeconds: 60, maxSeconds: 60, cutGroup: `cut-${leg}-0` },
    });
  /** A call from that phone, taken in and answered by us. */
  async function talking(phone: SipDevice) {
    const to = number();
    const call = phone.call(to);
    const { leg } = await arrivalTo(to);
    await takeIn(leg);
    const picked = answered(call);
    await world.box.answer(leg);
    await picked;
    return { call, leg };
  }
  async function arrivalTo(to: string): Promise<{ arrival: Arrival; leg: TakenIn["leg"] }> {
    const arrival = await eventually("the arrival", () => arrivals.find((one) => one.to === to), {
      everyMs: 5,
    });
    const leg = ids.next("leg");
    world.box.know(leg, arrival.uuid);
    return { arrival, leg };
  }
  let numbers = 700_000;
  const number = () => `+25471${String(numbers++)}0`;

  it("a device registers with its login, is listed, and is told of to who listens", async () => {
    const from = world.boxEvents.length;
    const phone = await registered(wanjiru);
    const [binding] = await listed(wanjiru, 1);
    const { expiresAtMs, ...rest } = binding!;
    assert.deepEqual(rest, {
      username: wanjiru.username,
      contact: `sofia/devices/${phone.contact};fs_nat=yes;fs_path=sip%3A127.0.0.1%3A${phone.port}`,
      contactUri: phone.contact,
      ...{ transport: "udp", source: { host: "127.0.0.1", port: phone.port } },
      ...{ userAgent: "sautikit-simulator", callId: phone.callId },
    });
    const inMs = expiresAtMs - Date.now();
    assert.ok(inMs > 55_000 && inMs < 70_000, String(inMs));
    // What is told has all that the list has; their seconds are cut where each is told.
    const { registration } = await world.boxEvent("registered", from);
    const apartMs = registration.expiresAtMs - expiresAtMs;
    assert.deepEqual({ ...registration, expiresAtMs }, binding);
    assert.ok(Math.abs(apartMs) < 2_000, String(apartMs));
    assert.deepEqual(await world.box.registrations(otieno.username), []);
    assert.equal((await world.box.registrations(wanjiru.username)).length, 1);
    assert.equal((await phone.unregister()).status, 200);
    const gone = await world.boxEvent("unregistered", from);
    assert.deepEqual([gone.username, gone.callId], [wanjiru.username, phone.callId]);
    await listed(wanjiru, 0);
  });

  it("one that says it sends nothing, and sends nothing, is told from one that is not heard", async () => {
    const phone = await registered(wanjiru);
    const { call, leg } = await talking(phone);
    call.changeDirection("recvonly");
    await eventually("the new direction", async () => {
      const fields = await (await world.raw()).api(`uuid_dump ${arrivals.at(-1)!.uuid} json`);
      return /remote_audio_media_flow":\s*"recvonly"/.test(fields) ? true : undefined;
    });
    call.end();
    const { audio } = await world.event(leg, "hungUp");
    assert.deepEqual([audio!.received, audio!.party], [0, { sends: false, hears: true }]);
  });

  it("a wrong password and an unknown user get the same bytes, REGISTER and INVITE alike", async () => {
    for (const method of ["REGISTER", "INVITE"]) {
      const attempts = [wanjiru.username, "kamau0000ff"].map((username) =>
        rawLogin(devices, method, username),
      );
      const [wrong, unknown] = await Promise.all(attempts);
      assert.equal(wrong!.length, 2, "a challenge and a refusal");
      assert.match(wrong![1]!, /^SIP\/2\.0 403 Forbidden\r\n/);
      assert.deepEqual(wrong, unknown, method);
    }
    await listed(wanjiru, 0);
  });

  it("a login that fails is told with the address that it came from, and its name; one that does not is not", async () => {
    const from = world.boxEvents.length;
    const host = "127.0.0.21";
    const opened = async (login: Login) => {
      const one = await SipDevice.open(devices, login, { host });
      open.push(one);
      return one;
    };
    const good = await opened(wanjiru);
    assert.equal((await good.register()).status, 200);
    const upper = { username: wanjiru.username.toUpperCase(), password: "ClueCon" };
    assert.equal((await (await opened(upper)).register()).status, 403);
    assert.equal((await over((await opened({ ...otieno, password: "" })).call(number()))).status, 403);
    assert.equal((await (await opened({ username: "kamau00", password: "x" })).register()).status, 403);
    assert.equal((await (await opened({ username: "nobody-1", password: "x" })).register()).status, 403);
    // The name of the login is not the one that it registers as.
    const other = await opened(achieng);
    assert.equal((await other.register({ username: "kamau01" })).status, 403);
    const told = await eventually("five failures", () => {
      const all = world.boxEvents.slice(from).filter((event) => event.kind === "loginFailed");
      const its = all.filter(({ address }) => address === host);
      return its.length >= 5 ? its : undefined;
    });
    const names = told.map(({ username }) => username);
    assert.deepEqual(names, [wanjiru.username, otieno.username, "kamau00", null, "kamau01"]);
  });

  it("a login that is let in from some addresses alone registers and calls from there, and from nowhere else", async () => {
    const { spoolDir } = world.switch;
    const here = await registered(achieng);
    const there = await SipDevice.open(devices, achieng, { host: "127.0.0.22" });
    open.push(there);
    for (const onlyFrom of [["127.0.0.1", "203.0.113.7"], ["203.0.113.7"], []]) {
      writeDirectory(spoolDir, devices.realm, [wanjiru, otieno, { ...achieng, onlyFrom }]);
      await world.box.reloadDirectory();
      const letIn = onlyFrom.includes("127.0.0.1");
      const statuses = [(await here.register()).status, (await there.register()).status];
      assert.deepEqual(statuses, [letIn ? 200 : 403, 403], onlyFrom.join());
      assert.equal((await over(there.call(number()))).status, 403);
      if (!letIn) continue;
      const to = number();
      const call = here.call(to);
      const { arrival, leg } = await arrivalTo(to);
      assert.deepEqual([arrival.device, arrival.address], [achieng.username, "127.0.0.1"]);
      const ended = over(call);
      await world.box.refuse(leg, "CALL_REJECTED");
      await ended;
    }
    writeDirectory(spoolDir, devices.realm, [wanjiru, otieno, achieng]);
    await world.box.reloadDirectory();
    assert.equal((await there.register()).status, 200);
  });

  it("a login is its own name's alone: neither another's, nor one that stands for anybody else", async () => {
    const phone = await device(wanjiru);
    const { realm } = devices;
    assert.equal((await phone.register({ username: otieno.username })).status, 403);
    for (const name of ["!kamau00", "!nobody-1", "nobody-1"])
      assert.equal((await phone.register({ username: name })).status, 403, `${name}@${realm}`);
    assert.deepEqual([await bindings(otieno), await bindings(wanjiru)], [[], []]);
  });

  it("several devices of one login are rung at once, and the first to answer has the call", async () => {
    const [desk, mobile] = [await registered(wanjiru), await registered(wanjiru)];
    await listed(wanjiru, 2);
    const [first, second] = (await contacts(wanjiru)).map((contact) => branchTo(contact));
    const outcome = ring([first!, second!]);
    const [atDesk, atMobile] = await Promise.all([desk.ringing(), mobile.ringing()]);
    const desksEnd = over(atDesk);
    const toDesk = (await contacts(wanjiru)).findIndex((contact) => contact.includes(`:${desk.port};`));
    atMobile.answer();
    const winner = [first, second][1 - toDesk]!;
    assert.deepEqual(await outcome, { ok: true, leg: winner.leg });
    assert.equal((await desksEnd).status, 487);
    await world.event([first, second][toDesk]!.leg, "hungUp", ({ cause }) => cause === "LOSE_RACE");
    await world.box.hangUp(winner.leg, "NORMAL_CLEARING");
    await world.event(winner.leg, "hungUp");
  });

  it("a device's call comes with its login, and what its headers say counts for nothing", async () => {
    const phone = await device(wanjiru);
    const to = number();
    const call = phone.call(to, {
      from: otieno.username,
      headers: {
        "x-sautikit-login": otieno.username,
        "p-asserted-identity": "<sip:+254700999999@sip.example.test>",
        "x-sautikit-ticket": "forged",
        "remote-party-id": `<sip:${otieno.username}@x>`,
      },
    });
    const { arrival, leg } = await arrivalTo(to);
    assert.deepEqual([arrival.device, arrival.to, arrival.box], [wanjiru.username, to, "under-test"]);
    assert.equal(arrival.sipCallId, call.callId);
    const ended = over(call);
    assert.equal(await world.box.refuse(leg, "CALL_REJECTED"), true);
    assert.equal((await ended).status, 603);
  });

  it("a device's call is found by the listing, too, and one that nobody takes in ends by itself", async () => {
    const phone = await device(wanjiru);
    const to = number();
    const ended = over(phone.call(to));
    const { arrival, leg } = await arrivalTo(to);
    world.box.forget(leg);
    const found = await eventually("the device in the listing", async () =>
      (await world.box.arrivals()).find(({ uuid }) => uuid === arrival.uuid),
    );
    assert.deepEqual(found, arrival);
    assert.equal((await ended).status, 503);
  });

  it("a device's call that is answered and was not taken in ends at its answer", async () => {
    const phone = await device(wanjiru);
    const to = number();
    const ended = over(phone.call(to));
    const { leg } = await arrivalTo(to);
    await world.box.answer(leg);
    assert.equal((await ended).by, "them");
    assert.equal((await world.event(leg, "hungUp")).cause, "CALL_REJECTED");
  });

  for (const ender of ["the device", "the switch"] as const) {
    it(`a call from a device has sound both ways, and is ended by ${ender}`, async () => {
      const phone = await device(wanjiru);
      const { call, leg } = await talking(phone);
      tone(call, 440);
      const recording = ids.next("rec");
      await world.box.startRecording(leg, recording);
      await world.box.play(leg, await world.toneFile(880, 3_000), { token: "greeting", loops: 1 });
      await hears(call, 880);
      const ended = over(call);
      if (ender === "the device") call.end();
      else await world.box.hangUp(leg, "NORMAL_CLEARING");
      assert.equal((await ended).by, ender === "the device" ? "us" : "them");
      const end = await world.event(leg, "hungUp");
      assert.equal(end.cause, "NORMAL_CLEARING");
      await world.event(leg, "recordingStopped");
      const { channels } = await world.wav(recording);
      assert.ok(levelDbfs(channels[0]!.slice(-1600), 440) > audibleDbfs, "the device is heard");
    });

    it(`a call to a device has sound both ways, and is ended by ${ender}`, async () => {
      const phone = await registered(otieno);
      await listed(otieno, 1);
      const branch = branchTo((await contacts(otieno))[0]!);
      const outcome = ring([branch]);
      const call: IncomingSipCall = await phone.ringing();
      assert.deepEqual([call.fromUser, call.toUser], [branch.callerId, otieno.username]);
      await world.event(branch.leg, "ringing");
      call.answer();
      assert.deepEqual(await outcome, { ok: true, leg: branch.leg });
      tone(call, 440);
      const recording = ids.next("rec");
      await world.event(branch.leg, "parked");
      await world.box.startRecording(branch.leg, recording);
      await world.box.play(branch.leg, await world.toneFile(880, 3_000), { token: "greeting", loops: 1 });
      await hears(call, 880);
      const ended = over(call);
      if (ender === "the device") call.end();
      else await world.box.hangUp(branch.leg, "NORMAL_CLEARING");
      await ended;
      const end = await world.event(branch.leg, "hungUp");
      assert.deepEqual([end.cause, end.answeredAtUs !== null], ["NORMAL_CLEARING", true]);
      await world.event(branch.leg, "recordingStopped");
      const { channels } = await world.wav(recording);
      assert.ok(levelDbfs(channels[0]!.slice(-1600), 440) > audibleDbfs, "the device is heard");
    });
  }

  it("a device that is busy, and one that nobody answers, end as a trunk's do", async () => {
    const phone = await registered(otieno);
    await listed(otieno, 1);
    const [contact] = await contacts(otieno);
    const busy = ring([branchTo(contact!)]);
    (await phone.ringing()).reject(486);
    const refused = await busy;
    assert.ok(!refused.ok && refused.cause === "USER_BUSY", JSON.stringify(refused));
    const unanswered = await ring([branchTo(contact!, { ringTimeoutSeconds: 1 })]);
    assert.ok(!unanswered.ok && unanswered.cause === "NO_ANSWER", JSON.stringify(unanswered));
  });

  it("a device's call and another's are joined", async () => {
    const [caller, callee] = [await device(wanjiru), await registered(otieno)];
    await listed(otieno, 1);
    const to = number();
    const call = caller.call(to);
    const { leg } = await arrivalTo(to);
    await takeIn(leg);
    await world.box.answer(leg);
    await world.event(leg, "answered");
    const branch = branchTo((await contacts(otieno))[0]!);
    const outcome = world.box.originate({
      ...{ then: { kind: "intercept", leg }, ignoreEarlyMedia: false, branches: [branch] },
    });
    const other = await callee.ringing();
    other.answer();
    await outcome;
    await world.bridged(leg, branch.leg);
    tone(call, 440);
    tone(other, 880);
    await Promise.all([hears(call, 880), hears(other, 440)]);
    const ended = over(other);
    call.end();
    await ended;
    await world.event(branch.leg, "hungUp");
  });

  it("a device that comes back by another port has moved, and has one binding", async () => {
    const old = await registered(wanjiru);
    await listed(wanjiru, 1);
    const moved = await device(wanjiru);
    // The real one clears up behind a REGISTER a moment later: one that comes before that (0.1 s, up to 0.4) is cleared away too.
    await sleep(1_000);
    assert.equal((await moved.register({ callId: old.callId, expiresSeconds: 90 })).status, 200);
    const found = await eventually("the binding at its new port", async () => {
      const all = await bindings(wanjiru);
      return all.length === 1 && all[0]!.source.port === moved.port ? all[0] : undefined;
    });
    const outcome = ring([branchTo(found.contact!)]);
    (await moved.ringing()).reject(486);
    await outcome;
    assert.equal(old.calls, 0);
  });

  it("a binding that is not renewed expires, and that is told", async () => {
    const phone = await device(wanjiru);
    assert.equal((await phone.register({ expiresSeconds: 1 })).status, 200);
    await listed(wanjiru, 1);
    const from = world.boxEvents.length;
    assert.equal((await world.boxEvent("unregistered", from)).username, wanjiru.username);
    await listed(wanjiru, 0);
  });

  it("a device that is forgotten loses its bindings at once, and others keep theirs", async () => {
    await registered(wanjiru);
    await registered(wanjiru);
    await registered(otieno);
    await listed(wanjiru, 2);
    const from = world.boxEvents.length;
    await world.box.forgetDevice(wanjiru.username);
    await listed(wanjiru, 0);
    await eventually(
      "each of them told",
      () =>
        world.boxEvents.slice(from).filter(({ kind }) => kind === "unregistered").length === 2 || undefined,
    );
    assert.equal((await bindings(otieno)).length, 1);
  });

  it("a login that is taken out of the directory neither registers nor calls from the next reload on", async () => {
    const phone = await registered(achieng);
    const { spoolDir } = world.switch;
    writeDirectory(spoolDir, devices.realm, [wanjiru, otieno]);
    await world.box.reloadDirectory();
    assert.equal((await phone.register()).status, 403);
    assert.equal((await over(phone.call(number()))).status, 403);
    assert.equal((await (await device(wanjiru)).register()).status, 200);
    writeDirectory(spoolDir, devices.realm, [wanjiru, otieno, achieng]);
    await world.box.reloadDirectory();
    assert.equal((await phone.register()).status, 200);
  });

  for (const uri of [
    "sip:a,b@10.0.0.1",
    "sip:a'b@10.0.0.1;x=1",
    "sip:wanjiru@10.0.0.1;x=[origination_uuid=1]",
    "sip:a|b@10.0.0.1",
  ]) {
    it(`a device that calls itself ${uri} cannot be called, and harms nobody`, async () => {
      const phone = await device(wanjiru);
      await phone.register({ contact: uri });
      for (const { contact } of await bindings(wanjiru)) assert.equal(contact, null);
      await registered(otieno);
      assert.equal((await listed(otieno, 1))[0]!.contact !== null, true);
    });
  }

  it("a device is rung where its REGISTER came from, whatever its Contact, its parameters or its Path say", async () => {
    const elsewhere = await device(achieng);
    const port = String(elsewhere.port);
    for (const [contact, headers] of [
      [`sip:wanjiru@127.0.0.1:${port}`, {}],
      [`sip:wanjiru@192.168.1.20:5060;fs_path=sip:127.0.0.1:${port}`, {}],
      ["sip:wanjiru@192.168.1.20:5060", { path: `<sip:127.0.0.1:${port};lr>` }],
    ] as const) {
      const phone = await device(wanjiru);
      assert.equal((await phone.register({ contact, headers })).status, 200);
      const [binding] = await listed(wanjiru, 1);
      const outcome = ring([branchTo(binding!.contact!)]);
      const call = await phone.ringing();
      call.answer();
      const result = await outcome;
      assert.ok(result.ok);
      // In the dialog, too: its 200 had its own address, so this is the switch's ACK and BYE.
      const ended = over(call);
      await world.box.hangUp(result.leg, "NORMAL_CLEARING");
      await ended;
      await world.box.forgetDevice(wanjiru.username);
    }
    assert.equal(elsewhere.calls, 0);
  });

  it("somebody at another's server is rung at the address that was checked, whatever their name, and their Contact, say", async () => {
    const [server, elsewhere] = [await OpenServer.open("127.0.0.31"), await OpenServer.open("127.0.0.32")];
    const uri = "sip:Front.Desk+1@nobody-has-this-name.test:5099";
    const contact = deviceContact(uri, server, "udp")!;
    server.contact = `sip:x@${elsewhere.host}:${elsewhere.port}`;
    const branch = branchTo(contact);
    const result = await ring([branch]);
    assert.deepEqual(result, { ok: true, leg: branch.leg });
    await world.event(branch.leg, "answered");
    await world.box.hangUp(branch.leg, "NORMAL_CLEARING");
    await eventually("the BYE", () => server.methods.includes("BYE") || undefined);
    const [invite] = server.requests;
    assert.ok(invite!.startsWith(`INVITE ${uri} SIP/2.0\r\n`), invite!.split("\r\n")[0]);
    assert.match(invite!, new RegExp(`^From: .*<sip:(\\+|%2B)${branch.callerId.slice(1)}@`, "m"));
    assert.deepEqual([[...new Set(server.methods)], elsewhere.requests], [["INVITE", "ACK", "BYE"], []]);
    await world.event(branch.leg, "hungUp");
    server.close();
    elsewhere.close();
  });

  it("messages, presence and transfers are not for devices, login or not", async () => {
    const phone = await device(wanjiru);
    for (const [method, status] of [
      ["SUBSCRIBE", 405],
      ["PUBLISH", 405],
      ["REFER", 405],
      // The real one says so, and drops it.
      ["MESSAGE", 202],
      ["OPTIONS", 200],
    ] as const) {
      const event = method === "SUBSCRIBE" || method === "PUBLISH" ? { event: "presence" } : {};
      const refer = method === "REFER" ? { "refer-to": "<sip:+881600000000@127.0.0.1>" } : {};
      const { headers, ...answer } = await phone.request(method, { ...event, ...refer });
      assert.equal(answer.status, status, `${method}: ${JSON.stringify(headers)}`);
    }
  });

  /** A call of Wanjiru's device to Otieno's, joined; and Achieng's, which asks to have one of the two in its place. */
  for (const [what, replaced] of [
    ["by the Call-ID of its dialog", (call: SipCall) => call.callId],
    ["by the name of the switch's channel", (_: SipCall, channel: string) => channel],
    ["as the A-leg", (_: SipCall, channel: string) => `${channel};a-leg=true`],
  ] as const) {
    it(`a device cannot take another's call over (INVITE with Replaces), ${what}`, async () => {
      const [caller, callee, thief] = [
        await device(wanjiru),
        await registered(otieno),
        await device(achieng),
      ];
      await listed(otieno, 1);
      const to = number();
      const call = caller.call(to);
      const { leg } = await arrivalTo(to);
      await takeIn(leg);
      await world.box.answer(leg);
      await world.event(leg, "answered");
      const branch = branchTo((await contacts(otieno))[0]!);
      const then = { kind: "intercept", leg } as const;
      const outcome = world.box.originate({ then, ignoreEarlyMedia: false, branches: [branch] });
      const other = await callee.ringing();
      other.answer();
      await outcome;
      await world.bridged(leg, branch.leg);
      const replaces = `${replaced(other, branch.leg)};to-tag=1;from-tag=2`;
      const theft = thief.call(number(), { headers: { replaces } });
      const ended = over(theft);
      tone(call, 440);
      tone(other, 880);
      // Where the switch knows nothing of it, the call waits as any other.
      await eventually("the thief's end, or their waiting", async () =>
        theft.state === "ended" ||
        (await world.box.arrivals()).some(({ sipCallId }) => sipCallId === theft.callId)
          ? true
          : undefined,
      );
      await Promise.all([hears(call, 880), hears(other, 440)]);
      theft.end();
      await ended;
      const gone = over(other);
      call.end();
      await gone;
      await world.event(branch.leg, "hungUp");
    });
  }

  it("what was while nobody was connected is listed afterwards", async () => {
    await world.box.stop();
    const phone = await registered(wanjiru);
    const call = phone.call(number());
    const again = new World(world.switch, world.carrier);
    await again.connect();
    const found = await eventually("the device and its call", async () => {
      const all = await again.box.registrations();
      const waiting = await again.box.arrivals();
      return all.some(({ username }) => username === wanjiru.username) &&
        waiting.some((one) => one.device === wanjiru.username)
        ? true
        : undefined;
    });
    assert.equal(found, true);
    call.end();
    await again.box.stop();
    world.box.start();
    await eventually("the connection", () => world.box.connected || undefined);
  });
});
