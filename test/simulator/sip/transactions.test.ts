import assert from "node:assert/strict";
import { closeAgents, agent, answeredCall, dial, happens, nextInvite } from "./agents.ts";
import { header, lossyPath, offer, RawPeer, toTag } from "./raw-peer.ts";

/** RFC 3261's timers run 10 times faster, so that a lost packet costs a test 50 ms. */
const fast = { t1Ms: 50, t2Ms: 400, t4Ms: 500, giveUpMs: 3200 };
/** And a far end that stays silent is given up after a quarter of a second. */
const impatient = { ...fast, giveUpMs: 250 };

describe("SIP over a path that loses packets", function () {
  this.timeout(10_000);
  let path: { port: number; close(): void } | undefined;
  afterEach(async () => {
    await closeAgents();
    path?.close();
    path = undefined;
  });

  const once = (matches: (text: string) => boolean): ((text: string) => boolean) => {
    let lost = false;
    return (text) => {
      if (lost || !matches(text)) return false;
      lost = true;
      return true;
    };
  };
  const respondsTo = (method: string, status: number) => (text: string) =>
    text.startsWith(`SIP/2.0 ${status}`) && header(text, "CSeq").endsWith(method);

  const losses: [string, (text: string) => boolean][] = [
    ["the INVITE", (text) => text.startsWith("INVITE")],
    ["the 100", respondsTo("INVITE", 100)],
    ["the 180", respondsTo("INVITE", 180)],
    ["the 200", respondsTo("INVITE", 200)],
  ];
  for (const [name, matches] of losses) {
    it(`is answered, and rings once, when ${name} is lost`, async () => {
      const [nairobi, kisumu] = await Promise.all([agent({ timers: fast }), agent({ timers: fast })]);
      path = await lossyPath(kisumu.port, once(matches));
      let invites = 0;
      kisumu.onInvite((call) => {
        invites += 1;
        call.ring();
        call.answer();
      });

      const wanjiru = dial(nairobi, path);
      await happens(wanjiru, "answered");
      assert.equal(invites, 1);
    });
  }

  const refusals: [string, (text: string) => boolean][] = [
    ["the 486", respondsTo("INVITE", 486)],
    ["its ACK", (text) => text.startsWith("ACK")],
  ];
  for (const [name, matches] of refusals) {
    it(`is refused once when ${name} is lost`, async () => {
      const [nairobi, kisumu] = await Promise.all([agent({ timers: fast }), agent({ timers: fast })]);
      path = await lossyPath(kisumu.port, once(matches));
      kisumu.onInvite((call) => call.reject(486));
      const [ended] = await happens(dial(nairobi, path), "ended");
      assert.deepEqual(ended, { by: "them", status: 486, q850: null });
    });
  }

  const cancellations: [string, (text: string) => boolean][] = [
    ["the CANCEL", (text) => text.startsWith("CANCEL")],
    ["its 200", respondsTo("CANCEL", 200)],
    ["the 487", respondsTo("INVITE", 487)],
  ];
  for (const [name, matches] of cancellations) {
    it(`is cancelled on the other side too when ${name} is lost`, async () => {
      const [nairobi, kisumu] = await Promise.all([agent({ timers: fast }), agent({ timers: fast })]);
      path = await lossyPath(kisumu.port, once(matches));
      const arriving = nextInvite(kisumu);
      const wanjiru = dial(nairobi, path);
      const rings = happens(wanjiru, "ringing");
      const otieno = await arriving;
      otieno.ring();
      await rings;
      const ends = happens(otieno, "ended");
      wanjiru.end();
      assert.deepEqual(await ends, [{ by: "them", status: 487, q850: null }]);
    });
  }

  it("gives up with 408 when nobody answers the INVITE", async () => {
    const nairobi = await agent({ timers: impatient });
    const silent = await RawPeer.open();
    const [ended] = await happens(dial(nairobi, silent), "ended");
    assert.deepEqual(ended, { by: "us", status: 408, q850: null });
    silent.close();
  });

  it("hangs up a call whose 200 is never acknowledged, and repeats the 200 until then", async () => {
    const kisumu = await agent({ timers: impatient });
    const wanjiru = await RawPeer.open();
    const arriving = nextInvite(kisumu);
    wanjiru.send(wanjiru.request("INVITE", { body: offer }), kisumu.port);
    const otieno = await arriving;
    const ended = happens(otieno, "ended");
    otieno.answer();
    await wanjiru.take("SIP/2.0 200");
    await wanjiru.take("SIP/2.0 200");
    assert.deepEqual(await ended, [{ by: "us", status: null, q850: 102 }]);
    assert.match(await wanjiru.take("BYE"), /^Reason: Q\.850;cause=102\r$/m);
    wanjiru.close();
  });

  it("acknowledges each repetition of a 200", async () => {
    const nairobi = await agent();
    const otieno = await RawPeer.open();
    const wanjiru = dial(nairobi, otieno);
    const answers = happens(wanjiru, "answered");
    const invite = await otieno.take("INVITE");
    const ok = [
      "SIP/2.0 200 OK",
      `Via: ${header(invite, "Via")}`,
      `From: ${header(invite, "From")}`,
      `To: ${header(invite, "To")};tag=o1`,
      `Call-ID: ${header(invite, "Call-ID")}`,
      `CSeq: ${header(invite, "CSeq")}`,
      `Contact: <sip:otieno@127.0.0.1:${otieno.port}>`,
      `Content-Length: ${offer.length}`,
      "",
      offer,
    ].join("\r\n");
    otieno.send(ok, nairobi.port);
    await answers;
    otieno.send(ok, nairobi.port);
    await otieno.take("ACK");
    await otieno.take("ACK");

    const ended = happens(wanjiru, "ended");
    wanjiru.end();
    const bye = await otieno.take("BYE");
    otieno.send(bye.replace(/^.*\r\n/, "SIP/2.0 481 Gone\r\n"), nairobi.port);
    await ended;
    otieno.close();
  });
});

describe("a SIP agent asked what it does not do", () => {
  let wanjiru: RawPeer;
  beforeEach(async () => {
    wanjiru = await RawPeer.open();
  });
  afterEach(async () => {
    await closeAgents();
    wanjiru.close();
  });

  const rows: [string, Parameters<RawPeer["request"]>, string][] = [
    ["answers OPTIONS with what it can do", ["OPTIONS"], "SIP/2.0 200"],
    ["answers 481 to a BYE of a call it does not know", ["BYE", { toTag: "x" }], "SIP/2.0 481"],
    [
      "answers 481 to a re-INVITE of a call it does not know",
      ["INVITE", { toTag: "x", body: offer }],
      "SIP/2.0 481",
    ],
    ["answers 481 to a CANCEL without an INVITE", ["CANCEL"], "SIP/2.0 481"],
    ["answers 405 to a method it does not know", ["REGISTER"], "SIP/2.0 405"],
    [
      "answers 420 to an extension it does not know",
      ["INVITE", { headers: "Require: 100rel", body: offer }],
      "SIP/2.0 420",
    ],
    ["answers 488 to an INVITE without an offer", ["INVITE"], "SIP/2.0 488"],
    [
      "answers 488 to an offer without audio",
      ["INVITE", { body: offer.replace("audio", "video") }],
      "SIP/2.0 488",
    ],
  ];
  for (const [does, request, status] of rows) {
    it(does, async () => {
      const kisumu = await agent();
      kisumu.onInvite(() => assert.fail("no call may arrive"));
      wanjiru.send(wanjiru.request(...request), kisumu.port);
      const response = await wanjiru.take(status);
      if (status === "SIP/2.0 200") assert.match(header(response, "Allow"), /INVITE/);
    });
  }

  it("says nothing to an ACK of a call it does not know", async () => {
    const kisumu = await agent();
    wanjiru.send(wanjiru.request("ACK", { toTag: "x" }), kisumu.port);
    wanjiru.send(wanjiru.request("OPTIONS"), kisumu.port);
    await wanjiru.take("SIP/2.0 200");
    assert.deepEqual(wanjiru.received, []);
  });

  it("answers within a call: an old CSeq 500, an unknown method 405, a refresh without offer 200 with its own", async () => {
    const kisumu = await agent();
    const arriving = nextInvite(kisumu);
    wanjiru.send(wanjiru.request("INVITE", { seq: 5, body: offer }), kisumu.port);
    const otieno = await arriving;
    otieno.answer();
    const tag = toTag(await wanjiru.take("SIP/2.0 200"));
    const answered = happens(otieno, "answered");
    wanjiru.send(wanjiru.request("ACK", { seq: 5, toTag: tag, branch: "ack" }), kisumu.port);
    await answered;

    wanjiru.send(wanjiru.request("BYE", { seq: 4, toTag: tag, branch: "old" }), kisumu.port);
    await wanjiru.take("SIP/2.0 500");
    wanjiru.send(wanjiru.request("INFO", { seq: 6, toTag: tag, branch: "info" }), kisumu.port);
    await wanjiru.take("SIP/2.0 405");
    wanjiru.send(wanjiru.request("INVITE", { seq: 7, toTag: tag, branch: "refresh" }), kisumu.port);
    const refreshed = await wanjiru.take("SIP/2.0 200");
    assert.match(refreshed, /m=audio \d+ RTP\/AVP 0 8 101/);
    wanjiru.send(wanjiru.request("ACK", { seq: 7, toTag: tag, branch: "ack2", body: offer }), kisumu.port);
    const ended = happens(otieno, "ended");
    const reason = 'Reason: SIP;cause=200;text="a, b", Q.850;cause=34;text="none"';
    wanjiru.send(wanjiru.request("BYE", { seq: 8, toTag: tag, branch: "bye", headers: reason }), kisumu.port);
    assert.deepEqual(await ended, [{ by: "them", status: null, q850: 34 }]);
  });

  it("mirrors the other media lines of an offer, refused", async () => {
    const kisumu = await agent();
    kisumu.onInvite((call) => call.answer());
    const withVideo = `m=video 5000 RTP/AVP 96\r\n`;
    wanjiru.send(wanjiru.request("INVITE", { body: offer + withVideo }), kisumu.port);
    const answer = await wanjiru.take("SIP/2.0 200");
    assert.match(answer, /m=audio [1-9]\d* RTP\/AVP 8 101\r\n[^]*m=video 0 RTP\/AVP 96\r\n/);
    wanjiru.send(wanjiru.request("ACK", { toTag: toTag(answer), branch: "ack" }), kisumu.port);
    wanjiru.send(wanjiru.request("BYE", { toTag: toTag(answer), branch: "bye", seq: 2 }), kisumu.port);
    await wanjiru.take("SIP/2.0 200");
  });

  it("follows the recorded route with what it sends in the call", async () => {
    const kisumu = await agent();
    const proxy = await RawPeer.open();
    const arriving = nextInvite(kisumu);
    const route = `<sip:127.0.0.1:${proxy.port};lr>`;
    const invite = wanjiru.request("INVITE", { body: offer, headers: `Record-Route: ${route}` });
    wanjiru.send(invite, kisumu.port);
    const otieno = await arriving;
    otieno.answer();
    const ok = await wanjiru.take("SIP/2.0 200");
    assert.equal(header(ok, "Record-Route"), route);
    wanjiru.send(wanjiru.request("ACK", { toTag: toTag(ok), branch: "ack" }), kisumu.port);
    await happens(otieno, "answered");
    otieno.end();
    const bye = await proxy.take("BYE");
    assert.equal(header(bye, "Route"), route);
    assert.ok(bye.startsWith(`BYE sip:wanjiru@127.0.0.1:${wanjiru.port} SIP/2.0`));
    proxy.send(bye.replace(/^.*\r\n/, "SIP/2.0 200 OK\r\n"), kisumu.port);
    proxy.close();
  });

  it("keeps a call when stray requests name its Call-ID but not its tag", async () => {
    const [nairobi, kisumu] = await Promise.all([agent(), agent()]);
    const { wanjiru: call, otieno } = await answeredCall(nairobi, kisumu);
    const stray = wanjiru
      .request("BYE", { toTag: "wrong" })
      .replace(/Call-ID: .*\r/, `Call-ID: ${otieno.callId}\r`);
    wanjiru.send(stray, kisumu.port);
    await wanjiru.take("SIP/2.0 481");
    assert.equal(otieno.state, "answered");
    assert.equal(call.state, "answered");
  });
});
