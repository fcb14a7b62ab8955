import assert from "node:assert/strict";
import { once } from "node:events";
import { systemClock } from "../../engine/clock.ts";
import { createEgress } from "../../engine/egress/egress.ts";
import { BotSocket } from "../../engine/streams/bot-socket.ts";
import { readBotMessage, type BotMessage } from "../../engine/streams/messages.ts";
import { startBot } from "../peers/bot.ts";

describe("streams: the WebSocket to a bot", () => {
  const egress = createEgress({ clock: systemClock, allowPrivate: true });

  it("loses nothing of what a bot says first, and leaves out what it does not read", async () => {
    const bot = await startBot((call) => {
      call.say({ event: "clear" });
      call.socket.pause();
    });
    const opened = { url: bot.url, headers: {}, timeoutMs: 2000, messageBytesMax: 1000 };
    const socket = await egress.openWebSocket(opened);
    // It waits, as long as nobody listens.
    await systemClock.sleep(50);
    const heard: BotMessage[] = [];
    const ended: string[] = [];
    const conversation = new BotSocket(socket, systemClock, {
      onMessage: (message) => heard.push(message),
      onEnd: ({ reason }) => ended.push(reason),
    });
    await once(socket, "message");
    assert.deepEqual(heard, [{ kind: "clear" }]);

    const piece = "x".repeat(64 * 1024);
    let sent = 0;
    let outcome = conversation.send(piece);
    for (; outcome === "sent"; outcome = conversation.send(piece)) {
      sent++;
      // What the kernel takes is gone from here.
      await systemClock.sleep(1);
    }
    assert.equal(outcome, "full");
    const waiting = socket.bufferedAmount;
    assert.ok(waiting > 256 * 1024 && waiting < 400 * 1024, `${waiting} bytes wait`);
    // A bot that reads again gets what waited, and what comes then.
    const [call] = bot.calls;
    call!.socket.removeAllListeners("message");
    let received = 0;
    call!.socket.on("message", () => received++);
    call!.socket.resume();
    await call!.until("messages", () => received === sent);
    assert.equal(conversation.send(piece), "sent");

    // One whose process hangs does not answer the close either: it is cut off.
    call!.socket.pause();
    const closingAtMs = performance.now();
    await conversation.close("{}", 1000, "hangup");
    const tookMs = performance.now() - closingAtMs;
    assert.ok(tookMs > 900 && tookMs < 2000, `${tookMs} ms`);
    assert.equal(conversation.send(piece), "gone");
    assert.deepEqual(ended, []);
    bot.stop();
  });

  it("is over with a bot that sends nothing but pings, or pongs, as fast as it can", async () => {
    for (const kind of ["ping", "pong"] as const) {
      const bot = await startBot();
      const opened = { url: bot.url, headers: {}, timeoutMs: 2000, messageBytesMax: 1000 };
      const socket = await egress.openWebSocket(opened);
      const ended = Promise.withResolvers<string>();
      const conversation = new BotSocket(socket, systemClock, {
        onMessage: () => undefined,
        onEnd: ({ reason }) => ended.resolve(reason),
      });
      const call = await bot.call();
      let sent = 0;
      const flood = setInterval(() => {
        for (let n = 0; n < 500 && sent < 30_000; n++, sent++) call.socket[kind]("");
      }, 1);
      assert.equal(await ended.promise, "flooded", kind);
      clearInterval(flood);
      await conversation.close("{}", 1008, "flooded");
      bot.stop();
    }
  });

  it("is not opened to what leads inside, also by a name", async () => {
    const bot = await startBot();
    const port = new URL(bot.url).port;
    const guarded = createEgress({
      ...{ clock: systemClock, allowPrivate: false },
      resolve: () => Promise.resolve(["127.0.0.1"]),
    });
    for (const host of ["127.0.0.1", "bot.example", "[::1]", "169.254.169.254"]) {
      const url = `ws://${host}:${port}/`;
      const opened = { url, headers: {}, timeoutMs: 2000, messageBytesMax: 1000 };
      await assert.rejects(guarded.openWebSocket(opened), { fault: "blocked" });
      await assert.rejects(guarded.checkSocketUrl(url, "url"), { code: "webhooks.url_not_allowed" });
    }
    await assert.rejects(guarded.checkSocketUrl("https://bot.example/", "url"), /ws:\/\/ or wss:\/\//);
    assert.equal(bot.calls.length, 0);
    bot.stop();
  });

  it("goes to the very address that was checked, whatever the name says by then", async () => {
    const bot = await startBot();
    const { port } = new URL(bot.url);
    const rebinding = createEgress({
      ...{ clock: systemClock, allowPrivate: true },
      resolve: () => Promise.resolve(["127.0.0.1"]),
    });
    const opened = { headers: {}, timeoutMs: 2000, messageBytesMax: 1000 };
    // No name server knows it: nobody else was asked.
    const socket = await rebinding.openWebSocket({ url: `ws://bot.example:${port}/`, ...opened });
    assert.equal((await bot.call()).headers.host, `bot.example:${port}`);
    socket.terminate();
    bot.stop();
  });
});

describe("streams: what a bot says", () => {
  it("is audio, a mark or a clear, and anything else is nothing", () => {
    const media = { event: "media", streamSid: "x", media: { payload: "/38=", track: "outbound" } };
    assert.deepEqual(readBotMessage(JSON.stringify(media)), {
      kind: "media",
      payload: Buffer.from([0xff, 0x7f]),
    });
    assert.deepEqual(readBotMessage('{"event":"mark","mark":{"name":"a"}}'), { kind: "mark", name: "a" });
    assert.deepEqual(readBotMessage('{"event":"clear"}'), { kind: "clear" });
    for (const text of [
      ...["", "null", "[]", "7", '"clear"', "{", '{"event":7}', '{"event":"stop"}', '{"event":"mark"}'],
      ...['{"event":"media","media":{"payload":7}}', '{"event":"media","media":[]}'],
      JSON.stringify({ event: "mark", mark: { name: "n".repeat(257) } }),
    ])
      assert.equal(readBotMessage(text), null, text);
  });
});
