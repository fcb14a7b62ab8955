import { strict as assert } from "node:assert";
import { existsSync } from "node:fs";
import { systemClock } from "../../../engine/clock.ts";
import { createSipAgent } from "../../../engine/simulator/sip/agent.ts";
import { dial, openBox, parkedLeg, type Box } from "./box.ts";

describe("calls through the simulated switch", () => {
  let box: Box;
  beforeEach(async () => {
    box = await openBox();
  });
  afterEach(() => box.close());
  const originate = (target: string, application = "&park()") =>
    box.client.api(`originate ${target} ${application}`);

  for (const [number, cause, q850, status] of [
    ["busy", "USER_BUSY", "17", "486"],
    ["unknown", "UNALLOCATED_NUMBER", "1", "404"],
    ["declines", "CALL_REJECTED", "21", "603"],
  ] as const) {
    it(`a number that ${number === "unknown" ? "is unknown" : number === "busy" ? "is busy" : number} ends ${cause}`, async () => {
      assert.equal(await originate(`{origination_uuid=A}sofia/gateway/carrier/${number}`), `-ERR ${cause}\n`);
      const event = await box.client.event("CHANNEL_HANGUP_COMPLETE", "A");
      assert.equal(event["variable_hangup_cause"], cause);
      assert.equal(event["variable_hangup_cause_q850"], q850);
      assert.equal(event["variable_sip_term_status"], status);
      assert.equal(event["variable_answer_uepoch"], "0");
    });
  }

  it("names the first branch's cause when all fail", async () => {
    const reply = await originate(
      "{ignore_early_media=true}[origination_uuid=A]sofia/gateway/carrier/unknown,[origination_uuid=B]sofia/gateway/carrier/busy",
    );
    assert.equal(reply, "-ERR UNALLOCATED_NUMBER\n");
  });

  it("of several that answer within 20 ms keeps the one written first; the others have an answer and lose", async () => {
    const branches = ["A", "B", "C"].map((leg) => `[origination_uuid=${leg}]sofia/gateway/carrier/answer440`);
    assert.equal(await originate(`{ignore_early_media=true}${branches.join(",")}`), "+OK A\n");
    for (const leg of ["B", "C"]) {
      const event = await box.client.event("CHANNEL_HANGUP_COMPLETE", leg);
      assert.equal(event["variable_hangup_cause"], "LOSE_RACE");
      assert.notEqual(event["variable_answer_uepoch"], "0");
      assert.equal(box.endRecord(leg).variables["sip_hangup_disposition"], "send_bye");
    }
    await box.client.event("CHANNEL_PARK", "A");
  });

  it("refuses what cannot be dialled, in the real switch's words", async () => {
    await parkedLeg(box, "A", "silent");
    for (const [target, reply] of [
      ["{origination_uuid=A}sofia/gateway/carrier/silent", "-ERR DESTINATION_OUT_OF_ORDER\n"],
      ["{}sofia/gateway/none/1", "-ERR INVALID_GATEWAY\n"],
      ["{}nosuch/1", "-ERR CHAN_NOT_IMPLEMENTED\n"],
      ["{}user/1", "-ERR SUBSCRIBER_ABSENT\n"],
      ["{zz=a b}sofia/gateway/carrier/silent", "-ERR DESTINATION_OUT_OF_ORDER\n"],
    ] as const) {
      assert.equal(await originate(target), reply, target);
    }
  });

  it("gives up at the whole second: NO_ANSWER, and CANCEL to the far end", async () => {
    const startedS = Math.floor(Date.now() / 1000);
    const reply = await originate(
      "{origination_uuid=A,ignore_early_media=true,originate_timeout=1}sofia/gateway/carrier/rings",
    );
    assert.equal(reply, "-ERR NO_ANSWER\n");
    assert.equal(Math.floor(Date.now() / 1000), startedS + 1);
    const event = await box.client.event("CHANNEL_HANGUP_COMPLETE", "A");
    assert.equal(event["variable_sip_hangup_disposition"], "send_cancel");
    assert.notEqual(event["Caller-Channel-Progress-Time"], "0");
  });

  it("a killed leg is gone for commands at once, and its record is there before its last event", async () => {
    await parkedLeg(box, "A", "silent", ",presence_data=leg_A");
    let recordAtEvent = false;
    box.client.socket.prependListener("data", (chunk: Buffer) => {
      if (chunk.includes("HANGUP_COMPLETE")) recordAtEvent = existsSync(`${box.folder}/cdr/A.cdr.json`);
    });
    await box.client.api("uuid_kill A ALLOTTED_TIMEOUT");
    assert.equal(await box.client.api("uuid_exists A"), "false");
    const event = await box.client.event("CHANNEL_HANGUP_COMPLETE", "A");
    assert.ok(recordAtEvent);
    const { text, variables, times } = box.endRecord("A");
    assert.ok(text.endsWith("}\n"));
    assert.equal(variables["presence_data"], "leg_A");
    for (const name of [
      "start_uepoch",
      "answer_uepoch",
      "end_uepoch",
      "hangup_cause",
      "billusec",
      "rtp_audio_in_mos",
    ]) {
      assert.equal(variables[name], event[`variable_${name}`], name);
    }
    assert.equal(times["answered_time"], event["Caller-Channel-Answered-Time"]);
    assert.equal(times["hangup_time"], event["Caller-Channel-Hangup-Time"]);
    assert.equal(variables["hangup_cause"], "ALLOTTED_TIMEOUT");
  });

  it("an unknown cause silently becomes NORMAL_CLEARING", async () => {
    await parkedLeg(box, "A", "silent");
    await box.client.api("uuid_kill A alloted_timeout");
    assert.equal((await box.client.event("CHANNEL_HANGUP", "A"))["Hangup-Cause"], "NORMAL_CLEARING");
  });

  it("B is answered and cleared at once when A is gone meanwhile", async () => {
    await parkedLeg(box, "A", "silent");
    await dial(
      box,
      "{ignore_early_media=true}[origination_uuid=B]sofia/gateway/carrier/ringsThenAnswers900 &intercept(A)",
    );
    await box.client.event("CHANNEL_PROGRESS", "B");
    await box.client.api("uuid_kill A");
    const event = await box.client.event("CHANNEL_HANGUP_COMPLETE", "B");
    assert.equal(event["Hangup-Cause"], "NORMAL_CLEARING");
    assert.ok(Number(event["variable_billusec"]) <= 40_000);
  });

  it("intercept takes a bridged leg, whose party ends PICKED_OFF", async () => {
    await parkedLeg(box, "A", "silent");
    await parkedLeg(box, "C", "silent");
    await box.client.api("uuid_bridge A C");
    await box.client.event("CHANNEL_BRIDGE", "A");
    await originate(
      "{ignore_early_media=true}[origination_uuid=B]sofia/gateway/carrier/answer900",
      "&intercept(A)",
    );
    await box.client.event("CHANNEL_BRIDGE", "B");
    assert.equal((await box.client.event("CHANNEL_HANGUP", "C"))["Hangup-Cause"], "PICKED_OFF");
    assert.equal(await box.client.api("uuid_exists A"), "true");
  });

  it("uuid_bridge to a leg that only rings kills both", async () => {
    await parkedLeg(box, "A", "silent");
    await dial(box, "{ignore_early_media=true}[origination_uuid=B]sofia/gateway/carrier/rings &park()");
    await box.client.event("CHANNEL_PROGRESS", "B");
    assert.equal(await box.client.api("uuid_bridge A B"), "+OK B\n");
    assert.equal((await box.client.event("CHANNEL_HANGUP", "B"))["Hangup-Cause"], "DESTINATION_OUT_OF_ORDER");
    assert.equal((await box.client.event("CHANNEL_HANGUP", "A"))["Hangup-Cause"], "ORIGINATOR_CANCEL");
  });

  it("park_after_bridge keeps a leg at the end of every bridge, and api_after_bridge is run", async () => {
    await parkedLeg(
      box,
      "A",
      "answer440",
      ",park_after_bridge=true,api_after_bridge='sched_api +30 idle-A uuid_kill A'",
    );
    for (const leg of ["B", "C"]) {
      await parkedLeg(box, leg, "silent");
      await box.client.api(`uuid_bridge ${leg} A`);
      await box.client.event("CHANNEL_BRIDGE", leg);
      assert.equal(await box.client.api("uuid_getvar A bridge_to"), leg);
      box.calls.get("silent")!.end();
      await box.client.event("CHANNEL_UNBRIDGE", leg);
      assert.equal(await box.client.api("uuid_exists A"), "true");
      assert.equal(await box.client.api("uuid_getvar A bridge_to"), "_undef_");
      assert.equal(await box.client.api("sched_del idle-A"), "+OK Deleted: 1\n");
    }
  });

  it("park_timeout ends the stay, and is used up with park_after_bridge", async () => {
    await parkedLeg(box, "A", "answer440");
    await parkedLeg(box, "B", "silent");
    await box.client.api("uuid_setvar A park_after_bridge true");
    await box.client.api("uuid_setvar A park_timeout 1:ALLOTTED_TIMEOUT");
    await box.client.api("uuid_bridge A B");
    await box.client.event("CHANNEL_BRIDGE", "A");
    await box.client.api("uuid_kill B");
    await box.client.event("CHANNEL_UNBRIDGE", "A");
    assert.equal(await box.client.api("uuid_getvar A park_timeout"), "_undef_");
    assert.equal(await box.client.api("uuid_getvar A park_after_bridge"), "_undef_");
    assert.equal((await box.client.event("CHANNEL_HANGUP", "A"))["Hangup-Cause"], "ALLOTTED_TIMEOUT");
  });

  it("a ring timer armed at the originate ends a leg that nobody answers", async () => {
    await dial(
      box,
      "{ignore_early_media=true}[origination_uuid=A,api_on_originate='sched_api +1 ring-A uuid_kill A NO_ANSWER',api_on_answer='sched_del ring-A']sofia/gateway/carrier/rings &park()",
    );
    assert.equal((await box.client.event("CHANNEL_HANGUP", "A"))["Hangup-Cause"], "NO_ANSWER");
    assert.equal((await box.client.event("BACKGROUND_JOB"))["_body"], "-ERR NO_ANSWER\n");
  });

  it("a cut-off armed at the answer ends the leg without a client", async () => {
    await box.client.api(
      "originate {ignore_early_media=true}[origination_uuid=A,api_on_answer='sched_api +1 cut-A uuid_kill A ALLOTTED_TIMEOUT']sofia/gateway/carrier/silent &park()",
    );
    assert.equal((await box.client.event("CHANNEL_HANGUP", "A"))["Hangup-Cause"], "ALLOTTED_TIMEOUT");
  });

  it("lists channels a moment late, with our id in presence_data", async () => {
    await parkedLeg(box, "A", "silent", ",presence_data=leg_A");
    assert.equal(await box.client.api("show channels as json"), '{"row_count": 0}\n');
    let listing = { row_count: 0, rows: [] as Record<string, string>[] };
    while (listing.row_count === 0 || listing.rows[0]?.["callstate"] !== "ACTIVE") {
      await systemClock.sleep(50);
      listing = JSON.parse(await box.client.api("show channels as json"));
    }
    const { uuid, presence_data, application } = listing.rows[0];
    assert.deepEqual(
      { uuid, presence_data, application },
      { uuid: "A", presence_data: "leg_A", application: "park" },
    );
    assert.equal(await box.client.api("show channels count"), "\n1 total.\n");
  });

  it("an inbound call is parked unanswered, can be adopted, answered and hung up", async () => {
    const caller = await createSipAgent({ host: "127.0.0.1", port: 0, clock: systemClock });
    try {
      const call = caller.invite({
        user: "+254200000001",
        host: "127.0.0.1",
        port: box.simulated.sipPort,
        fromUser: "+254722000001",
        headers: { "X-Sautikit-Ticket": "t1" },
      });
      const ended = new Promise((resolve) => call.on("ended", resolve));
      const parked = await box.client.event("CHANNEL_PARK");
      const uuid = parked["Unique-ID"]!;
      assert.equal(parked["Answer-State"], "ringing");
      assert.equal(parked["Channel-Call-State"], "RINGING");
      assert.equal(parked["Caller-Destination-Number"], "+254200000001");
      assert.equal(parked["variable_sip_h_X-Sautikit-Ticket"], "t1");
      assert.equal(await box.client.api(`sched_del ${uuid}`), "+OK Deleted: 1\n");
      assert.equal(await box.client.api(`uuid_answer ${uuid}`), "+OK\n");
      await box.client.event("CHANNEL_ANSWER", uuid);
      await box.client.api(`uuid_kill ${uuid}`);
      await ended;
      await box.client.event("CHANNEL_HANGUP_COMPLETE", uuid);
    } finally {
      await caller.close();
    }
  });

  it("close() is as SIGTERM: BYE to all, every record, a last event", async () => {
    await parkedLeg(box, "A", "silent");
    const ended = new Promise((resolve) => box.calls.get("silent")!.on("ended", resolve));
    await Promise.all([box.simulated.close(), ended]);
    assert.equal(box.endRecord("A").variables["hangup_cause"], "SYSTEM_SHUTDOWN");
    assert.ok(box.client.events.some((event) => event["Event-Name"] === "SHUTDOWN"));
  });
});
