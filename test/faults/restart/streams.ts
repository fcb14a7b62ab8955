import assert from "node:assert/strict";
import { startBot, type BotCall } from "../../peers/bot.ts";
import { checkThen, ready, then, type Row, type RowCall } from "./row.ts";

type Bot = Awaited<ReturnType<typeof startBot>>;

const act =
  (play: (call: RowCall, bot: Bot) => Promise<void>): Row["act"] =>
  async (call) => {
    const bot = await startBot();
    try {
      await play(call, bot);
    } finally {
      bot.stop();
    }
  };

const stream = (bot: Bot) => ({ stream: { url: bot.url } });
const hears = (seen: BotCall) => seen.until("audio", () => seen.of("media").length > 5);

/** It is told whether it was opened before, hears, and closes: the next action runs. */
async function checkBot(call: RowCall, seen: BotCall, resumed: boolean): Promise<void> {
  await hears(seen);
  assert.equal(seen.of("start")[0]!.start!["resumed"], resumed);
  seen.socket.close();
  await checkThen(call, ["stream", "call.stream_ended bot_closed"]);
}

export const resting: Row[] = [
  {
    verb: "stream",
    moment: "runs, and the caller is there when the next one comes",
    then: "the WebSocket is opened anew (`resumed`); what was said meanwhile is not heard by the bot",
    act: act(async (call, bot) => {
      await ready(call);
      await call.direct([stream(bot), then(call)]);
      await hears(await bot.call());
      await call.dies();
      await call.returns();
      await checkBot(call, await bot.call(2), true);
    }),
  },
  {
    verb: "stream",
    moment: "runs, and the caller has hung up when the next one comes",
    then: "it is told by `hangup`, opened to nobody, and nothing follows",
    act: act(async (call, bot) => {
      await ready(call);
      await call.direct([stream(bot), then(call)]);
      await hears(await bot.call());
      await call.dies();
      await call.hangsUp();
      await call.returns();
      assert.deepEqual(call.story(await call.ended()), [
        ...["document.replaced", "stream", "call.stream_ended hangup", "call.completed"],
      ]);
      assert.equal(bot.calls.length, 1);
    }),
  },
];

export const unsent: Row[] = [
  {
    verb: "stream",
    moment: "is decided, and the switch not asked for the audio",
    then: "the WebSocket is opened anew, and the bot hears the caller",
    act: act(async (call, bot) => {
      await ready(call);
      await call.apart();
      await call.direct([stream(bot), then(call)]);
      await call.event("action.started");
      await call.dies();
      const before = bot.calls.length;
      await call.returns();
      const seen = await bot.call(before + 1);
      await hears(seen);
      seen.socket.close();
      await checkThen(call, ["stream", "call.stream_ended bot_closed"]);
    }),
  },
];

export const told: Row[] = [
  {
    verb: "stream",
    moment: "asks the switch for the audio, which does not arrive",
    then: "the WebSocket is opened anew (`resumed`), and the audio asked for again",
    act: act(async (call, bot) => {
      await ready(call);
      const held = await call.held(/^sendmsg[^]*unicast/, () => call.direct([stream(bot), then(call)]));
      await call.dies();
      held.let("drop");
      await call.returns();
      await checkBot(call, await bot.call(2), true);
    }),
  },
];
