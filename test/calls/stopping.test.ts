import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { LeaseLost } from "../../engine/boxes/fenced-store.ts";
import { SautikitError } from "../../engine/errors.ts";
import { createSipAgent } from "../../engine/simulator/sip/agent.ts";
import { issueRelay } from "../../engine/store/relays.ts";
import type { Store } from "../../engine/store/store.ts";
import { startBot } from "../peers/bot.ts";
import { describeOnSwitch } from "../peers/switch-under-test.ts";
import { eventually } from "../peers/waiting.ts";
import { interferedBox, type Interference } from "./interfered-box.ts";
import { eventOf, kindsOf, world, type World } from "./world.ts";

const wanjiru = "+254700000001";
const hangsUpAfter3s = "+254700000103";
const ringsLong = "+254700000180";

describeOnSwitch("a controller that stops, or is to stop", function () {
  this.timeout(60_000);
  let on: World;
  let bot: Awaited<ReturnType<typeof startBot>>;
  /** How many controllers there were. */
  let terms = 0;
  /** What comes of a write of the controller of that term; null: it is stored. */
  let refusal: (term: number) => Error | null = () => null;
  let refused = 0;
  let question: NonNullable<Interference["question"]> = (_question, _leg, ask) => ask();
  /** Each of them would end the product's process. */
  const unhandled: unknown[] = [];
  const note = (reason: unknown) => void unhandled.push(reason);
  before(async () => {
    process.on("unhandledRejection", note);
    on = await world({
      tapStore,
      devices: true,
      tap: (box) => interferedBox(box, { question: (...asked) => question(...asked) }),
      expectedErrors:
        /news of a leg could not be stored|a step's fact could not be stored|an outcome was lost/,
    });
  });
  after(async () => {
    process.off("unhandledRejection", note);
    await on.end();
  });
  beforeEach(async () => {
    bot = await startBot();
  });
  afterEach(async () => {
    bot.stop();
    refusal = () => null;
    question = (_question, _leg, ask) => ask();
    await on.control();
  });

  function tapStore(store: Store): Partial<Store> {
    const term = ++terms;
    return {
      async write(work) {
        const error = refusal(term);
        if (error === null) return store.write(work);
        refused++;
        throw error;
      },
    };
  }
  const nowRefused = () => {
    const before = refused;
    return eventually("a write that is refused", () => refused > before || undefined, { everyMs: 10 });
  };

  /** A call that talks with the bot. */
  async function streaming(to: string) {
    const id = await on.place({ to, actions: [{ stream: { url: bot.url } }, { wait: { seconds: 1 } }] });
    const seen = await bot.call();
    await seen.until("audio", () => seen.of("media").length > 5);
    return { id, seen };
  }
  /** The stream was opened once, and is told to have ended so; and no process would have died of it. */
  async function checkTold(id: Awaited<ReturnType<World["place"]>>, reason: string): Promise<void> {
    const call = await on.ended(id);
    assert.equal(eventOf(call, "call.stream_ended").payload["reason"], reason);
    assert.equal(kindsOf(call).filter((kind) => kind === "call.stream_ended").length, 1);
    assert.equal(bot.calls.length, 1);
    assert.deepEqual(unhandled.splice(0), []);
  }

  it("lives through the hang-up of a stream's party that comes once its box is another's", async () => {
    const { id, seen } = await streaming(hangsUpAfter3s);
    const mine = terms;
    refusal = (term) => (term === mine ? new LeaseLost({ name: "box", fence: term }) : null);
    await seen.until("end", () => seen.closed !== null);
    await on.control();
    await checkTold(id, "hangup");
  });

  it("stops in order while the database is away and a stream's party has hung up", async () => {
    const { id, seen } = await streaming(hangsUpAfter3s);
    refusal = () => new SautikitError("database.unavailable");
    await seen.until("end", () => seen.closed !== null);
    await nowRefused();
    await on.stopController();
    refusal = () => null;
    await on.control();
    await checkTold(id, "hangup");
  });

  it("keeps that a bot has closed its stream, also where it does so during the stop", async () => {
    const sent = Promise.withResolvers<unknown>();
    const held = Promise.withResolvers<unknown>();
    question = async (asked, _leg, ask) => {
      if (asked === "play") {
        sent.resolve(null);
        await held.promise;
      }
      return ask();
    };
    const { id, seen } = await streaming(wanjiru);
    // What is on its way to the switch is waited for.
    const other = await on.place({ to: wanjiru, actions: [{ play: { url: on.promptUrl } }] });
    await sent.promise;
    const stopped = on.stopController();
    seen.socket.close(4001, "bye");
    await seen.until("end", () => seen.closed !== null);
    held.resolve(null);
    await stopped;
    await on.control();
    await checkTold(id, "bot_closed");
    await on.ended(other);
  });

  it("rings a device for another box whose ticket it has used up, before it leaves", async () => {
    const { clock, ids, store, peer } = on;
    const host = "127.0.0.1";
    const agent = await createSipAgent({ host, port: 0, clock, ids });
    let rings = 0;
    agent.onInvite((call) => {
      call.ring();
      rings++;
    });
    try {
      const id = await on.place({ to: ringsLong });
      const { legs } = await on.until(id, "ringing", ({ status }) => status === "ringing");
      const ticket = "A".repeat(32);
      const contact = `sofia/devices/sip:asha@${host}:${agent.port};fs_nat=yes;fs_path=sip%3A${host}%3A${agent.port}`;
      const relay = { ticket, legId: legs[0]!.id, box: "box", contact, encrypted: null, ringSeconds: 30 };
      await store.write((tx) => issueRelay(tx, relay, clock.nowMs()));
      const asked = Promise.withResolvers<unknown>();
      const held = Promise.withResolvers<unknown>();
      question = async (what, _leg, ask) => {
        if (what === "ringFor") {
          asked.resolve(null);
          await held.promise;
        }
        return ask();
      };
      const headers = { "X-Sautikit-Relay": ticket };
      agent.invite({ user: "device", host: peer.sip.host, port: peer.sip.port, fromUser: wanjiru, headers });
      await asked.promise;
      const stopped = on.stopController();
      await sleep(300);
      held.resolve(null);
      await stopped;
      await eventually("the device's ringing", () => rings > 0 || undefined, { withinMs: 3_000 });
      await on.control();
      await on.hangUp(id);
      await on.ended(id);
    } finally {
      await agent.close();
    }
  });
});
