import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { levelDbfs } from "../../engine/simulator/media/goertzel.ts";
import { startBot, toneOf } from "../peers/bot.ts";
import { describeOnSwitch } from "../peers/switch-under-test.ts";
import type { ApiCall } from "../world/customer.ts";
import { nairobi, TestWorld } from "../world/world.ts";
import { checkRecording, checkTold } from "./checks.ts";

/** Sends back what it hears. */
const echo = "+254700000005";
const hangsUpAfter3s = "+254700000103";
const awayMs = 4_000;

describeOnSwitch(`a controller that is killed in mid-stream, and back after ${awayMs / 1000} s`, function () {
  this.timeout(60_000);
  let world: TestWorld;
  let bot: Awaited<ReturnType<typeof startBot>>;
  let talking: string;
  let gone: string;

  before(async () => {
    world = await TestWorld.start();
    bot = await startBot();
    talking = await place(echo, { connect: true, track: "both_tracks" });
    gone = await place(hangsUpAfter3s, {});
    for (const nth of [1, 2]) {
      const call = await bot.call(nth);
      await call.until("audio", () => call.of("media").length > 5);
    }
    await world.killSautikit();
    await sleep(awayMs);
    await world.startSautikit();
  });
  after(async () => {
    bot.stop();
    await world.end();
  });

  const place = (to: string, spec: Record<string, unknown>) =>
    world.customer.place({
      ...{ from: nairobi, to, events_url: world.inbox.url, record: true },
      actions: [{ stream: { url: bot.url, ...spec } }, { wait: { seconds: 1 } }],
    });
  const kinds = ({ events }: ApiCall) => events.map(({ kind }) => kind);

  it("opens it anew: the bot hears of it, hears and is heard; the recording is whole", async () => {
    for (const call of bot.calls.slice(0, 2)) assert.equal(call.closed?.code, 1006);
    const again = await bot.call(3);
    await again.until("start", () => again.of("start").length > 0);
    const { callSid, resumed } = again.of("start")[0]!.start!;
    assert.deepEqual([callSid, resumed], [talking, true]);
    again.speak(toneOf(700, 1000), 8000);
    again.say({ event: "mark", mark: { name: "said" } });
    await again.until("mark", () => again.of("mark").length > 0);
    await again.until("echo", () => levelDbfs(again.heard("inbound", 500), 700) > -25);
    again.socket.close();
    const call = await world.customer.ended(talking);
    assert.equal(kinds(call).filter((kind) => kind === "stream.started").length, 2);
    const ends = call.events.filter(({ kind }) => kind === "call.stream_ended");
    assert.deepEqual(
      ends.map(({ payload }) => payload["reason"]),
      ["bot_closed"],
    );
    assert.ok(Number(ends[0]!.payload["duration_seconds"]) > awayMs / 1000);
    assert.ok(kinds(call).includes("document.ended"));
    await world.inbox.kind(talking, "call.recording.ready");
    checkTold(world, call);
    await checkRecording(world, call, call.legs[0]!);
  });

  it("tells of one whose party hung up meanwhile, and opens it to nobody", async () => {
    const call = await world.customer.ended(gone);
    const ends = call.events.filter(({ kind }) => kind === "call.stream_ended");
    assert.deepEqual(
      ends.map(({ payload }) => payload["reason"]),
      ["hangup"],
    );
    assert.equal(bot.calls.length, 3);
    assert.ok(!kinds(call).slice(kinds(call).indexOf("call.stream_ended")).includes("action.started"));
  });

  it("stands up to the auditor", () => world.audit());
});
