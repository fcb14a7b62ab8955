import assert from "node:assert/strict";
import { systemClock } from "../../engine/clock.ts";
import { sideBySide } from "../peers/side-by-side.ts";
import { describeOnSwitch } from "../peers/switch-under-test.ts";
import { eventually } from "../peers/waiting.ts";
import { inboundWorld, type InboundWorld } from "./inbound-world.ts";
import { interferedBox, noAnswer, type Interference } from "./interfered-box.ts";
import { eventOf, kindsOf, type SeenCall, type WorldOptions } from "./world.ts";

const otieno = "+254700000002";

/** Tests side by side, each with a world of its own, which is gone with it. */
function testsWithWorlds<Options extends unknown[]>(
  openWorld: (...options: Options) => Promise<InboundWorld>,
) {
  const together = sideBySide(3);
  return (title: string, body: (open: typeof openWorld) => Promise<void>) => {
    together(title, async () => {
      let on: InboundWorld | undefined;
      try {
        await body(async (...options) => (on = await openWorld(...options)));
      } finally {
        await on?.end();
      }
    });
  };
}

describeOnSwitch("an inbound call whose controller goes", function () {
  this.timeout(60_000);
  const test = testsWithWorlds(async (options: WorldOptions = {}) => {
    const on = await inboundWorld(options);
    on.voice.answer("call.digits", [{ hangup: {} }]);
    return on;
  });

  test("before it took the call in, is taken in by the next one, who finds it waiting", async (open) => {
    const on = await open({ controller: false });
    on.voice.answer("call.started", [{ getDigits: { numDigits: 1, timeout: 10 } }]);
    const { from, caller, taken } = await on.callIn({ digits: "7" });
    await systemClock.sleep(1_500);
    assert.equal(await on.callFrom(from), undefined);
    await on.control();
    const call = await on.ended(await taken());
    assert.equal(eventOf(call, "call.digits").payload["digits"], "7");
    assert.ok((await caller(({ ended_at }) => ended_at !== null)).answered_at !== null);
    assert.equal(on.voice.of("call.started").length, 1);
  });

  test("and whose next one comes in the same moment as the call, is taken in though the listing lags", async (open) => {
    const on = await open({ controller: false });
    on.voice.answer("call.started", [{ reject: { reason: "busy" } }]);
    const { caller, taken } = await on.callIn();
    // It waits, and nobody is told any more; the list has it half a second later.
    await systemClock.sleep(150);
    await on.control();
    await on.ended(await taken());
    assert.equal((await caller(({ ended_at }) => ended_at !== null)).status, 486);
  });

  test("while it rings, goes on with its document under the next one", async (open) => {
    const on = await open();
    on.voice.answer("call.started", [{ wait: { seconds: 4 } }, { getDigits: { numDigits: 1, timeout: 10 } }]);
    const { caller, taken } = await on.callIn({ digits: "8" });
    const id = await taken();
    await on.event(id, "action.started");
    await on.stopController();
    await systemClock.sleep(1_000);
    assert.equal((await caller()).answered_at, null);
    await on.control();
    const call = await on.ended(id);
    assert.equal(eventOf(call, "call.digits").payload["digits"], "8");
    assert.deepEqual(eventOf(call, "leg.reconciled").payload["action"], "adopted");
  });

  test("while it rings, and whose caller gives up meanwhile, is over by its record", async (open) => {
    const on = await open();
    on.voice.answer("call.started", [{ wait: { seconds: 60 } }]);
    const { hangUp, taken } = await on.callIn();
    const id = await taken();
    await on.event(id, "action.started");
    await on.stopController();
    await hangUp();
    const call = await on.ended(id);
    assert.equal(call.status, "canceled");
    assert.equal(eventOf(call, "leg.ended").payload["known_by"], "end_record");
    await on.control();
  });

  test("after the answer, goes on, is joined to whom it dials, and is over for both", async (open) => {
    const on = await open();
    on.voice.answer("call.started", [
      { getDigits: { numDigits: 1, timeout: 30 } },
      { dial: { number: otieno } },
    ]);
    on.voice.answer("call.digits", [{ dial: { number: otieno } }]);
    const { caller, hangUp, taken } = await on.callIn({ digits: "9", digits_after_ms: 5_000 });
    const id = await taken();
    await on.event(id, "call.answered");
    await on.stopController();
    await on.control();
    await on.event(id, "leg.bridged");
    await caller(({ heard }) => heard.some(({ hz }) => hz !== null && Math.abs(hz - 880) < 10));
    await hangUp();
    const call = await on.ended(id);
    assert.deepEqual(
      call.legs.map(({ status }) => status),
      ["completed", "completed"],
    );
  });
});

/** Whoever answers dies with the word of it. */
const answerUnheard: Interference = {
  event: (event, tell) => {
    if (event.kind !== "answered") tell();
  },
  question: async (question, _, ask) => {
    const said = await ask();
    return question === "answer" ? false : said;
  },
};

describeOnSwitch("an inbound call through a switch in trouble", function () {
  this.timeout(60_000);
  const test = testsWithWorlds(async (interference: Interference) => {
    const on = await inboundWorld({ tap: (box) => interferedBox(box, interference) });
    on.voice.answer("call.started", [{ getDigits: { numDigits: 1, timeout: 10 } }]);
    on.voice.answer("call.digits", [{ hangup: {} }]);
    return on;
  });

  test("is taken in once, though everything is told twice", async (open) => {
    const on = await open({
      arrival: (_, tell) => {
        tell();
        tell();
      },
      event: (_, tell) => {
        tell();
        tell();
      },
    });
    const { taken } = await on.callIn({ digits: "1" });
    const call = await on.ended(await taken());
    const kinds = kindsOf(call);
    for (const kind of ["call.started", "leg.ringing", "call.answered", "call.completed"])
      assert.equal(kinds.filter((told) => told === kind).length, 1, kind);
    assert.equal(on.voice.of("call.started").length, 1);
  });

  test("is found by the listing where its arrival was never told", async (open) => {
    let again: (() => void) | undefined;
    const on = await open({
      arrival: () => undefined,
      boxEvent: (event, tell) => {
        if (event.kind === "connected") again = tell;
        tell();
      },
    });
    const { from, taken } = await on.callIn({ digits: "2" });
    await systemClock.sleep(1_500);
    assert.equal(await on.callFrom(from), undefined);
    again?.();
    assert.equal((await on.ended(await taken())).status, "completed");
  });

  test("is over as its caller left it, where word of their coming is later than the record of their end", async (open) => {
    const late: (() => void)[] = [];
    const on = await open({
      arrival: (_, tell) => void late.push(tell),
      question: (question, _, ask) => (question === "arrivals" ? Promise.resolve([]) : ask()),
    });
    const { from, hangUp, taken } = await on.callIn();
    await eventually("word of it", () => late[0]);
    await hangUp();
    await eventually("the record of their end", () => on.stamps.size === 1 || undefined);
    assert.equal(await on.callFrom(from), undefined);
    late[0]!();
    const call = await on.ended(await taken());
    assert.deepEqual([call.status, call.failure_code], ["canceled", "canceled"]);
    assert.equal(eventOf(call, "leg.ended").payload["known_by"], "end_record");
    assert.deepEqual(
      kindsOf(call).filter((kind) => kind.startsWith("call.")),
      ["call.started", "call.failed"],
    );
  });

  test("goes on when it is answered, though the switch never tells of the answer", async (open) => {
    const on = await open({
      event: (event, tell) => {
        if (event.kind !== "answered") tell();
      },
    });
    const { taken } = await on.callIn({ digits: "4" });
    const call = await on.ended(await taken());
    assert.equal(eventOf(call, "call.digits").payload["digits"], "4");
  });

  test("whose answer is known by its end alone, has the recording that should have begun then told as missing", async (open) => {
    const on = await open(answerUnheard);
    await on.store.write((tx) => tx.run("UPDATE numbers SET record = 1"));
    const { caller, hangUp, taken } = await on.callIn();
    const id = await taken();
    await caller(({ answered_at }) => answered_at !== null);
    await systemClock.sleep(600);
    await hangUp();
    const { legs } = await on.ended(id);
    const told = (call: SeenCall) => kindsOf(call).includes("recording.missing");
    const missing = eventOf(await on.until(id, "that it is missing", told, 40_000), "recording.missing");
    assert.deepEqual(legs[0]!.recording_ids, [missing.payload["recording_id"]]);
    const { talk_ms } = missing.payload as { talk_ms: number };
    const talkedMs = Date.parse(legs[0]!.ended_at!) - Date.parse(legs[0]!.answered_at!);
    assert.ok(Math.abs(talk_ms - talkedMs) <= 1, `${talk_ms} ms, and the talk lasted ${talkedMs} ms`);
  });

  test("whose answer is found by the next controller alone, has what its recording lacks since then told", async (open) => {
    const on = await open(answerUnheard);
    await on.store.write((tx) => tx.run("UPDATE numbers SET record = 1"));
    const { caller, hangUp, taken } = await on.callIn();
    const id = await taken();
    await caller(({ answered_at }) => answered_at !== null);
    await on.stopController();
    const lostMs = 2_000;
    await systemClock.sleep(lostMs);
    await on.control();
    await on.event(id, "recording.started");
    await systemClock.sleep(500);
    await hangUp();
    await on.ended(id);
    const call = await on.event(id, "call.recording.ready");
    const [leg] = call.legs;
    const told = eventOf(call, "call.recording.ready").payload;
    const [talkMs, gapMs, seconds] = ["talk_ms", "gap_ms", "duration_seconds"].map((name) =>
      Number(told[name]),
    );
    const talkedMs = Date.parse(leg!.ended_at!) - Date.parse(leg!.answered_at!);
    assert.ok(Math.abs(talkMs! - talkedMs) <= 1, `${talkMs} ms, and the talk lasted ${talkedMs} ms`);
    assert.equal(gapMs, talkMs! - Math.round(seconds! * 1000));
    assert.ok(gapMs >= lostMs, `${gapMs} ms are told to be missing`);
  });

  test("is answered once where the first try's reply is lost", async (open) => {
    let lost = 0;
    const on = await open({
      question: async (question, _, ask) => {
        if ((question !== "answer" && question !== "takeIn") || lost > 1) return ask();
        lost++;
        await ask();
        throw noAnswer();
      },
    });
    const { caller, taken } = await on.callIn({ digits: "3" });
    const call = await on.ended(await taken());
    assert.ok(lost > 0);
    assert.equal(call.status, "completed");
    assert.equal((await caller(({ ended_at }) => ended_at !== null)).status, null);
  });

  test("that the switch does not answer in time is hung up, and says so", async (open) => {
    const on = await open({
      question: (question, _, ask) => (question === "answer" ? Promise.resolve(false) : ask()),
    });
    const { caller, taken } = await on.callIn();
    const call = await on.ended(await taken());
    eventOf(call, "answer.failed");
    assert.equal((await caller(({ ended_at }) => ended_at !== null)).status, 502);
    assert.deepEqual([call.status, call.failure_code], ["failed", "carrier_failure"]);
  });
});
