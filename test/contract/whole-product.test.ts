import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { levelDbfs } from "../../engine/simulator/media/goertzel.ts";
import { parseWav } from "../../engine/simulator/media/wav.ts";
import { sideBySide } from "../peers/side-by-side.ts";
import { eventually } from "../peers/waiting.ts";
import type { ApiCall } from "../world/customer.ts";
import { nairobi, TestWorld } from "../world/world.ts";
import { describeContract } from "./report.ts";
import { audibleDbfs, numbers, silentDbfs, startSlackMs } from "./world.ts";

describeContract("the whole product over HTTP", function () {
  this.timeout(90_000);
  let world: TestWorld;
  before(async () => {
    world = await TestWorld.start();
  });
  after(() => world.end());
  const test = sideBySide(4);

  const place = (to: string, more: Record<string, unknown> = {}) =>
    world.customer.place({ from: nairobi, to, events_url: world.inbox.url, ...more });

  /** The carrier's account of the one call to that number. */
  const carrierCall = (number: string) =>
    eventually(`the carrier's call to ${number}`, async () =>
      (await world.carrier.calls()).find((call) => call.number === number && call.ended_at !== null),
    );

  test("play, dial, wait, hangup: both legs recorded and billed, every webhook signed and told in order", async () => {
    const id = await place(numbers.answers880, {
      record: true,
      actions: [
        { play: { url: world.inbox.promptUrl } },
        { dial: { number: numbers.hangsUpAfterThreeSeconds, record: true } },
        { wait: { seconds: 1 } },
        { hangup: {} },
      ],
    });
    const call = await world.customer.ended(id);
    assert.equal(call.status, "completed");
    const [caller, callee] = call.legs as [ApiCall["legs"][0], ApiCall["legs"][0]];
    assert.deepEqual([caller.to, callee.to], [numbers.answers880, numbers.hangsUpAfterThreeSeconds]);

    for (const leg of call.legs) {
      const talkedMs = Date.parse(leg.ended_at!) - Date.parse(leg.answered_at!);
      assert.ok(leg.billed_seconds * 1000 >= talkedMs && (leg.billed_seconds - 1) * 1000 < talkedMs + 1);
      assert.equal(leg.cost_minor, Math.round((leg.rate_per_minute_minor * leg.billed_seconds) / 60));
      assert.equal(leg.hangup_cause, "normal_clearing");
    }
    assert.ok(callee.billed_seconds >= 3 && callee.billed_seconds <= 4);
    assert.equal(call.cost_minor, caller.cost_minor + callee.cost_minor);

    const own = await recordingOf(world, call, 0);
    const other = await recordingOf(world, call, 1);
    assert.ok(
      other.said(440) > audibleDbfs && other.said(880) < silentDbfs,
      "the callee alone on the left of its file",
    );
    assert.ok(
      other.heard(880) > audibleDbfs && other.heard(440) < silentDbfs,
      "the caller alone on the right of it",
    );
    assert.ok(
      own.said(880) > audibleDbfs && own.heard(440) > audibleDbfs,
      "the mirror of it in the caller's file",
    );
    assert.ok(
      own.heard(659) > audibleDbfs && own.said(659) < silentDbfs,
      "the prompt was heard by the caller alone",
    );
    assert.ok(
      Math.abs(own.ms - (Date.parse(caller.ended_at!) - Date.parse(caller.answered_at!))) <= startSlackMs,
    );
    assert.ok(
      Math.abs(other.ms - (Date.parse(callee.ended_at!) - Date.parse(callee.answered_at!))) <= startSlackMs,
    );

    await world.inbox.kind(id, "call.recording.ready", 2);
    const told = world.inbox.of(id);
    assert.deepEqual(
      told.map(({ data }) => data["sequence"]),
      told.map((_, at) => at + 1),
    );
    assert.deepEqual(
      told.map(({ kind }) => kind).filter((kind) => /^call\.(started|answered|completed|dial)/.test(kind)),
      ["call.started", "call.answered", "call.dial_completed", "call.completed"],
    );
    const completed = told.find(({ kind }) => kind === "call.completed")!;
    assert.equal(completed.data["cost_minor"], call.cost_minor);
    await world.verifyLedger();
  });

  test("a call hung up while it rings costs nothing, and the phone stops ringing", async () => {
    const id = await place(numbers.ringsForEver);
    await world.customer.until(id, "ringing", ({ status }) => status === "ringing");
    await world.customer.hangUp(id);
    const call = await world.customer.ended(id);
    assert.deepEqual([call.status, call.cost_minor, call.answered_at], ["canceled", 0, null]);
    assert.equal((await carrierCall(numbers.ringsForEver)).status, 487);
    const [failed] = await world.inbox.kind(id, "call.failed");
    assert.equal(failed!.data["failure_reason"], "canceled");
    await world.customer.hangUp(id);
  });

  for (const [number, status] of [
    [numbers.isBusy, "busy"],
    ["+254700000404", "failed"],
    ["+254700000603", "failed"],
  ] as const) {
    test(`a call to ${number} ends as ${status}, costs nothing, and is told once`, async () => {
      const id = await place(number);
      const call = await world.customer.ended(id);
      assert.deepEqual([call.status, call.cost_minor], [status, 0]);
      assert.ok(call.failure_code);
      assert.equal((await world.inbox.kind(id, "call.failed")).length, 1);
    });
  }

  test("PATCH recording: on, paused, on and off make one file, silent where it was paused; on again another", async () => {
    const id = await place("+254722000077");
    await world.customer.until(id, "answered", ({ status }) => status === "answered");
    const set = async (state: string) => {
      const answer = await world.customer.ask("PATCH", `/v1/calls/${id}/recording`, { body: { state } });
      assert.equal(answer.status, 200, JSON.stringify(answer.body));
    };
    const recording = (at: number, ...statuses: string[]) =>
      eventually(`recording ${at} ${statuses.join(" or ")}`, async () => {
        const { body } = await world.customer.ask("GET", `/v1/calls/${id}/recordings`);
        return statuses.includes(body.data[at]?.status) ? true : undefined;
      });
    await set("on");
    await recording(0, "recording");
    await sleep(1000);
    await set("paused");
    await recording(0, "paused");
    await sleep(1500);
    await set("on");
    await recording(0, "recording");
    await sleep(1000);
    await set("off");
    await recording(0, "uploading", "ready");
    await set("on");
    await recording(1, "recording");
    await sleep(1000);
    await world.customer.hangUp(id);
    const call = await world.customer.ended(id);
    assert.equal(call.legs[0]!.recording_ids.length, 2);

    const first = await recordingOf(world, call, 0, 0);
    assert.ok(first.ms >= 3400 && first.ms <= 6000, `${first.ms} ms`);
    assert.ok(first.part(200, 800).said(440) > audibleDbfs);
    const quiet = first.part(1500, 2200);
    assert.ok(quiet.said(440) < -80 && quiet.heard(440) < -80);
    assert.ok(first.part(first.ms - 800, first.ms - 200).said(440) > audibleDbfs);
    const second = await recordingOf(world, call, 0, 1);
    assert.ok(second.ms >= 900 && second.said(440) > audibleDbfs);
  });
});

/** Levels in a leg's recording, as it comes from the storage; by default where the tone is loudest. */
async function recordingOf(world: TestWorld, call: ApiCall, leg: number, at = 0) {
  const id = call.legs[leg]?.recording_ids[at];
  assert.ok(id, `leg ${leg} has recording ${at}`);
  const { channels } = parseWav(await world.customer.download(call.id, id));
  assert.equal(channels.length, 2);
  const level = (side: 0 | 1, hz: number, fromMs: number, toMs: number) =>
    levelDbfs(channels[side]!.subarray(Math.round(fromMs * 8), Math.round(toMs * 8)), hz);
  const ms = channels[0]!.length / 8;
  const loudest = (side: 0 | 1) => (hz: number) => {
    const parts = Array.from({ length: Math.floor(ms / 200) }, (_, i) =>
      level(side, hz, i * 200, i * 200 + 200),
    );
    return Math.max(...parts);
  };
  return {
    ms,
    said: loudest(0),
    heard: loudest(1),
    part: (fromMs: number, toMs: number) => ({
      said: (hz: number) => level(0, hz, fromMs, toMs),
      heard: (hz: number) => level(1, hz, fromMs, toMs),
    }),
  };
}
