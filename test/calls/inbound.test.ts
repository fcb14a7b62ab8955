import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { systemClock } from "../../engine/clock.ts";
import { callTotals } from "../../engine/store/call-lists.ts";
import type { PlacedCallView } from "../peers/carrier-process.ts";
import { describeOnSwitch } from "../peers/switch-under-test.ts";
import { inboundWorld, somebody, type InboundWorld } from "./inbound-world.ts";
import { eventOf, kindsOf, nairobi } from "./world.ts";

const otieno = "+254700000002";
const hangsUpAfterThreeSeconds = "+254700000103";
/** The prompt's notes. */
const heardPrompt = ({ heard }: PlacedCallView) =>
  heard.some(({ hz }) => hz !== null && [523, 659, 784].some((note) => Math.abs(hz - note) < 10));

describeOnSwitch("an inbound call", function () {
  this.timeout(60_000);
  let on: InboundWorld;
  beforeEach(async () => {
    on = await inboundWorld();
  });
  afterEach(() => on.end());

  it("is heard unanswered and unbilled, then answered by the first action that needs it, and costs nothing", async () => {
    on.voice.answer("call.started", [
      { play: { url: on.promptUrl } },
      { getDigits: { numDigits: 2, timeout: 10 } },
    ]);
    on.voice.answer("call.digits", [{ hangup: {} }]);
    const { from, caller, taken } = await on.callIn({ digits: "42" });
    const call = await on.ended(await taken());

    const seen = await caller(({ ended_at }) => ended_at !== null);
    assert.ok(seen.ringing_at !== null && seen.early_media_at !== null && seen.answered_at !== null);
    assert.ok(seen.ringing_at <= seen.early_media_at && seen.early_media_at < seen.answered_at);
    assert.ok(heardPrompt(seen), JSON.stringify(seen.heard));
    const order = kindsOf(call);
    assert.ok(order.indexOf("play.finished") < order.indexOf("leg.answered"));

    const [started, digits] = on.voice.asked.map(({ body }) => body);
    assert.deepEqual([started?.kind, started?.From, started?.To], ["call.started", from, nairobi]);
    assert.deepEqual([started?.data?.["direction"], started?.data?.["status"]], ["inbound", "initiated"]);
    assert.deepEqual([digits?.kind, digits?.Digits], ["call.digits", "42"]);
    assert.equal(on.voice.asked.length, 2, "nothing else is asked");

    assert.deepEqual(
      [call.direction, call.from, call.to, call.local_e164, call.remote_e164, call.country],
      ["inbound", from, nairobi, nairobi, from, "KE"],
    );
    assert.deepEqual([call.status, call.cost_minor, call.legs[0]!.cost_minor], ["completed", 0, 0]);
    assert.equal(call.legs[0]!.billed_seconds, call.duration_seconds);
    assert.ok(call.duration_seconds > 0);
    assert.deepEqual(
      kindsOf(call).filter((kind) => /^leg|^call/.test(kind)),
      [
        ...["call.started", "leg.ringing", "leg.answered", "call.answered"],
        ...["call.digits", "leg.ended", "call.completed"],
      ],
    );
  });

  const refusals = [
    ["reject", [{ reject: {} }], 603, "failed", "rejected"],
    ["reject with reason busy", [{ reject: { reason: "busy" } }], 486, "busy", "busy"],
    ["hangup", [{ hangup: {} }], 603, "failed", "rejected"],
    ["OK", { text: "OK" }, 603, "failed", "rejected"],
    ["a web page", { text: "<html></html>" }, 603, "failed", "rejected"],
    ["no valid document", { actions: [{ sing: {} }] }, 503, "failed", "voice_url_failed"],
  ] as const;
  for (const [name, answer, sipStatus, status, failureCode] of refusals) {
    it(`answered with ${name} is refused with ${sipStatus}`, async () => {
      on.voice.answer("call.started", answer);
      const { caller, taken } = await on.callIn();
      const call = await on.ended(await taken());
      assert.equal((await caller(({ ended_at }) => ended_at !== null)).status, sipStatus);
      assert.deepEqual([call.status, call.failure_code, call.answered_at], [status, failureCode, null]);
    });
  }

  it("that hears a prompt and nothing more is refused when the document ends", async () => {
    on.voice.answer("call.started", [{ play: { url: on.promptUrl } }]);
    const { caller, taken } = await on.callIn();
    const call = await on.ended(await taken());
    const seen = await caller(({ ended_at }) => ended_at !== null);
    assert.deepEqual([seen.status, seen.answered_at], [603, null]);
    assert.ok(heardPrompt(seen), JSON.stringify(seen.heard));
    assert.deepEqual([call.status, call.cost_minor], ["failed", 0]);
    eventOf(call, "document.ended");
  });

  it("asks once more and then the fallback URL; where nobody answers the caller is refused with 503", async () => {
    on.voice.answer("call.started", { status: 500 });
    const { caller, taken } = await on.callIn();
    const call = await on.ended(await taken());
    assert.equal((await caller(({ ended_at }) => ended_at !== null)).status, 503);
    assert.deepEqual([call.status, call.failure_code], ["failed", "voice_url_failed"]);
    // They hear why, unanswered.
    eventOf(call, "say.finished");
    assert.equal(call.answered_at, null);
    const tries = call.events.filter(({ kind }) => kind === "voice_url.failed");
    assert.deepEqual(
      tries.map(({ payload }) => payload["url"]),
      [on.voice.url(), on.voice.url(), on.voice.url("/fallback")],
    );
  });

  it("goes on with the document of the fallback URL", async () => {
    on.voice.answer("call.started", { status: 500 });
    on.voice.answer("/fallback call.started", [{ reject: { reason: "busy" } }]);
    const { caller, taken } = await on.callIn();
    await on.ended(await taken());
    assert.equal((await caller(({ ended_at }) => ended_at !== null)).status, 486);
  });

  it("to a number without a voice URL is refused with 480", async () => {
    await on.store.write((tx) => tx.run("UPDATE numbers SET voice_callback_url = NULL"));
    const { caller, taken } = await on.callIn();
    const call = await on.ended(await taken());
    assert.equal((await caller(({ ended_at }) => ended_at !== null)).status, 480);
    assert.deepEqual([call.status, call.failure_code], ["failed", "voice_url_failed"]);
  });

  const notTaken = [
    ["a number that nobody has", { to: "+254200999999" }, "", 404],
    ["what is no number", { to: "mallory" }, "", 404],
    ["a suspended number", {}, "UPDATE numbers SET status = 'suspended'", 480],
    ["a frozen workspace", {}, "UPDATE workspaces SET frozen_at_ms = 1", 603],
    ["a workspace with all its calls under way", {}, "UPDATE workspaces SET concurrent_calls = 0", 486],
  ] as const;
  for (const [whom, more, sql, status] of notTaken) {
    it(`to ${whom} is refused with ${status}, and nothing is kept of it`, async () => {
      if (sql !== "") await on.store.write((tx) => tx.run(sql));
      const { caller } = await on.callIn(more);
      assert.equal((await caller(({ ended_at }) => ended_at !== null)).status, status);
      assert.equal((await on.store.read((tx) => tx.all("SELECT id FROM calls"))).length, 0);
      // The switch would have written a record by then, and the spool have set it aside.
      await systemClock.sleep(1_000);
      for (const folder of ["cdr", "unclaimed"]) {
        const files = await readdir(`${on.peer.spoolDir}/${folder}`).catch(() => []);
        assert.deepEqual(files, [], folder);
      }
      assert.deepEqual(on.voice.asked, []);
    });
  }

  it("has the caller's number however their network writes it, or none", async () => {
    on.voice.answer("call.started", [{ reject: {} }]);
    for (const [to, from, expected] of [
      ["254200000001", "0733100001", "+254733100001"],
      ["0200000001", "254733100002", "+254733100002"],
      ["00254200000001", "00447911123456", "+447911123456"],
      [nairobi, "+25473", "anonymous"],
      [nairobi, "Wanjiru", "anonymous"],
    ] as const) {
      const before = on.voice.asked.length;
      const { caller } = await on.callIn({ to, from });
      await caller(({ ended_at }) => ended_at !== null);
      const question = on.voice.asked[before]?.body;
      assert.deepEqual([question?.From, question?.To], [expected, nairobi], `${from} to ${to}`);
      await on.ended(question!.CallId as never);
    }
  });

  it("that its caller gives up while it rings is a missed one", async () => {
    on.voice.answer("call.started", [{ wait: { seconds: 60 } }]);
    const { caller, hangUp, taken } = await on.callIn();
    const id = await taken();
    await on.event(id, "action.started");
    assert.equal((await caller()).answered_at, null);
    await hangUp();
    const call = await on.ended(id);
    assert.deepEqual(
      [call.status, call.failure_code, call.hangup_cause],
      ["canceled", "canceled", "originator_cancel"],
    );
    const span = { sinceMs: 0, bucketMs: 86_400_000, offsetMs: 0 };
    const [totals] = await on.store.read((tx) => callTotals(tx, on.home, span));
    assert.deepEqual([totals?.total, totals?.inbound, totals?.missed, totals?.failed], [1, 1, 1, 0]);
  });

  it("that its caller leaves in the middle of a prompt is over, unanswered or not", async () => {
    on.voice.answer("call.started", [{ play: { url: on.promptUrl, loop: 20 } }]);
    const early = await on.callIn();
    await on.event(await early.taken(), "play.started");
    await early.caller(({ early_media_at }) => early_media_at !== null);
    await early.hangUp();
    assert.equal((await on.ended(await early.taken())).status, "canceled");

    on.voice.answer("call.started", [{ getDigits: { nested: [{ play: { url: on.promptUrl, loop: 20 } }] } }]);
    const talking = await on.callIn();
    await on.event(await talking.taken(), "play.started");
    await talking.hangUp();
    const call = await on.ended(await talking.taken());
    assert.deepEqual([call.status, call.hangup_cause], ["completed", "normal_clearing"]);
  });

  it("is joined to whom it dials, under our own number, and ends with its caller", async () => {
    on.voice.answer("call.started", [{ dial: { number: otieno } }]);
    const { caller, hangUp, taken } = await on.callIn();
    const id = await taken();
    await on.event(id, "leg.bridged");
    await caller(({ heard }) => heard.some(({ hz }) => hz !== null && Math.abs(hz - 880) < 10));
    const dialled = await on.carrier.callFrom(nairobi, ({ heard }) => heard.some(({ hz }) => hz === 440));
    assert.equal(dialled.number, otieno);
    await hangUp();
    const call = await on.ended(id);
    assert.equal(
      (await on.carrier.callFrom(nairobi, ({ ended_at }) => ended_at !== null)).ended_by,
      "caller",
    );
    assert.deepEqual(
      call.legs.map(({ status, cost_minor }) => [status, cost_minor > 0]),
      [
        ["completed", false],
        ["completed", true],
      ],
    );
  });

  it("goes on when whom it dialled hangs up, and asks what comes next", async () => {
    on.voice.answer("call.started", [{ dial: { number: hangsUpAfterThreeSeconds } }]);
    on.voice.answer("call.dial_completed", [{ play: { url: on.promptUrl } }]);
    const { from, caller, taken } = await on.callIn();
    const call = await on.ended(await taken());
    const { body: question } = await on.voice.questionFrom(from, "call.dial_completed");
    assert.equal(question.data?.["dial_status"], "completed");
    eventOf(call, "play.finished");
    const seen = await caller(({ ended_at }) => ended_at !== null);
    assert.equal(seen.ended_by, "callee");
  });

  it("is refused where the API hangs it up while it rings", async () => {
    on.voice.answer("call.started", [{ wait: { seconds: 60 } }]);
    const { caller, taken } = await on.callIn();
    const id = await taken();
    await on.event(id, "action.started");
    await on.hangUp(id);
    const call = await on.ended(id);
    assert.equal((await caller(({ ended_at }) => ended_at !== null)).status, 603);
    assert.deepEqual([call.status, call.failure_code], ["failed", "rejected"]);
  });

  it("takes a place among the workspace's calls", async () => {
    on.voice.answer("call.started", [{ wait: { seconds: 60 } }]);
    await on.store.write((tx) => tx.run("UPDATE workspaces SET concurrent_calls = 1"));
    const first = await on.callIn();
    await on.event(await first.taken(), "action.started");
    await assert.rejects(on.place({ to: otieno }), /may have 1 calls at once/);
    const second = await on.callIn({ from: somebody() });
    assert.equal((await second.caller(({ ended_at }) => ended_at !== null)).status, 486);
    await first.hangUp();
    await on.ended(await first.taken());
  });
});
