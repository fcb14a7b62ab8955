import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { systemClock } from "../../engine/clock.ts";
import { systemIds } from "../../engine/ids.ts";
import { createSipAgent } from "../../engine/simulator/sip/agent.ts";
import type { SipAgent, SipCall } from "../../engine/simulator/sip/call.ts";
import { issueTicket } from "../../engine/store/edge-tickets.ts";
import { edgeKind, startEdgeUnderTest, type EdgeUnderTest } from "../peers/edge-under-test.ts";
import { EslClient } from "../simulator/switch/esl-client.ts";
import { VoiceServer } from "../peers/voice-server.ts";
import { describeOnSwitch } from "../peers/switch-under-test.ts";
import { eventually } from "../peers/waiting.ts";
import { happens } from "../simulator/sip/agents.ts";
import type { ApiCall } from "../world/customer.ts";
import { nairobi, TestWorld } from "../world/world.ts";
import { numbers } from "./world.ts";

const ids = systemIds(systemClock);

describeOnSwitch(`calls by way of the trunk edge (${edgeKind})`, function () {
  this.timeout(60_000);
  let edge: EdgeUnderTest;
  let world: TestWorld;
  let voice: VoiceServer;
  /** Somebody at the carrier's, whose messages are kept. */
  let phone: SipAgent;
  const said: string[] = [];
  before(async () => {
    edge = await startEdgeUnderTest();
    world = await TestWorld.start({}, undefined, { edge });
    world.witnesses.callsIn = true;
    voice = await VoiceServer.open();
    await world.store.write((tx) =>
      tx.run("UPDATE numbers SET voice_callback_url = ?, events_url = ?", [voice.url(), world.inbox.url]),
    );
    phone = await createSipAgent({
      ...{ host: "127.0.0.1", port: 0, clock: systemClock },
      log: (line) => void said.push(line),
    });
    await edgeIsThere();
  });
  after(async () => {
    await phone.close();
    await world.end();
    await edge.stop();
    await voice.close();
  });

  const optionsOf = () => {
    const answer = phone.request({
      ...{ method: "OPTIONS", uri: `sip:${edge.sip.host}:${edge.sip.port}`, to: edge.sip, seq: 1 },
      ...{ party: "otieno@127.0.0.1", callId: ids.bytes(8).toString("hex") },
    });
    return Promise.race([answer, sleep(300)]);
  };
  const edgeIsThere = () =>
    eventually("the edge", async () => (await optionsOf())?.status === 200 || undefined);
  let callers = 736_000_001;
  const callIn = (to: { host: string; port: number } = edge.sip, headers: Record<string, string> = {}) => {
    const from = `+254${callers++}`;
    return { from, call: phone.invite({ user: nairobi, ...to, fromUser: from, headers }) };
  };
  const status = async (call: SipCall) => (await happens(call, "ended", 15_000))[0].status;
  const taken = (from: string) =>
    eventually(`the call from ${from}`, async () => {
      const { body } = await world.customer.ask("GET", `/v1/calls?number=${encodeURIComponent(from)}`);
      return body.data[0]?.id as string | undefined;
    });
  const joined = (id: string) =>
    world.customer.until(id, "the two joined", ({ events }) =>
      events.some(({ kind }) => kind === "leg.bridged"),
    );

  it("one comes in, is answered, and is ended by the caller", async () => {
    voice.answer("call.started", [{ getDigits: { numDigits: 1, timeout: 30 } }]);
    const { from, call } = callIn();
    await happens(call, "answered", 10_000);
    call.end({ q850: 16 });
    const done = await world.customer.ended(await taken(from));
    assert.deepEqual([done.status, done.legs[0]!.status], ["completed", "completed"]);
  });

  it("one comes in and is ended by us", async () => {
    voice.answer("call.started", [{ getDigits: { numDigits: 1, timeout: 1 } }, { hangup: {} }]);
    const { call } = callIn();
    const over = happens(call, "ended", 15_000);
    await happens(call, "answered", 10_000);
    assert.equal((await over)[0].by, "them");
  });

  it("one goes out and is ended by the callee, another by us", async () => {
    const ended = await world.customer.place({
      ...{ from: nairobi, to: numbers.hangsUpAfterThreeSeconds },
      actions: [{ wait: { seconds: 20 } }],
    });
    const waited = await world.customer.place({
      ...{ from: nairobi, to: "+254722000301" },
      actions: [{ wait: { seconds: 1 } }, { hangup: {} }],
    });
    const done = await world.customer.ended(ended);
    assert.equal(done.status, "completed");
    lastedThreeSeconds(done);
    assert.equal((await world.customer.ended(waited)).status, "completed");
    const carried = await world.carrier.calls();
    for (const [number, ender] of [
      [numbers.hangsUpAfterThreeSeconds, "carrier"],
      ["+254722000301", "caller"],
    ])
      assert.equal(carried.find((one) => one.number === number)?.ended_by, ender);
  });

  it("a caller is told by their network what we say: busy is 486, an unknown number 404", async () => {
    await world.store.write((tx) => tx.run("UPDATE workspaces SET concurrent_calls = 0"));
    assert.equal(await status(callIn().call), 486);
    await world.store.write((tx) => tx.run("UPDATE workspaces SET concurrent_calls = 1000"));
    const { call } = {
      call: phone.invite({ user: "+254200009999", ...edge.sip, fromUser: "+254736999999" }),
    };
    assert.equal(await status(call), 404);
  });

  it("what is changed in trunks.yaml counts at once; what is wrong there changes nothing", async () => {
    const file = world.env["TRUNKS_FILE"]!;
    const before = await readFile(file, "utf8");
    const told = async () => (await optionsOf())?.status;
    await writeFile(file, before.replaceAll("127.0.0.1/32", "192.0.2.7/32"));
    await eventually("403", async () => (await told()) === 403 || undefined);
    await writeFile(file, before);
    await eventually("200", async () => (await told()) === 200 || undefined);
    await writeFile(file, "trunks: [{name: [}]");
    await sleep(2_500);
    assert.equal(await told(), 200);
    await writeFile(file, before);
  });

  it("the metrics tell that drachtio-server is there, and what it was asked", async () => {
    const response = await fetch(`${world.customer.baseUrl}/metrics`);
    const text = await response.text();
    assert.match(text, /^sautikit_edge_connected 1$/m);
    assert.match(text, /^sautikit_edge_requests\{outcome="to_box"\} [1-9]/m);
    assert.match(text, /^sautikit_edge_requests\{outcome="stranger"\} [1-9]/m);
  });

  describe("who comes without the edge's leave", () => {
    const direct = (headers: Record<string, string> = {}) => callIn(world.switch.sip, headers);
    const ticketed = async (dialled: string, nowMs = Date.now()) => {
      const ticket = ids.bytes(24).toString("base64url");
      await world.store.write((tx) => issueTicket(tx, { ticket, trunk: "carrier", dialled, nowMs }));
      return { "X-Sautikit-Ticket": ticket };
    };

    it("is refused by the box: without a ticket, with a forged one, one that is over, or another number's", async () => {
      assert.equal(await status(direct().call), 403);
      assert.equal(await status(direct({ "X-Sautikit-Ticket": "forged" }).call), 403);
      assert.equal(await status(direct(await ticketed(nairobi, Date.now() - 31_000)).call), 403);
      assert.equal(await status(direct(await ticketed("+254200000002")).call), 403);
    });

    it("has one call for a ticket: the second is refused, and a refused one again as at first", async () => {
      voice.answer("call.started", [{ getDigits: { numDigits: 1, timeout: 30 } }]);
      const ticket = await ticketed(nairobi);
      const { from, call } = direct(ticket);
      await happens(call, "answered", 10_000);
      assert.equal(await status(direct(ticket).call), 503);
      call.end({ q850: 16 });
      await world.customer.ended(await taken(from));
      const unknown = await ticketed("+254200009999");
      for (let time = 0; time < 2; time++) {
        const to = { user: "+254200009999", ...world.switch.sip, fromUser: "+254736999998" };
        assert.equal(await status(phone.invite({ ...to, headers: unknown })), 404);
      }
    });

    it("is refused by the edge with a header of ours", async () => {
      assert.equal(await status(callIn(edge.sip, await ticketed(nairobi)).call), 403);
    });
  });

  describe("with the controller and the edge's application killed", () => {
    it("a call out that the callee ends costs what it lasted", async () => {
      const id = await world.customer.place({
        ...{ from: nairobi, to: "+254700000103", client_request_id: "survives" },
        actions: [{ wait: { seconds: 60 } }],
      });
      await world.customer.until(id, "its answer", ({ legs }) => legs[0]?.answered_at !== null);
      await world.killSautikit();
      await sleep(3_500);
      await world.startSautikit();
      const done = await world.customer.ended(id);
      assert.equal(done.status, "completed");
      lastedThreeSeconds(done);
    });

    it("a call in is held and taken back by the caller, and ends when they hang up, and so does the charge", async () => {
      voice.answer("call.started", [{ dial: { number: "+254722000302" } }]);
      await edgeIsThere();
      const { from, call } = callIn();
      await happens(call, "answered", 15_000);
      const id = await taken(from);
      const { legs } = await joined(id);
      await world.killSautikit();
      const reinvites = () => said.filter((line) => isAnswerToReinvite(line, call.callId)).length;
      call.changeDirection("sendonly");
      await eventually("an answer to the hold", () => reinvites() >= 1 || undefined);
      call.changeDirection("sendrecv");
      await eventually("an answer to the return", () => reinvites() >= 2 || undefined);
      const endedMs = Date.now();
      call.end({ q850: 16 });
      await sleep(500);
      await world.startSautikit();
      const done = await world.customer.ended(id);
      const callee = done.legs[1]!;
      const answeredMs = Date.parse(legs[1]!.answered_at!);
      const lasted = Math.ceil((endedMs - answeredMs) / 1000);
      assert.equal(done.status, "completed");
      assert.ok(Math.abs(callee.billed_seconds - lasted) <= 1, `${callee.billed_seconds}, not ${lasted}`);
    });

    it("a trunk that answered the box no OPTIONS meanwhile, since nobody passed them on, is called as soon as it is back", async () => {
      const { port, password } = world.switch.esl;
      const esl = await EslClient.login(port, password, "SHUTDOWN");
      await world.killSautikit();
      await eventually(
        "the box to call its trunk down",
        async () => /<status>DOWN</.test(await esl.api("sofia xmlstatus gateway")) || undefined,
        { withinMs: 20_000, everyMs: 200 },
      );
      esl.close();
      await world.startSautikit();
      const id = await world.customer.place({
        ...{ from: nairobi, to: numbers.hangsUpAfterThreeSeconds },
        actions: [{ wait: { seconds: 20 } }],
      });
      assert.equal((await world.customer.ended(id)).status, "completed");
    });

    it("has charged nothing twice, and told everything", async () => {
      await world.audit();
    });
  });
});

/** A second that has begun is charged; KES 3.00 a minute. */
function lastedThreeSeconds({ legs, cost_minor: cost }: ApiCall): void {
  const { billed_seconds: billed } = legs[0]!;
  assert.ok(billed === 3 || billed === 4, String(billed));
  assert.equal(cost, billed * 5);
}

const isAnswerToReinvite = (line: string, callId: string): boolean =>
  line.startsWith("received") &&
  line.includes("SIP/2.0 200 ") &&
  line.includes(callId) &&
  /^CSeq: [2-9]\d* INVITE/im.test(line);
