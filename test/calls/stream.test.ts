import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { createServer as createTcpServer, type AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { levelDbfs } from "../../engine/simulator/media/goertzel.ts";
import { parseWav } from "../../engine/simulator/media/wav.ts";
import type { CallId } from "../../engine/ids.ts";
import { verifySautikit, verifyStandard } from "../../engine/webhooks/signing.ts";
import { startBot, toneOf, type BotCall } from "../peers/bot.ts";
import { sideBySide } from "../peers/side-by-side.ts";
import { describeOnSwitch } from "../peers/switch-under-test.ts";
import { VoiceServer } from "../peers/voice-server.ts";
import { eventually } from "../peers/waiting.ts";
import { interferedBox } from "./interfered-box.ts";
import { eventOf, kindsOf, world, type World } from "./world.ts";

/** Says 440 Hz. */
const wanjiru = "+254700000001";
/** Sends back what it hears. */
const echo = "+254700000005";
const pressesThreeKeys = "+254700000012";
const hangsUpAfter3s = "+254700000103";

const audibleDbfs = -25;
const silentDbfs = -50;

describeOnSwitch("stream", function () {
  this.timeout(60_000);
  let on: World;
  let voice: VoiceServer;
  const bots: { stop(): void }[] = [];
  before(async () => {
    [on, voice] = [await world(), await VoiceServer.open()];
  });
  after(async () => {
    for (const bot of bots) bot.stop();
    await voice.close();
    await on.end();
  });
  const together = sideBySide(6);

  async function bot(onCall?: (call: BotCall) => void) {
    const started = await startBot(onCall);
    bots.push(started);
    return started;
  }
  /** Both channels of the call's recording. */
  async function recorded(id: CallId): Promise<[said: Int16Array, heard: Int16Array]> {
    const { url } = await eventually("the recording", async () => {
      const [row] = await on.recordingsOf(id);
      if (row?.status !== "ready" || row.objectKey === null) return undefined;
      return on.storage.presignGet(row.objectKey, { expiresInSeconds: 60, fileName: "heard.wav" });
    });
    const { channels } = parseWav(Buffer.from(await (await fetch(url)).arrayBuffer()));
    return [channels[0]!, channels[1]!];
  }
  const endOf = async (id: CallId) => {
    const call = await on.event(id, "call.stream_ended");
    return { call, payload: eventOf(call, "call.stream_ended").payload };
  };

  together(
    "tells a bot, by a signed request, of the call, and lets it hear the party; then the next action runs",
    async () => {
      const { url, call } = await bot();
      const from = await on.number("+254200000501");
      const stream = { url, name: "assistant", metadata: { order: "47", vip: true } };
      const id = await on.place(
        { to: wanjiru, actions: [{ stream }, { play: { url: on.promptUrl } }] },
        from,
      );
      const seen = await call();
      await seen.until("second of audio", () => seen.of("media").length >= 50);

      const { headers } = seen;
      assert.match(String(headers["traceparent"]), /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
      const nowSeconds = Date.now() / 1000;
      assert.ok(verifySautikit(String(headers["x-sautikit-signature"]), url, from.secret, nowSeconds));
      const [webhookId, timestamp, signature] = ["id", "timestamp", "signature"].map((name) =>
        String(headers[`webhook-${name}`]),
      );
      assert.ok(
        verifyStandard(
          { "webhook-id": webhookId!, "webhook-timestamp": timestamp!, "webhook-signature": signature! },
          url,
          from.secret,
          nowSeconds,
        ),
      );
      const [connected, start, first] = seen.messages;
      assert.deepEqual([connected?.event, start?.event, first?.event], ["connected", "start", "media"]);
      assert.equal(start!.streamSid, webhookId);
      assert.deepEqual(start!.start, {
        ...{ streamSid: webhookId, accountSid: from.workspaceId, callSid: id },
        ...{ from: from.e164, to: wanjiru, resumed: false, name: "assistant", tracks: ["inbound"] },
        mediaFormat: { encoding: "audio/x-mulaw", sampleRate: 8000, channels: 1 },
        customParameters: { order: "47", vip: true },
      });
      for (const [index, { sequenceNumber, media }] of seen.of("media").entries()) {
        assert.deepEqual(
          [sequenceNumber, media!.chunk, media!.track],
          [String(index + 2), String(index + 1), "inbound"],
        );
      }
      const last = seen.of("media").at(-1)!;
      const paceMs = Number(last.media!.timestamp) / (Number(last.media!.chunk) - 1);
      assert.ok(paceMs > 19 && paceMs < 21, `${paceMs} ms a frame`);
      assert.ok(levelDbfs(seen.heard(), 440) > audibleDbfs);

      seen.socket.close(4001, "bye");
      const over = await on.ended(id);
      const {
        reason,
        close_code: code,
        media_sent: sent,
        duration_seconds: seconds,
      } = eventOf(over, "call.stream_ended").payload;
      assert.deepEqual([reason, code], ["bot_closed", 4001]);
      assert.ok(Number(sent) >= 50 && Math.abs(Number(seconds) - Number(sent) / 50) < 0.3);
      assert.ok(kindsOf(over).indexOf("play.finished") > kindsOf(over).indexOf("call.stream_ended"));
    },
  );

  together(
    "plays what the bot says, echoes a mark when it has been heard, and forgets the rest when told",
    async () => {
      const { url, call } = await bot();
      const to = echo;
      await on.place({ to, actions: [{ stream: { url, connect: true, track: "both_tracks" } }] });
      const seen = await call();
      await seen.until("start", () => seen.of("start").length > 0);
      const saidAtMs = performance.now();
      // A second at once, as bots do; then one in odd pieces.
      seen.speak(toneOf(700, 1000), 8000);
      seen.say({ event: "mark", streamSid: "whatever", mark: { name: "first" } });
      seen.speak(toneOf(1000, 1000), 77);
      seen.say({ event: "mark", mark: { name: "second" } });
      await seen.until("both marks", () => seen.of("mark").length === 2);
      const [first, second] = seen.of("mark");
      assert.deepEqual([first!.mark!.name, second!.mark!.name], ["first", "second"]);
      assertAbout(first!.atMs - saidAtMs, 1000, 150);
      assertAbout(second!.atMs - saidAtMs, 2000, 150);

      // Half a minute of it is not heard: neither what waits nor its mark is waited for.
      seen.speak(toneOf(1300, 30_000), 8000);
      seen.say({ event: "mark", mark: { name: "never" } });
      await seen.until("barge-in", () => levelDbfs(seen.heard("inbound", 200), 1300) > audibleDbfs);
      seen.say({ event: "clear" });
      const clearedAtMs = performance.now();
      await seen.until("mark of what was cleared", () => seen.of("mark").length === 3);
      assert.ok(seen.of("mark")[2]!.atMs - clearedAtMs < 100);
      await seen.until("silence", () => levelDbfs(seen.heard("inbound", 200), 1300) < silentDbfs, 2000);
      assert.ok(performance.now() - clearedAtMs < 700);

      // What they are to hear, to the frame; and it came back from them, one tone after another.
      for (const hz of [700, 1000]) {
        assertAbout(msOf(seen.heard("outbound"), hz), 1000, 20);
        assertAbout(msOf(seen.heard("inbound"), hz), 1000, 60);
      }
      assert.ok(Math.abs(seen.heard("inbound").length - seen.heard("outbound").length) <= 3 * 160);
      seen.socket.close();
    },
  );

  together("is at 16 kHz linear both ways where that is asked for", async () => {
    const { url, call } = await bot();
    const stream = { url, connect: true, outputSamplingRate: 16_000 as const };
    const id = await on.place({ to: echo, actions: [{ stream }] });
    const seen = await call();
    await seen.until("start", () => seen.of("start").length > 0);
    const format = { encoding: "audio/x-l16", sampleRate: 16_000, channels: 1 };
    assert.deepEqual(seen.of("start")[0]!.start!["mediaFormat"], format);
    const pcm = toneOf(700, 1000, 16_000);
    // An odd number of bytes: half a sample comes with the next.
    const bytes = Buffer.from(pcm.buffer);
    for (let at = 0; at < bytes.length; at += 641) {
      const payload = bytes.subarray(at, at + 641).toString("base64");
      seen.say({ event: "media", media: { payload } });
    }
    seen.say({ event: "mark", mark: { name: "said" } });
    await seen.until("mark", () => seen.of("mark").length > 0);
    const until = seen.of("media").length + 25;
    await seen.until("echo", () => seen.of("media").length > until);
    assert.ok(msOf(seen.heardLinear(), 700, 16_000) > 900);
    assert.ok(seen.of("media").every(({ media }) => Buffer.from(media!.payload, "base64").length % 2 === 0));
    seen.socket.close();
    await on.ended(id);
  });

  together("gives the bot the keys that are pressed, and none of them to the next action", async () => {
    const { url, call } = await bot();
    const id = await on.place({
      to: pressesThreeKeys,
      actions: [{ stream: { url } }, { getDigits: { timeout: 1 } }, { hangup: {} }],
    });
    const seen = await call();
    await seen.until("keys", () => seen.of("dtmf").length === 3);
    assert.deepEqual(
      seen.of("dtmf").map(({ dtmf }) => dtmf),
      ["1", "2", "#"].map((digit) => ({ track: "inbound_track", digit })),
    );
    seen.socket.close();
    const over = await on.ended(id);
    assert.ok(!kindsOf(over).includes("call.digits"));
    assert.ok(kindsOf(over).includes("document.ended") || kindsOf(over).includes("call.completed"));
  });

  together("ends with the party: the bot is told, nobody is asked", async () => {
    const { url, call } = await bot();
    const from = await on.number("+254200000502");
    const actions = [{ stream: { url, connect: true } }];
    const id = await on.place({ to: hangsUpAfter3s, voiceCallbackUrl: voice.url(), actions }, from);
    const seen = await call();
    const over = await on.ended(id);
    await seen.until("end", () => seen.closed !== null);
    assert.deepEqual(seen.closed, { code: 1000, reason: "hangup" });
    assert.equal(seen.messages.at(-1)!.stop?.reason, "hangup");
    const kinds = kindsOf(over);
    assert.deepEqual(kinds.slice(kinds.indexOf("call.stream_ended")), [
      ...["call.stream_ended", "leg.ended", "call.completed"],
    ]);
    assert.equal(eventOf(over, "call.stream_ended").payload["reason"], "hangup");
    assert.ok(Number(eventOf(over, "call.stream_ended").payload["media_sent"]) > 100);
    assert.ok(!kinds.includes("voice_url.answered"));
  });

  together("ends when the API hangs up, with its end told before the call's", async () => {
    const { url, call } = await bot();
    const id = await on.place({ to: wanjiru, actions: [{ stream: { url } }] });
    const seen = await call();
    await seen.until("audio", () => seen.of("media").length > 0);
    await on.hangUp(id);
    const over = await on.ended(id);
    await seen.until("end", () => seen.closed !== null);
    assert.equal(eventOf(over, "call.stream_ended").payload["reason"], "hangup");
    assert.ok(kindsOf(over).indexOf("call.stream_ended") < kindsOf(over).indexOf("call.completed"));
  });

  together("is left for another document at once, and may be begun again", async () => {
    const { url, call } = await bot();
    const id = await on.place({ to: wanjiru, actions: [{ stream: { url, connect: true } }] });
    const seen = await call();
    await seen.until("audio", () => seen.of("media").length > 0);
    seen.speak(toneOf(700, 20_000), 8000);
    await on.direct(id, [{ play: { url: on.promptUrl } }, { stream: { url } }]);
    await seen.until("end", () => seen.closed !== null);
    assert.deepEqual(seen.closed, { code: 1000, reason: "replaced" });
    const again = await call(2);
    await again.until("audio", () => again.of("media").length >= 20);
    assert.ok(levelDbfs(again.heard(), 440) > audibleDbfs);
    again.socket.close();
    const over = await on.ended(id);
    const reasons = over.events
      .filter(({ kind }) => kind === "call.stream_ended")
      .map(({ payload }) => payload["reason"]);
    assert.deepEqual(reasons, ["replaced", "bot_closed"]);
    assert.ok(kindsOf(over).includes("play.finished"));
  });

  together("is within one whole recording, what was said before and after too", async () => {
    const { url, call } = await bot();
    const id = await on.place({
      to: wanjiru,
      record: "from-answer",
      actions: [
        { play: { url: on.promptUrl } },
        { stream: { url, connect: true } },
        { play: { url: on.promptUrl } },
      ],
    });
    const seen = await call();
    await seen.until("start", () => seen.of("start").length > 0);
    seen.speak(toneOf(1300, 2000), 8000);
    seen.say({ event: "mark", mark: { name: "said" } });
    await seen.until("mark", () => seen.of("mark").length > 0);
    seen.socket.close();
    const over = await on.ended(id);
    assert.equal(over.legs[0]!.recording_ids.length, 1);
    const [said, heard] = await recorded(id);
    // Its first and last frames are silence while the call begins and ends.
    assertAbout(msOf(said, 440), said.length / 8, 250);
    assertAbout(msOf(heard, 1300), 2000, 60);
    const talkedMs = Date.parse(over.legs[0]!.ended_at!) - Date.parse(over.legs[0]!.answered_at!);
    assertAbout(said.length / 8, talkedMs, 150);
  });

  together("that cannot be opened says why, and the voice URL is asked what comes next", async () => {
    const web = createServer((request, response) => {
      if (request.url === "/moved") response.writeHead(302, { location: "/elsewhere" }).end();
      else response.writeHead(404).end("no bots here");
    });
    web.on("upgrade", (request, socket) => {
      const moved = request.url === "/moved";
      const status = moved ? "302 Found\r\nLocation: /elsewhere" : "404 Not Found";
      socket.end(`HTTP/1.1 ${status}\r\nContent-Length: 0\r\n\r\n`);
    });
    const mute = createTcpServer();
    for (const server of [web, mute]) {
      server.listen(0, "127.0.0.1");
      await once(server, "listening");
      bots.push({ stop: () => server.close() });
    }
    const { port } = web.address() as AddressInfo;
    const from = await on.number("+254200000503");
    voice.answer("call.stream_ended", [{ play: { url: on.promptUrl } }, { hangup: {} }]);
    const cases: [path: string, reason: string, status: number | null][] = [
      [`ws://127.0.0.1:${port}/none`, "protocol", 404],
      [`ws://127.0.0.1:${port}/moved`, "protocol", 302],
      [`wss://127.0.0.1:${port}/`, "tls", null],
      ["ws://127.0.0.1:1/", "refused", null],
      ["ws://nobody.invalid/", "dns", null],
      [`ws://127.0.0.1:${(mute.address() as AddressInfo).port}/`, "timeout", null],
    ];
    await Promise.all(
      cases.map(async ([url, reason, status]) => {
        const actions = [{ stream: { url } }];
        const id = await on.place({ to: wanjiru, voiceCallbackUrl: voice.url(), actions }, from);
        const call = await on.ended(id);
        const { payload } = eventOf(call, "call.stream_ended");
        assert.deepEqual(
          [payload["reason"], payload["http_status"], payload["stream_id"], payload["duration_seconds"]],
          [reason, status, null, 0],
          url,
        );
        const question = voice.of("call.stream_ended").find(({ body }) => body["CallId"] === id);
        assert.equal(question?.body.data?.["reason"], reason);
        assert.ok(kindsOf(call).includes("play.finished"), url);
        if (reason !== "timeout") return;
        const begunAtMs = Date.parse(eventOf(call, "action.started").occurred_at);
        assertAbout(Date.parse(eventOf(call, "call.stream_ended").occurred_at) - begunAtMs, 5000, 700);
      }),
    );
  });

  together("cuts a bot off that sends more than anybody could hear, or too much of anything", async () => {
    const floods: ((call: BotCall) => void)[] = [
      (call) => call.speak(new Int16Array(200 * 8000), 40_000),
      (call) => {
        for (let n = 0; n < 12_000; n++) call.say({ event: "mark" });
      },
      (call) => call.say({ event: "note", text: "x".repeat(2_000_000) }),
      (call) => {
        for (let n = 0; n < 1001; n++) call.say({ event: "mark", mark: { name: String(n) } });
      },
    ];
    await Promise.all(
      floods.map(async (flood) => {
        const { url, call } = await bot();
        const id = await on.place({
          to: wanjiru,
          actions: [{ stream: { url, connect: true } }, { play: { url: on.promptUrl } }],
        });
        const seen = await call();
        // So that marks wait.
        if (flood === floods[3]) seen.speak(toneOf(700, 5000), 8000);
        flood(seen);
        await seen.until("end", () => seen.closed !== null, 15_000);
        assert.ok([1008, 1009].includes(seen.closed!.code), JSON.stringify(seen.closed));
        const call_ = await on.ended(id);
        assert.equal(eventOf(call_, "call.stream_ended").payload["reason"], "flooded");
        assert.ok(kindsOf(call_).includes("play.finished"));
      }),
    );
  });

  together("lets a bot go that answers no ping", async () => {
    const { url, call } = await bot((seen) => seen.socket.pause());
    const id = await on.place({ to: wanjiru, actions: [{ stream: { url } }, { hangup: {} }] });
    await call();
    const over = await on.ended(id, 40_000);
    const { reason, duration_seconds: seconds } = eventOf(over, "call.stream_ended").payload;
    assert.equal(reason, "bot_silent");
    assert.ok(Number(seconds) >= 14 && Number(seconds) < 22, `${Number(seconds)} s`);
  });

  together("notices a bot whose process is gone", async () => {
    const { url, call } = await bot();
    const id = await on.place({ to: wanjiru, actions: [{ stream: { url } }, { hangup: {} }] });
    const seen = await call();
    await seen.until("audio", () => seen.of("media").length > 5);
    seen.socket.terminate();
    const { payload } = await endOf(id);
    assert.deepEqual([payload["reason"], payload["close_code"]], ["connection_lost", null]);
    await on.ended(id);
  });
});

describeOnSwitch("a stream whose controller stops", () => {
  let on: World;
  before(async () => {
    on = await world();
  });
  after(() => on.end());

  it("is opened anew by the next one, and goes on both ways", async () => {
    const bot = await startBot();
    const id = await on.place({
      to: echo,
      actions: [{ stream: { url: bot.url, connect: true } }, { play: { url: on.promptUrl } }],
    });
    const first = await bot.call();
    await first.until("audio", () => first.of("media").length > 5);
    await on.control();
    await first.until("end", () => first.closed !== null);
    assert.deepEqual(first.closed, { code: 1012, reason: "restart" });
    const second = await bot.call(2);
    await second.until("start", () => second.of("start").length > 0);
    assert.equal(second.of("start")[0]!.start!["resumed"], true);
    second.speak(toneOf(700, 1000), 8000);
    await second.until("its own voice", () => msOf(second.heard(), 700) > 900);
    second.socket.close();
    const over = await on.ended(id);
    assert.equal(kindsOf(over).filter((kind) => kind === "stream.started").length, 2);
    assert.equal(kindsOf(over).filter((kind) => kind === "call.stream_ended").length, 1);
    bot.stop();
  });

  it("is opened by nobody once another document has taken its place", async () => {
    const bot = await startBot();
    const id = await on.place({ to: wanjiru, actions: [{ stream: { url: bot.url } }] });
    const first = await bot.call();
    await first.until("audio", () => first.of("media").length > 5);
    await on.stopController();
    await on.direct(id, [{ play: { url: on.promptUrl } }]);
    await on.control();
    const over = await on.ended(id);
    assert.ok(kindsOf(over).includes("play.finished"));
    assert.equal(bot.calls.length, 1);
    bot.stop();
  });
});

describeOnSwitch(
  "a stream whose caller has gone, while word of the leg's end is lost and its record late",
  () => {
    let on: World;
    const [gone, record] = [Promise.withResolvers<undefined>(), Promise.withResolvers<undefined>()];
    before(async () => {
      on = await world({
        beforeEndRecord: () => record.promise,
        tap: (box) =>
          interferedBox(box, {
            event: (told, tell) => (told.kind === "hungUp" ? gone.resolve(undefined) : tell()),
            async question(question, _, ask) {
              if (question === "forkMedia") await gone.promise;
              return ask();
            },
          }),
      });
    });
    after(() => {
      record.resolve(undefined);
      return on.end();
    });

    it("waits for that end, and rings nobody", async function () {
      this.timeout(40_000);
      const bot = await startBot();
      const actions = [{ stream: { url: bot.url } }, { dial: { number: wanjiru } }];
      const id = await on.place({ to: hangsUpAfter3s, actions });
      assert.equal(
        eventOf(await on.event(id, "call.stream_ended"), "call.stream_ended").payload["reason"],
        "hangup",
      );
      await sleep(7_000);
      assert.ok(!kindsOf(await on.view(id)).includes("dial.started"));
      record.resolve(undefined);
      assert.ok(!kindsOf(await on.ended(id)).includes("dial.started"));
      bot.stop();
    });
  },
);

/** How long that tone is there, by pieces of 20 ms. */
function msOf(samples: Int16Array, hz: number, rateHz = 8000): number {
  const piece = rateHz / 50;
  let ms = 0;
  for (let at = 0; at + piece <= samples.length; at += piece)
    if (levelDbfs(samples.subarray(at, at + piece), hz, rateHz) > audibleDbfs) ms += 20;
  return ms;
}

function assertAbout(found: number, wanted: number, within: number): void {
  assert.ok(Math.abs(found - wanted) <= within, `${found}, not ${wanted} within ${within}`);
}
