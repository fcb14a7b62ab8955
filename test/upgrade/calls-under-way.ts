import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { startBot } from "../peers/bot.ts";
import { VoiceServer } from "../peers/voice-server.ts";
import { eventually } from "../peers/waiting.ts";
import { wavSeconds, type ApiCall } from "../world/customer.ts";
import { nairobi } from "../world/world.ts";
import type { RollingWorld } from "./rolling-world.ts";

const wanjiru = "+254700000001";
const otieno = "+254700000002";
/** Presses, and so sends back, each digit that it is sent. */
const echo = "+254700000004";
const hangsUpAfter47s = "+254700000147";
const ringsForEver = "+254700000180";
/** How far a recording may be from its leg, seconds. */
const recordedApartMax = 1.1;

type Bot = Awaited<ReturnType<typeof startBot>>;

interface UnderWay {
  what: string;
  ids: readonly string[];
  /** By a clock, on a slow machine perhaps sooner than it is looked at. */
  endsByItself?: true;
  /** Brings it to its end, under whoever leads the box by then, and looks at what came of it. */
  finish: () => Promise<void>;
}

/** Calls that one version has begun, each in the middle of something, and that another is to bring to their end. */
export class CallsUnderWay {
  readonly #world: RollingWorld;
  readonly #voice: VoiceServer;
  readonly #bot: Bot;
  readonly #calls: readonly UnderWay[];

  private constructor(world: RollingWorld, voice: VoiceServer, bot: Bot, calls: readonly UnderWay[]) {
    this.#world = world;
    this.#voice = voice;
    this.#bot = bot;
    this.#calls = calls;
  }

  static async begin(world: RollingWorld, led: "old" | "new"): Promise<CallsUnderWay> {
    const voice = await VoiceServer.open();
    const bot = await startBot();
    try {
      return new CallsUnderWay(world, voice, bot, await beginAll(new Caller(world, voice), bot, led));
    } catch (error) {
      bot.stop();
      await voice.close();
      throw error;
    }
  }

  /** They are all there. */
  async check(): Promise<void> {
    for (const { what, ids, endsByItself } of this.#calls)
      for (const id of endsByItself ? [] : ids) {
        const { status } = await this.#world.customer.call(id);
        assert.ok(["ringing", "answered"].includes(status), `${what}: ${status}`);
      }
  }

  async finish(): Promise<void> {
    const outcomes = await Promise.allSettled(
      this.#calls.map(({ what, finish }) =>
        finish().catch((error: unknown) => {
          throw new Error(`${what}: ${String(error)}`, { cause: error });
        }),
      ),
    );
    const failures = outcomes.flatMap((outcome) => (outcome.status === "rejected" ? [outcome.reason] : []));
    await this.close();
    if (failures.length > 0) throw new AggregateError(failures, failures.map(String).join("\n"));
  }

  /** Twice is fine. */
  async close(): Promise<void> {
    this.#bot.stop();
    await this.#voice.close();
  }
}

async function beginAll(caller: Caller, bot: Bot, led: "old" | "new"): Promise<UnderWay[]> {
  const { world } = caller;
  // A room is on one box, and who comes by another is refused.
  await world.told(led, "box", "drain", world.boxes[1]);
  // An API node knows of it within a second or so.
  await sleep(2_500);
  const room = await conference(caller);
  await world.told(led, "box", "undrain", world.boxes[1]);
  await sleep(2_500);
  return Promise.all([
    ...[room, talking(caller), ringing(caller), collecting(caller), joined(caller)],
    ...[recording(caller), waiting(caller), streaming(caller, bot)],
  ]);
}

class Caller {
  readonly world: RollingWorld;
  readonly voice: VoiceServer;
  #placed = 0;

  constructor(world: RollingWorld, voice: VoiceServer) {
    this.world = world;
    this.voice = voice;
  }

  place(to: string, more: Record<string, unknown>): Promise<string> {
    const path = `/call-${this.#placed++}`;
    return this.world.customer.place({
      ...{ from: nairobi, to, events_url: this.world.inbox.url, voice_callback_url: this.voice.url(path) },
      ...more,
    });
  }

  answered = (id: string): Promise<ApiCall> =>
    this.until(id, "its answer", (call) => call.status === "answered");
  event = (id: string, kind: string): Promise<ApiCall> =>
    this.until(id, kind, ({ events }) => events.some((event) => event.kind === kind));
  until = (id: string, what: string, when: (call: ApiCall) => boolean): Promise<ApiCall> =>
    this.world.customer.until(id, what, when, 60_000);

  async press(id: string, digits: string): Promise<void> {
    const { status } = await this.world.customer.ask("POST", `/v1/calls/${id}/digits`, { body: { digits } });
    assert.equal(status, 202);
  }

  /** Such a thing is in the document as it is stored. */
  stored = (id: string, text: string): Promise<unknown> =>
    eventually(`${text} in the document of ${id}`, async () => {
      const [row] = await this.world.byHand(`SELECT document FROM calls WHERE id = '${id}'`);
      return String(row?.["document"]).includes(text) || undefined;
    });

  async completed(id: string): Promise<ApiCall> {
    const call = await this.world.customer.ended(id, 60_000);
    assert.equal(call.status, "completed", JSON.stringify(call));
    return call;
  }
}

const count = (call: ApiCall, kind: string): number =>
  call.events.filter((event) => event.kind === kind).length;

async function talking(caller: Caller): Promise<UnderWay> {
  const { customer } = caller.world;
  const id = await caller.place(wanjiru, { record: true });
  await caller.answered(id);
  return {
    ...{ what: "a call that talks, and is recorded", ids: [id] },
    async finish() {
      await customer.hangUp(id);
      const { legs } = await caller.completed(id);
      const leg = legs[0]!;
      const seconds = (Date.parse(leg.ended_at!) - Date.parse(leg.answered_at!)) / 1000;
      const recorded = wavSeconds(await customer.download(id, leg.recording_ids[0]!));
      assert.ok(Math.abs(recorded - seconds) < recordedApartMax, `${recorded} s of ${seconds}`);
    },
  };
}

async function ringing(caller: Caller): Promise<UnderWay> {
  const { customer } = caller.world;
  const id = await caller.place(ringsForEver, { ring_timeout_seconds: 120 });
  await caller.until(id, "ringing", (call) => call.status === "ringing");
  return {
    ...{ what: "a call that rings", ids: [id] },
    async finish() {
      await customer.hangUp(id);
      const call = await customer.ended(id, 60_000);
      assert.deepEqual([call.answered_at, call.cost_minor], [null, 0]);
    },
  };
}

async function collecting(caller: Caller): Promise<UnderWay> {
  const id = await caller.place(echo, { actions: [{ getDigits: { numDigits: 4, timeout: 60 } }] });
  await caller.answered(id);
  await caller.press(id, "12");
  await caller.stored(id, `"12"`);
  return {
    ...{ what: "getDigits with two of four digits", ids: [id] },
    async finish() {
      await caller.press(id, "34");
      const { body } = await caller.voice.question(id, "call.digits", 30_000);
      assert.equal(body.data?.["digits"], "1234");
      await caller.world.customer.hangUp(id);
      await caller.completed(id);
    },
  };
}

async function joined(caller: Caller): Promise<UnderWay> {
  const actions = [{ dial: { number: hangsUpAfter47s, record: "from-answer" } }, { wait: { seconds: 1 } }];
  const id = await caller.place(wanjiru, { actions });
  await caller.event(id, "leg.bridged");
  return {
    ...{ what: "a dial that talks", ids: [id], endsByItself: true },
    async finish() {
      await caller.event(id, "document.ended");
      const call = await caller.completed(id);
      assert.deepEqual([count(call, "call.dial_completed"), call.legs.length], [1, 2]);
    },
  };
}

async function recording(caller: Caller): Promise<UnderWay> {
  const id = await caller.place(echo, { actions: [{ record: { maxLength: 120, finishOnKey: "#" } }] });
  await caller.event(id, "recording.started");
  return {
    ...{ what: "a record that goes on", ids: [id] },
    async finish() {
      await caller.press(id, "#");
      const { body } = await caller.voice.question(id, "call.recorded", 30_000);
      assert.equal(body.data?.["finish_key"] ?? body.data?.["ended_by"] ?? "#", "#");
      await caller.world.customer.hangUp(id);
      await caller.completed(id);
    },
  };
}

async function waiting(caller: Caller): Promise<UnderWay> {
  const actions = [{ wait: { seconds: 40 } }, { play: { url: caller.world.inbox.promptUrl } }];
  const id = await caller.place(otieno, { actions });
  await caller.event(id, "action.started");
  return {
    ...{ what: "a wait before a prompt", ids: [id], endsByItself: true },
    async finish() {
      const call = await caller.event(id, "document.ended");
      assert.deepEqual([count(call, "action.started"), count(call, "play.finished")], [2, 1]);
      await caller.completed(id);
    },
  };
}

async function streaming(caller: Caller, bot: Bot): Promise<UnderWay> {
  const id = await caller.place(wanjiru, { actions: [{ stream: { url: bot.url, connect: true } }] });
  const first = await bot.call();
  await first.until("audio", () => first.of("media").length > 10);
  return {
    ...{ what: "a stream to a bot", ids: [id] },
    async finish() {
      const last = bot.calls.at(-1)!;
      assert.ok(bot.calls.length > 1 && last.of("start").length === 1, "it was opened anew");
      const heard = last.of("media").length;
      await last.until("audio goes on", () => last.of("media").length > heard + 10);
      await caller.world.customer.hangUp(id);
      await caller.completed(id);
    },
  };
}

async function conference(caller: Caller): Promise<UnderWay> {
  const { customer } = caller.world;
  const actions = [{ conference: { name: "baraza" } }];
  const ids = [await caller.place(wanjiru, { actions }), await caller.place(otieno, { actions })];
  for (const id of ids) await caller.event(id, "conference.joined");
  return {
    ...{ what: "a conference of two", ids },
    async finish() {
      const [first = "", second = ""] = ids;
      for (const id of ids) {
        const call = await customer.call(id);
        assert.deepEqual([count(call, "conference.joined"), count(call, "conference.left")], [1, 0]);
      }
      await customer.hangUp(first);
      await caller.completed(first);
      await customer.hangUp(second);
      const call = await caller.completed(second);
      assert.equal(count(call, "conference.left"), 1);
    },
  };
}
