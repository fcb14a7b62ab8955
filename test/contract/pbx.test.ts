import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { systemClock } from "../../engine/clock.ts";
import { toneSource } from "../../engine/simulator/media/tone.ts";
import { createSipAgent } from "../../engine/simulator/sip/agent.ts";
import type { IncomingSipCall, SipAgent, SipCall } from "../../engine/simulator/sip/call.ts";
import { trunkGateways } from "../../engine/store/trunks.ts";
import { startEdgeUnderTest, type EdgeUnderTest } from "../peers/edge-under-test.ts";
import { describeOnSwitch } from "../peers/switch-under-test.ts";
import { VoiceServer } from "../peers/voice-server.ts";
import { eventually } from "../peers/waiting.ts";
import { happens } from "../simulator/sip/agents.ts";
import { nairobi, TestWorld } from "../world/world.ts";
import { hears } from "./hears.ts";
import { numbers } from "./world.ts";

const office = "127.0.0.7";
const stranger = "127.0.0.8";
/** Of its own numbers, one; who dials the others goes over the carrier. */
const desk = "+254709000001";

for (const via of ["switch", "edge"] as const) {
  const way = via === "edge" ? "by way of the edge" : "without an edge";
  describeOnSwitch(`a PBX with a fixed address, ${way}`, function () {
    this.timeout(60_000);
    let edge: EdgeUnderTest | undefined;
    let world: TestWorld;
    let voice: VoiceServer;
    let pbx: SipAgent;
    const ringing: IncomingSipCall[] = [];
    const said: string[] = [];
    const agents: SipAgent[] = [];

    const agentAt = async (host: string, port = 0): Promise<SipAgent> => {
      const log = (line: string) => void said.push(line);
      const agent = await createSipAgent({ host, port, clock: systemClock, log });
      agents.push(agent);
      return agent;
    };
    before(async () => {
      if (via === "edge") edge = await startEdgeUnderTest();
      world = await TestWorld.start({}, undefined, edge ? { edge } : {});
      world.witnesses.callsIn = true;
      voice = await VoiceServer.open();
      await world.store.write((tx) =>
        tx.run("UPDATE numbers SET voice_callback_url = ?, events_url = ?", [voice.url(), world.inbox.url]),
      );
      pbx = await agentAt(office);
      pbx.onInvite((call) => {
        call.ring();
        ringing.push(call);
      });
      const { host, port } = world.carrier;
      const trunks = [
        { name: "safari", host, port, via, addresses: [`${host}/32`] },
        { name: "head-office-pbx", host: office, port: pbx.port, via, prefixes: ["254709"] },
      ].map((trunk) => ({ ...trunk, ping_seconds: 5 }));
      await writeFile(
        world.env["TRUNKS_FILE"] ?? join(world.env["DATA_DIR"]!, "trunks.yaml"),
        JSON.stringify({ trunks }),
      );
      await eventually(
        "both trunks to answer",
        async () => {
          const rows = await world.store.read(trunkGateways);
          return (rows.length === 2 && rows.every(({ up }) => up === 1)) || undefined;
        },
        { withinMs: 30_000 },
      );
    });
    after(async () => {
      for (const agent of agents) await agent.close();
      await world.end();
      await edge?.stop();
      await voice.close();
    });

    const called = () => eventually("a call to the PBX", () => ringing.shift());
    const callFrom = (agent: SipAgent, from: string): SipCall => {
      const { host, port } = edge?.sip ?? world.switch.sip;
      return agent.invite({ user: nairobi, host, port, fromUser: from });
    };
    const within = (what: string, done: Promise<void>) =>
      Promise.race([
        done,
        sleep(10_000, undefined, { ref: false }).then(() => assert.fail(`${what}: not within 10 s`)),
      ]);
    const latestWith = (number: string) =>
      eventually(`the call with ${number}`, async () => {
        const { body } = await world.customer.ask("GET", `/v1/calls?number=${encodeURIComponent(number)}`);
        return (body.data as { id: string }[])[0]?.id;
      });

    it("is called on its own numbers, hears and is heard, and hangs up; its trunk carried the leg, which is charged", async () => {
      const id = await world.customer.place({
        ...{ from: nairobi, to: numbers.answers440 },
        actions: [{ dial: { number: desk } }, { hangup: {} }],
      });
      const call = await called();
      assert.deepEqual([call.toUser, call.fromUser], [desk, nairobi]);
      call.answer();
      await happens(call, "answered");
      call.media!.setSource(toneSource({ hz: 660 }));
      await within("the other party's tone", hears(call, 440));
      await sleep(2_000);
      call.end();
      const done = await world.customer.ended(id);
      const leg = done.legs[1]!;
      assert.deepEqual(
        [done.status, leg.attempts.map(({ trunk }) => trunk), leg.cost_minor > 0],
        ["completed", ["head-office-pbx"], true],
      );
      const carried = (await world.carrier.calls()).find(({ number }) => number === numbers.answers440);
      assert.ok(carried!.heard.some(({ hz }) => hz !== null && Math.abs(hz - 660) < 15));
    });

    it("is told by 486 of its own that it is busy", async () => {
      const id = await world.customer.place({ from: nairobi, to: desk });
      (await called()).reject(486);
      const done = await world.customer.ended(id);
      assert.deepEqual([done.status, done.failure_code, done.cost_minor], ["busy", "busy", 0]);
    });

    it("calls in without a login, several at once, is put through with sound both ways, and holds", async () => {
      // What it says comes back to it.
      voice.answer("call.started", [{ dial: { number: "+254700000005" } }]);
      const from = ["+254709000011", "+254709000012"];
      const calls = from.map((number) => callFrom(pbx, number));
      await Promise.all(calls.map((call) => happens(call, "answered", 10_000)));
      for (const [index, call] of calls.entries()) {
        call.media!.setSource(toneSource({ hz: 660 + index * 220 }));
        await within("its own tone", hears(call, 660 + index * 220));
      }
      const [first] = calls;
      const answersToReinvites = () =>
        said.filter(
          (line) =>
            line.startsWith("received") &&
            line.includes("SIP/2.0 200 ") &&
            line.includes(first!.callId) &&
            /^CSeq: [2-9]\d* INVITE/im.test(line),
        ).length;
      first!.changeDirection("sendonly");
      await eventually("an answer to the hold", () => answersToReinvites() >= 1 || undefined);
      first!.changeDirection("sendrecv");
      await eventually("an answer to the return", () => answersToReinvites() >= 2 || undefined);
      await within("its own tone again", hears(first!, 660));
      for (const call of calls) call.end({ q850: 16 });
      for (const number of from)
        assert.equal((await world.customer.ended(await latestWith(number))).status, "completed");
    });

    it("is known by its address alone: the same call from another is refused, and is no call", async () => {
      const call = callFrom(await agentAt(stranger), "+254709000013");
      const [{ status }] = await happens(call, "ended", 10_000);
      assert.equal(status, 403);
      const { body } = await world.customer.ask("GET", "/v1/calls?number=%2B254709000013");
      assert.deepEqual(body.data, []);
      await world.audit();
    });
  });
}
