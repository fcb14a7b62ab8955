import assert from "node:assert/strict";
import type { Document } from "../../engine/actions/document.ts";
import type { CallId } from "../../engine/ids.ts";
import { sideBySide } from "../peers/side-by-side.ts";
import { describeOnSwitch } from "../peers/switch-under-test.ts";
import { VoiceServer } from "../peers/voice-server.ts";
import { EslClient } from "../simulator/switch/esl-client.ts";
import { eventOf, kindsOf, world, type World } from "./world.ts";

/** Sends each key back that it hears: so it presses what the switch is told to send. */
const repeatsDigits = "+254700000004";
const presses12 = "+254700000012";
/** After a second, for three seconds. */
const holdsFive = "+254700000013";

/** Each of these is a row of docs/get-digits.md. */
describeOnSwitch("the action getDigits on the wire", () => {
  let on: World;
  let app: VoiceServer;
  let esl: EslClient;
  before(async () => {
    on = await world();
    app = await VoiceServer.open();
    esl = await EslClient.login(
      on.peer.esl.port,
      on.peer.esl.password,
      "DTMF PLAYBACK_START PLAYBACK_STOP CHANNEL_EXECUTE",
    );
    app.answer("/voice call.digits", { actions: [{ hangup: {} }] });
  });
  after(async () => {
    esl.close();
    await app.close();
    await on.end();
  });
  const together = sideBySide(20);

  const place = (to: string, ...actions: Document) =>
    on.place({ to, actions, voiceCallbackUrl: app.url("/voice") });
  const legOf = async (callId: CallId) => (await on.view(callId)).legs[0]!.id;
  /** One after another: the client takes the next answer for its own. */
  let pressed = Promise.resolve();
  function presses(callId: CallId, digits: string): Promise<void> {
    pressed = pressed.then(async () => {
      const leg = (await on.view(callId)).legs[0]!.id;
      assert.match(await esl.api(`uuid_send_dtmf ${leg} ${digits}`), /^\+OK/);
    });
    return pressed;
  }
  /** The answered call's question, after which it is hung up. */
  async function digits(callId: CallId) {
    const { body } = await app.question(callId, "call.digits", 20_000);
    const typed = body.data?.["digits"];
    assert.equal(body["Digits"], typed);
    const call = await on.ended(callId);
    assert.equal(app.ofCall(callId).filter(({ body: { kind } }) => kind === "call.digits").length, 1);
    const askedAtMs = Date.parse(eventOf(call, "call.digits").occurred_at);
    return { typed, call, askedAtMs };
  }
  /** Never before, and on a busy machine somewhat later. */
  const afterMs = (value: number, wanted: number) =>
    assert.ok(value >= wanted - 50 && value <= wanted + 900, `${value} ms is not ${wanted} ms`);
  const stampMs = (fields: Record<string, string>) => Number(fields["Event-Date-Timestamp"]) / 1000;

  together("first digit: waits its timeout after the end of the prompt", async () => {
    const id = await place(repeatsDigits, {
      getDigits: { timeout: 2, nested: [{ play: { url: on.promptUrl } }] },
    });
    const { typed, call, askedAtMs } = await digits(id);
    assert.equal(typed, "");
    afterMs(askedAtMs - Date.parse(eventOf(call, "play.finished").occurred_at), 2000);
  });

  together("between digits: waits its timeout anew after each", async () => {
    const id = await place(repeatsDigits, { getDigits: { timeout: 2 } });
    await on.event(id, "action.started");
    await presses(id, "1w2");
    const { typed, askedAtMs } = await digits(id);
    assert.equal(typed, "12");
    const last = await esl.event("DTMF", { "Unique-ID": await legOf(id), "DTMF-Digit": "2" });
    afterMs(askedAtMs - stampMs(last), 2000);
  });

  together("barge-in: the first digit breaks the prompt off within 200 ms", async () => {
    const id = await place(repeatsDigits, {
      getDigits: { numDigits: 2, nested: [{ play: { url: on.promptUrl, loop: 20 } }] },
    });
    const leg = await legOf(id);
    await on.event(id, "play.started");
    await esl.event("PLAYBACK_START", { "Unique-ID": leg });
    await presses(id, "4");
    const digit = await esl.event("DTMF", { "Unique-ID": leg });
    const stop = await esl.event("PLAYBACK_STOP", { "Unique-ID": leg });
    assert.equal(stop["Playback-Status"], "break");
    const tookMs = stampMs(stop) - stampMs(digit);
    assert.ok(tookMs >= 0 && tookMs <= 200, `${tookMs} ms`);
    await presses(id, "2");
    assert.equal((await digits(id)).typed, "42");
  });

  together("number of digits: the last one ends it at once", async () => {
    const id = await place(presses12, { getDigits: { numDigits: 2, finishOnKey: "" } });
    const { typed, askedAtMs } = await digits(id);
    assert.equal(typed, "12");
    const last = await esl.event("DTMF", { "Unique-ID": await legOf(id), "DTMF-Digit": "2" });
    afterMs(askedAtMs - stampMs(last), 0);
  });

  together("finish key: ends it at once, and is none of the digits", async () => {
    const id = await place(presses12, { getDigits: {} });
    const { typed, askedAtMs } = await digits(id);
    assert.equal(typed, "12");
    const last = await esl.event("DTMF", { "Unique-ID": await legOf(id), "DTMF-Digit": "#" });
    afterMs(askedAtMs - stampMs(last), 0);
  });

  together("digits during the prompt: all of them count", async () => {
    const id = await place(repeatsDigits, {
      getDigits: { nested: [{ play: { url: on.promptUrl, loop: 20 } }] },
    });
    await on.event(id, "play.started");
    await presses(id, "1234#");
    assert.equal((await digits(id)).typed, "1234");
  });

  together("digits before it: count, and its prompt is not heard", async () => {
    const id = await place(
      repeatsDigits,
      { wait: { seconds: 3 } },
      { getDigits: { numDigits: 2, nested: [{ play: { url: on.promptUrl } }] } },
    );
    await on.event(id, "action.started");
    await presses(id, "12");
    const { typed, call } = await digits(id);
    assert.equal(typed, "12");
    assert.ok(!kindsOf(call).includes("play.started"));
  });

  together("a long press: is one digit, however long it is held", async () => {
    const id = await place(holdsFive, { getDigits: { timeout: 6 } });
    assert.equal((await digits(id)).typed, "5");
  });

  together("digits behind its end: are the next action's", async () => {
    const id = await on.place({
      to: repeatsDigits,
      actions: [{ wait: { seconds: 3 } }, { getDigits: { numDigits: 2 } }, { getDigits: { numDigits: 2 } }],
      voiceCallbackUrl: app.url("/quiet"),
    });
    await on.event(id, "action.started");
    await presses(id, "1234");
    const call = await on.ended(id);
    // Without instructions the second one runs, and has its digits already.
    assert.deepEqual(
      call.events.filter(({ kind }) => kind === "call.digits").map(({ payload }) => payload["digits"]),
      ["12", "34"],
    );
  });

  together(
    "sendDigits: the party hears them in order, and the next action waits until they are out",
    async () => {
      const id = await on.place({ to: repeatsDigits, actions: [{ sendDigits: { digits: "1w2#" } }] });
      const call = await on.ended(id);
      const theirs = (await on.carrier.calls()).filter(({ digits: heard }) => heard === "12#");
      assert.equal(theirs.length, 1, "all of them were out before the hang-up that follows");
      const [began, over] = ["digits.sent", "document.ended"].map((kind) =>
        Date.parse(eventOf(call, kind).occurred_at),
      );
      afterMs(over! - began!, 3 * 640 + 500);
    },
  );
});
