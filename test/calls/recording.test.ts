import assert from "node:assert/strict";
import type { CallId, RecordingId } from "../../engine/ids.ts";
import { sideBySide } from "../peers/side-by-side.ts";
import { describeOnSwitch } from "../peers/switch-under-test.ts";
import { eventually } from "../peers/waiting.ts";
import { checkStory } from "./checks.ts";
import { world, type SeenCall, type SeenLeg, type World } from "./world.ts";

const wanjiru = "+254700000001";
const otieno = "+254700000002";

describeOnSwitch("a recording", () => {
  let on: World;
  before(async () => {
    on = await world();
  });
  after(() => on.end());
  const together = sideBySide(20);

  /** The call's recordings once all of them are stored. */
  const stored = (callId: CallId, count: number) =>
    eventually(
      `${count} recordings of ${callId}`,
      async () => {
        const rows = await on.recordingsOf(callId);
        return rows.length === count && rows.every(({ status }) => status === "ready") ? rows : undefined;
      },
      { withinMs: 15_000 },
    );

  const seconds = (row: { durationMs: number | null } | undefined) => (row?.durationMs ?? -1) / 1000;
  const talked = (leg: SeenLeg) => (Date.parse(leg.ended_at!) - Date.parse(leg.answered_at!)) / 1000;
  const near = (found: number, wanted: number, what: string, within = 0.15) =>
    assert.ok(Math.abs(found - wanted) <= within, `${what}: ${found} s, not ${wanted} s`);

  const eventsOf = (call: SeenCall, id: RecordingId) =>
    call.events.filter(({ payload }) => payload["recording_id"] === id).map(({ kind }) => kind);

  together("from the answer is as long as the talk", async () => {
    const id = await on.place({ to: "+254700000103", record: "from-answer" });
    const call = await on.ended(id);
    const [row] = await stored(id, 1);
    near(seconds(row), talked(call.legs[0]!), "recorded");
    const told = await on.event(id, "call.recording.ready");
    assert.deepEqual(eventsOf(told, row!.id).slice(-1), ["call.recording.ready"]);
    checkStory(told);
    const { talk_ms: talkMs, gap_ms: gapMs } = told.events.at(-1)!.payload;
    near(Number(talkMs) / 1000, talked(call.legs[0]!), "told", 0.05);
    assert.equal(gapMs, Math.max(0, Number(talkMs) - row!.durationMs!));
    assert.deepEqual(told.legs[0]!.recording_ids, [row!.id]);
  });

  together("from ringing has the announcement too", async () => {
    const id = await on.place({ to: "+254700000183", record: "from-ringing" });
    await on.event(id, "call.answered");
    await on.until(id, "a second of talk", ({ duration_seconds }) => duration_seconds >= 2);
    await on.hangUp(id);
    const call = await on.ended(id);
    const [row] = await stored(id, 1);
    near(seconds(row), talked(call.legs[0]!) + 2, "recorded", 0.3);
  });

  together("from the answer of a call that nobody answers holds nothing, and says so", async () => {
    const id = await on.place({ to: "+254700000486", record: "from-answer" });
    await on.ended(id);
    const call = await on.until(
      id,
      "recording.empty or missing",
      ({ events }) => events.some(({ kind }) => kind === "recording.empty" || kind === "recording.missing"),
      20_000,
    );
    checkStory(call);
  });

  together("of a dial is of the dialled leg alone", async () => {
    const id = await on.place({
      to: wanjiru,
      actions: [{ dial: { number: "+254700000103", record: true } }],
    });
    const call = await on.ended(id);
    const [row] = await stored(id, 1);
    assert.equal(row!.legId, call.legs[1]!.id);
    near(seconds(row), talked(call.legs[1]!), "recorded");
  });

  together("switched on, paused, on again and off is one, with the silence in it", async () => {
    const id = await on.place({ to: wanjiru });
    await on.event(id, "call.answered");
    await assert.rejects(() => on.record(id, "paused"), { code: "calls.recording_state" });
    const [begun] = await on.record(id, "on");
    assert.equal(begun?.status, "starting");
    // Told twice, it is the same.
    assert.equal((await on.record(id, "on")).length, 1);
    const startedAt = (await on.event(id, "recording.started")).duration_seconds;
    await on.record(id, "paused");
    assert.equal((await on.recordingsOf(id))[0]?.status, "paused");
    await on.record(id, "on");
    assert.equal((await on.recordingsOf(id))[0]?.status, "recording");
    await on.until(id, "two seconds more", (call) => call.duration_seconds >= startedAt + 2);
    await on.record(id, "off");
    const call = await on.event(id, "recording.stopped");
    assert.deepEqual(eventsOf(call, begun.id), [
      ...[
        "recording.started",
        "recording.paused",
        "recording.resumed",
        "recording.stopping",
        "recording.stopped",
      ],
    ]);
    await on.hangUp(id);
    await on.ended(id);
    const [row] = await stored(id, 1);
    assert.ok(seconds(row) >= 1, `${seconds(row)} s`);
  });

  together("switched off and on is another: each segment arrives, a second long or less", async () => {
    const id = await on.place({ to: wanjiru });
    await on.event(id, "call.answered");
    for (let segment = 1; segment <= 3; segment++) {
      await on.record(id, "on");
      const begun = await on.event(id, "recording.started", segment);
      const from = begun.duration_seconds;
      if (segment < 3) await on.until(id, "a second", (call) => call.duration_seconds >= from + 1);
      await on.record(id, "off");
      await on.event(id, "recording.stopped", segment);
    }
    assert.equal((await on.record(id, "off")).length, 3, "off again is the same");
    await on.hangUp(id);
    await on.ended(id);
    const rows = await stored(id, 3);
    const total = rows.reduce((sum, row) => sum + seconds(row), 0);
    assert.ok(total > 1 && total < 5, `${total} s in three segments`);
    const call = await on.until(
      id,
      "three told",
      ({ events }) => events.filter(({ kind }) => kind === "call.recording.ready").length === 3,
    );
    assert.deepEqual(
      call.events.filter(({ kind }) => kind.startsWith("call.")).map(({ payload }) => payload["sequence"]),
      [1, 2, 3, 4, 5, 6],
    );
  });

  together("may be of either leg", async () => {
    const id = await on.place({ to: wanjiru, actions: [{ dial: { number: otieno } }] });
    const joined = await on.event(id, "leg.bridged");
    const second = joined.legs[1]!.id;
    await on.until(id, "Otieno's answer", ({ legs }) => legs[1]?.answered_at != null);
    await on.record(id, "on", second);
    await on.event(id, "recording.started");
    await on.until(id, "a second of talk", ({ legs }) => legs[1]!.billed_seconds >= 2);
    await on.hangUp(id);
    await on.ended(id);
    const [row] = await stored(id, 1);
    assert.equal(row!.legId, second);
    assert.ok(seconds(row) > 0.5);
  });

  together(
    "cannot be changed before the answer, after the end, or of a leg that is not the call's",
    async () => {
      const id = await on.place({ to: "+254712000021" });
      await on.event(id, "leg.ringing");
      await assert.rejects(() => on.record(id, "on"), { code: "calls.not_live" });
      await on.event(id, "call.answered");
      await assert.rejects(() => on.record(id, "on", "leg_01m8804jzshqmazxfz36pa688e"), {
        code: "validation.invalid",
      });
      await on.hangUp(id);
      await on.ended(id);
      await assert.rejects(() => on.record(id, "on"), { code: "calls.not_live" });
      await assert.rejects(() => on.record("call_01m8804jzshqmazxfz36pa688e", "on"), {
        code: "calls.not_found",
      });
    },
  );
});
