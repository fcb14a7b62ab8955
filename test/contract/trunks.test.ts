import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { eventOf, kindsOf, world, type World } from "../calls/world.ts";
import { startCarrierProcess, type CarrierProcess } from "../peers/carrier-process.ts";
import { startRefusingCarrier } from "../peers/refusing-carrier.ts";
import { describeOnSwitch } from "../peers/switch-under-test.ts";
import { eventually } from "../peers/waiting.ts";
import { numbers } from "./world.ts";
import { reportResults } from "./report.ts";

const noCapacity = "+254700000503";

interface Line {
  name: string;
  at: { host: string; port: number };
  more?: Record<string, unknown>;
}

const fileOf = (lines: readonly Line[]): string =>
  JSON.stringify({
    trunks: lines.map(({ name, at, more }) => ({ name, host: at.host, port: at.port, ...more })),
  });

describeOnSwitch("trunks", function () {
  this.timeout(60_000);
  let here: World;
  let second: CarrierProcess;
  reportResults();

  const safari = () => ({ name: "safari", at: here.carrier, more: { priority: 1 } });
  const baringo = () => ({ name: "baringo", at: second, more: { priority: 2, number_format: "digits" } });

  async function trunks(...lines: Line[]): Promise<void> {
    await here.writeTrunks(fileOf(lines));
    await here.trunksLoaded(...lines.map(({ name }) => name).toSorted());
  }

  /** The calls that a carrier had to a number, whatever it was written as. */
  const callsTo = async (carrier: CarrierProcess, number: string) =>
    (await carrier.calls()).filter((call) => call.number === number);

  before(async () => {
    second = await startCarrierProcess();
    here = await world({
      trunks: (first) =>
        fileOf([
          { name: "safari", at: first, more: { priority: 1 } },
          { name: "baringo", at: second, more: { priority: 2, number_format: "digits" } },
        ]),
      expectedErrors: /file of trunks|no gateway for these trunks/,
    });
    await here.trunksLoaded("baringo", "safari");
  });
  after(async () => {
    await here.end();
    await second.stop();
  });

  it("a call goes over the trunk of the lowest priority, and its attempt says so", async () => {
    const call = await here.place({ to: numbers.hangsUpAfterThreeSeconds });
    const { legs } = await here.ended(call);
    assert.deepEqual(
      legs[0]!.attempts.map(({ trunk, sip_status, hangup_cause }) => ({ trunk, sip_status, hangup_cause })),
      [{ trunk: "safari", sip_status: 200, hangup_cause: "normal_clearing" }],
    );
    assert.equal((await callsTo(here.carrier, numbers.hangsUpAfterThreeSeconds)).length, 1);
    assert.equal((await callsTo(second, numbers.hangsUpAfterThreeSeconds)).length, 0);
  });

  it("a carrier without capacity is followed by the next trunk, each tried once, and the leg ends with the last", async () => {
    const call = await here.place({ to: noCapacity });
    const seen = await here.ended(call);
    assert.equal(seen.failure_code, "carrier_failure");
    assert.deepEqual(
      seen.legs[0]!.attempts.map(({ trunk, sip_status, hangup_cause }) => [trunk, sip_status, hangup_cause]),
      [
        ["safari", 503, "normal_temporary_failure"],
        ["baringo", 503, "normal_temporary_failure"],
      ],
    );
    assert.deepEqual(eventOf(seen, "leg.failed_over").payload, {
      ...{ leg_id: seen.legs[0]!.id, attempt: 1, trunk: "safari" },
      ...{ sip_status: 503, hangup_cause: "normal_temporary_failure" },
    });
    assert.equal((await callsTo(here.carrier, noCapacity)).length, 1);
    assert.equal((await callsTo(second, noCapacity)).length, 1);
    assert.equal(kindsOf(seen).filter((kind) => kind === "call.started").length, 1);
  });

  for (const [what, number] of [
    ["busy", numbers.isBusy],
    ["not allocated", "+254700000404"],
    ["not available", "+254700000480"],
    ["declining after it rang", "+254700000603"],
  ] as const) {
    it(`a callee that is ${what} is not tried over another trunk`, async () => {
      const seen = await here.ended(await here.place({ to: number }));
      assert.equal(seen.legs[0]!.attempts.length, 1);
      assert.equal((await callsTo(second, number)).length, 0);
    });
  }

  it("a carrier that fails after it rang is not followed by another, since that phone has rung", async () => {
    const rings = await startRefusingCarrier({ rings: true });
    try {
      await trunks({ name: "rings", at: rings, more: { priority: 0 } }, baringo());
      const seen = await here.ended(await here.place({ to: numbers.repeatsDigits }));
      assert.equal(seen.failure_code, "carrier_failure");
      assert.deepEqual(
        seen.legs[0]!.attempts.map(({ trunk, sip_status }) => [trunk, sip_status]),
        [["rings", 503]],
      );
      assert.equal((await callsTo(second, numbers.repeatsDigits)).length, 0);
    } finally {
      rings.close();
    }
  });

  it("a number that a talking party is put through to is dialled over the next trunk too, and they are joined", async () => {
    const refuses = await startRefusingCarrier();
    try {
      await trunks(
        { name: "nairobi", at: here.carrier, more: { prefixes: ["254722"] } },
        { name: "refuses", at: refuses, more: { prefixes: ["2547000"] } },
        baringo(),
      );
      const call = await here.place({
        to: numbers.ringsThenAnswers,
        actions: [{ dial: { number: numbers.answers880 } }],
      });
      await here.event(call, "leg.bridged");
      const { legs } = await here.view(call);
      assert.deepEqual(
        legs.map(({ attempts }) => attempts.map(({ trunk }) => trunk)),
        [["nairobi"], ["refuses", "baringo"]],
      );
      await here.hangUp(call);
      assert.equal((await here.ended(call)).status, "completed");
    } finally {
      refuses.close();
    }
  });

  it("a trunk whose carrier is gone is followed by the next one, which is answered, talked over and charged once", async () => {
    const gone = await startCarrierProcess();
    await gone.stop();
    await trunks({ name: "gone", at: gone, more: { priority: 0 } }, baringo());
    const call = await here.place({ to: numbers.hangsUpAfterThreeSeconds, record: "from-answer" });
    const seen = await here.ended(call, 45_000);
    const [leg] = seen.legs;
    assert.equal(seen.status, "completed");
    assert.deepEqual(
      leg!.attempts.map(({ trunk }) => trunk),
      ["gone", "baringo"],
    );
    assert.ok([3, 4].includes(leg!.billed_seconds), `${leg!.billed_seconds} s`);
    assert.equal(leg!.recording_ids.length, 1);
    assert.equal((await callsTo(second, numbers.hangsUpAfterThreeSeconds)).length, 1);
  });

  it("a change of the file counts at once, and a call that runs over a trunk that goes does not notice", async () => {
    await trunks(safari());
    const running = await here.place({ to: numbers.answers440 });
    await here.event(running, "call.answered");

    await trunks({ ...baringo(), name: "kisumu" });
    const other = await here.ended(await here.place({ to: numbers.hangsUpAfterThreeSeconds }));
    assert.equal(other.legs[0]!.attempts[0]!.trunk, "kisumu");

    assert.equal((await here.view(running)).status, "answered");
    await here.hangUp(running);
    const ended = await here.ended(running);
    assert.equal(ended.status, "completed");
    assert.equal(ended.hangup_cause, "normal_clearing");
    const [far] = await callsTo(here.carrier, numbers.answers440);
    assert.equal(far!.ended_by, "caller");
  });

  it("a trunk that moves to another address is called there, while a call of before goes on at the old one", async () => {
    await trunks(safari());
    const running = await here.place({ to: numbers.answers880 });
    await here.event(running, "call.answered");
    // Nobody waits until it is loaded: the call does.
    await here.writeTrunks(fileOf([{ ...safari(), at: second }]));
    const moved = await here.ended(await here.place({ to: numbers.isBusy }));
    assert.equal(moved.failure_code, "busy");
    assert.equal((await callsTo(second, numbers.isBusy)).length, 1);
    assert.equal((await here.view(running)).status, "answered");
    await here.hangUp(running);
    assert.equal((await here.ended(running)).status, "completed");
  });

  it("a broken file changes nothing, and says what is wrong", async () => {
    await trunks(safari());
    await here.writeTrunks("trunks:\n  - name: [");
    await eventually("the fault is kept", async () => {
      const row = await here.trunkFaults();
      return row?.[0]?.startsWith("the file: ") || undefined;
    });
    const seen = await here.ended(await here.place({ to: numbers.isBusy }));
    assert.equal(seen.legs[0]!.attempts[0]!.trunk, "safari");
  });

  it("a trunk that is full is passed over, and with no other the call fails without being dialled", async () => {
    await trunks({ ...safari(), more: { channels: 1 } });
    const first = await here.place({ to: numbers.answers440 });
    await here.event(first, "call.answered");
    const [before] = [(await here.carrier.calls()).length];
    const refused = await here.ended(await here.place({ to: numbers.answers880 }));
    assert.equal(refused.failure_code, "no_trunk");
    assert.deepEqual(refused.legs[0]!.attempts, []);
    assert.equal((await here.carrier.calls()).length, before);
    await here.hangUp(first);
    await here.ended(first);
  });

  it("a trunk that the box cannot have is passed over, and alone nobody waits for it", async () => {
    const kitale = { name: "kitale", at: second, more: { transport: "tcp", priority: 0 } };
    await here.writeTrunks(fileOf([kitale, safari()]));
    await eventually("the box has safari, and not kitale", async () => {
      const [one, other] = await here.trunkStates();
      return (one?.loadedSha256 === null && other?.loadedSha256 === other?.writtenSha256) || undefined;
    });
    const seen = await here.ended(await here.place({ to: numbers.isBusy }));
    assert.equal(seen.legs[0]!.attempts[0]!.trunk, "safari");
    await here.writeTrunks(fileOf([kitale]));
    await eventually(
      "the box has no trunk",
      async () => (await here.trunkStates()).length === 1 || undefined,
    );
    const refused = await here.ended(await here.place({ to: numbers.isBusy }), 8_000);
    assert.equal(refused.failure_code, "no_trunk");
  });

  it("an INVITE from an address that no trunk names is refused, as long as none does", async () => {
    await trunks(safari());
    assert.match(await invite("127.0.0.2", here.peer.sip), /^SIP\/2.0 403 /);
    await trunks({ ...safari(), more: { addresses: ["127.0.0.2/32"] } });
    assert.match(await invite("127.0.0.2", here.peer.sip), /^SIP\/2.0 (100|404) /);
    await trunks(safari());
    assert.match(await invite("127.0.0.2", here.peer.sip), /^SIP\/2.0 403 /);
  });

  it("a trunk that nobody answers any more is known to be down, is not called, and is up again by itself", async () => {
    let answer = 200;
    const carrier = await startRefusingCarrier({ options: () => answer });
    const down = (name: string, up: 0 | 1) =>
      eventually(
        `${name} ${up ? "up" : "down"}`,
        async () =>
          (await here.trunkStates()).some((row) => row.trunk === name && row.up === up) || undefined,
        { withinMs: 30_000 },
      );
    try {
      await trunks({ name: "kericho", at: carrier, more: { ping_seconds: 5 } });
      await down("kericho", 1);
      answer = 503;
      await down("kericho", 0);
      const refused = await here.ended(await here.place({ to: numbers.answers440 }));
      assert.equal(refused.failure_code, "no_trunk");
      assert.equal(carrier.invites(), 0);
      answer = 404;
      await down("kericho", 1);
    } finally {
      carrier.close();
    }
  });

  it("a trunk whose name has no IPv4 address in DNS is known to be down, and the next one is used", async () => {
    // RFC 2606 §2: nobody ever has it. A name that has an IPv6 address alone is as little use to a profile of IPv4.
    const at = { host: "nobody.invalid", port: 5060 };
    const more = { priority: 0, ping_seconds: 5, addresses: ["192.0.2.0/24"] };
    await trunks({ name: "lamu", at, more }, safari());
    await eventually(
      "lamu, known to be down",
      async () =>
        (await here.trunkStates()).some(({ trunk, up }) => trunk === "lamu" && up === 0) || undefined,
      { withinMs: 40_000 },
    );
    const then = await here.ended(await here.place({ to: numbers.isBusy }));
    assert.deepEqual(
      then.legs[0]!.attempts.map(({ trunk }) => trunk),
      ["safari"],
    );
    await trunks(safari());
  });

  it("a trunk that asks for a login is registered with it, and dialled with it; a wrong password leaves it down", async () => {
    const login = { username: "sautikit", password: "wanjiru-calls-otieno" };
    const carrier = await startRefusingCarrier({ login, invite: () => 486 });
    const up = (value: 0 | 1) =>
      eventually(`up ${value}`, async () => (await here.trunkStates())[0]?.up === value || undefined);
    try {
      const more = { ...login, register: true, register_seconds: 60 };
      await trunks({ name: "eldoret", at: carrier, more });
      await up(1);
      assert.match(carrier.registered() ?? "", /gw\+eldoret@/);
      const seen = await here.ended(await here.place({ to: numbers.answers440 }));
      assert.equal(seen.failure_code, "busy");
      assert.equal(seen.legs[0]!.sip_status, 486);
      await trunks({ name: "eldoret", at: carrier, more: { ...more, password: "guessed" } });
      await up(0);
    } finally {
      carrier.close();
    }
  });
});

/** The first answer to an INVITE from that address. */
async function invite(from: string, to: { host: string; port: number }): Promise<string> {
  const socket = createSocket("udp4").bind(0, from);
  await once(socket, "listening");
  const own = `${from}:${socket.address().port}`;
  const body =
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0\r\n";
  const answered = once(socket, "message", { signal: AbortSignal.timeout(5000) }) as Promise<[Buffer]>;
  const uri = `sip:+254711000001@${to.host}:${to.port}`;
  const lines = [
    `INVITE ${uri} SIP/2.0`,
    `Via: SIP/2.0/UDP ${own};branch=z9hG4bK-${own}`,
    "Max-Forwards: 70",
    `From: <sip:mallory@${own}>;tag=1`,
    `To: <${uri}>`,
    `Call-ID: ${own}`,
    "CSeq: 1 INVITE",
    `Contact: <sip:mallory@${own}>`,
    "Content-Type: application/sdp",
    `Content-Length: ${body.length}`,
  ];
  socket.send(`${lines.join("\r\n")}\r\n\r\n${body}`, to.port, to.host);
  const [answer] = await answered;
  socket.close();
  return answer.toString();
}
