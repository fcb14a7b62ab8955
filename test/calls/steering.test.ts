import assert from "node:assert/strict";
import { isError } from "../../engine/errors.ts";
import { sideBySide } from "../peers/side-by-side.ts";
import { describeOnSwitch } from "../peers/switch-under-test.ts";
import { eventOf, kindsOf, world, type World } from "./world.ts";

const wanjiru = "+254700000001";
const otieno = "+254700000002";
/** Sends back each digit that it is sent. */
const echo = "+254700000004";
const ringsOn = "+254700000180";
const answersLate = "+254700000003";

describeOnSwitch("a call that is directed while it runs", function () {
  this.timeout(40_000);
  let on: World;
  let numbers = 0;
  before(async () => {
    on = await world();
  });
  after(() => on.end());
  const concurrently = sideBySide(6);

  /** From a number of its own, so that the carrier's account of it can be told from others'. */
  async function calling(call: Parameters<World["place"]>[0]) {
    const from = await on.number(`+2542000003${String(++numbers).padStart(2, "0")}`);
    return { id: await on.place(call, from), ...from };
  }
  const answered = (id: Parameters<World["until"]>[0]) =>
    on.until(id, "its answer", ({ status }) => status === "answered");

  concurrently("drops a prompt at once, and does what it is told", async () => {
    const { id, workspaceId } = await calling({
      to: wanjiru,
      actions: [{ play: { url: on.promptUrl, loop: 20 } }],
    });
    await on.event(id, "play.started");
    await on.direct(id, [{ wait: { seconds: 1 } }, { hangup: {} }], workspaceId);
    const call = await on.ended(id);
    assert.deepEqual(kindsOf(call).slice(kindsOf(call).indexOf("document.replaced")).slice(0, 3), [
      ...["document.replaced", "action.started", "action.started"],
    ]);
    assert.ok(!kindsOf(call).includes("play.finished"));
  });

  concurrently("drops a wait, of which nothing wakes the new document", async () => {
    const { id, workspaceId } = await calling({ to: wanjiru, actions: [{ wait: { seconds: 2 } }] });
    await on.event(id, "action.started");
    await on.direct(id, [{ wait: { seconds: 4 } }], workspaceId);
    const call = await on.ended(id);
    const replaced = Date.parse(eventOf(call, "document.replaced").occurred_at);
    assert.ok(Date.parse(eventOf(call, "document.ended").occurred_at) - replaced >= 4_000);
  });

  concurrently("leaves a talk, and goes on alone once the other has gone", async () => {
    const { id, workspaceId } = await calling({ to: wanjiru, actions: [{ dial: { number: otieno } }] });
    await on.event(id, "leg.bridged");
    await on.direct(id, [{ play: { url: on.promptUrl } }, { hangup: {} }], workspaceId);
    const call = await on.ended(id);
    const kinds = kindsOf(call);
    assert.ok(kinds.includes("play.finished"), kinds.join());
    assert.ok(kinds.indexOf("leg.ended") < kinds.indexOf("play.started"));
    assert.equal(call.legs[0]!.hangup_cause, "normal_clearing");
  });

  concurrently("directed twice while it leaves a talk, waits for its end all the same", async () => {
    const { id, workspaceId } = await calling({ to: wanjiru, actions: [{ dial: { number: otieno } }] });
    await on.event(id, "leg.bridged");
    await on.direct(id, [{ wait: { seconds: 600 } }], workspaceId);
    await on.direct(id, [{ play: { url: on.promptUrl } }, { hangup: {} }], workspaceId);
    const kinds = kindsOf(await on.ended(id));
    const since = kinds.slice(kinds.lastIndexOf("document.replaced"));
    assert.ok(since.indexOf("leg.ended") < since.indexOf("action.started"), since.join());
  });

  concurrently("gives up whom it rings", async () => {
    const { id, workspaceId } = await calling({ to: wanjiru, actions: [{ dial: { number: ringsOn } }] });
    await on.until(id, "both legs", ({ legs }) => legs[1]?.status === "ringing");
    await on.direct(id, [{ play: { url: on.promptUrl } }], workspaceId);
    const call = await on.ended(id);
    assert.equal(call.legs[1]!.status, "canceled");
    assert.equal(call.legs[1]!.cost_minor, 0);
    assert.ok(kindsOf(call).includes("play.finished"));
  });

  concurrently("before its answer does so then", async () => {
    const { id, workspaceId } = await calling({ to: answersLate, actions: [{ wait: { seconds: 600 } }] });
    await on.until(id, "its ringing", ({ status }) => status === "ringing");
    await on.direct(id, [{ wait: { seconds: 1 } }], workspaceId);
    const call = await on.ended(id);
    assert.deepEqual(kindsOf(call).filter((kind) => kind === "action.started").length, 1);
    assert.ok(call.duration_seconds <= 5, `${call.duration_seconds} s`);
  });

  concurrently("that has no document begins one", async () => {
    const { id, workspaceId } = await calling({ to: wanjiru });
    await answered(id);
    await on.direct(id, [{ hangup: {} }], workspaceId);
    assert.equal((await on.ended(id)).hangup_cause, "normal_clearing");
  });

  concurrently("twice at once does what came later", async () => {
    const { id, workspaceId } = await calling({ to: wanjiru });
    await answered(id);
    const saying = (text: string) => [{ wait: { seconds: 1 } }, { say: { text, language: "sw-KE" } }];
    await Promise.all([
      on.direct(id, saying("Moja"), workspaceId),
      on.direct(id, [...saying("Mbili"), { hangup: {} }], workspaceId),
    ]);
    const call = await on.ended(id);
    // Either may have been taken first (of two transactions PostgreSQL decides): the call says which.
    const replaced = call.events.filter(({ kind }) => kind === "document.replaced");
    const [dropped, stayed] = replaced.map(({ payload }) => (payload["actions"] === 2 ? "Moja" : "Mbili"));
    assert.notEqual(dropped, stayed);
    assert.deepEqual(
      call.events.filter(({ kind }) => kind === "say.started").map(({ payload }) => payload["text"]),
      [stayed],
    );
  });

  concurrently("may dial nobody whom the workspace may not", async () => {
    const { id, workspaceId } = await calling({ to: wanjiru });
    await answered(id);
    const dial = (number: string) => on.direct(id, [{ dial: { number } }], workspaceId);
    await assert.rejects(dial("+12125550100"), (error) => isError(error, "calls.destination_not_allowed"));
    assert.ok(!kindsOf(await on.view(id)).includes("document.replaced"));
    await on.hangUp(id, workspaceId);
    await on.ended(id);
  });

  concurrently("is refused once it has ended, or is about to", async () => {
    const { id, workspaceId } = await calling({ to: wanjiru });
    await answered(id);
    await on.hangUp(id, workspaceId);
    const late = () => on.direct(id, [{ wait: { seconds: 1 } }], workspaceId);
    await assert.rejects(late(), (error) => isError(error, "calls.not_live"));
    await on.ended(id);
    await assert.rejects(late(), (error) => isError(error, "calls.not_live"));
    await assert.rejects(on.sendDigits(id, "1", workspaceId), (error) => isError(error, "calls.not_live"));
  });

  concurrently("sends digits to its party, and hears those that come back", async () => {
    const { id, workspaceId, e164 } = await calling({
      to: echo,
      actions: [{ getDigits: { numDigits: 4, timeout: 20 } }, { wait: { seconds: 600 } }],
    });
    await on.event(id, "action.started");
    await on.sendDigits(id, "1w2#", workspaceId);
    const call = await on.event(id, "call.digits");
    // `#` ended it.
    assert.equal(eventOf(call, "call.digits").payload["digits"], "12");
    assert.equal((await on.carrier.callFrom(e164, ({ digits }) => digits.length >= 3)).digits, "12#");
    await on.hangUp(id, workspaceId);
    await on.ended(id);
  });

  concurrently("drops digits typed before, and keeps those typed since for a later getDigits", async () => {
    const { id, workspaceId, e164 } = await calling({ to: echo, actions: [{ wait: { seconds: 600 } }] });
    await answered(id);
    await on.sendDigits(id, "75", workspaceId);
    await on.carrier.callFrom(e164, ({ digits }) => digits === "75");
    // Sent back, they are nowhere to be seen until somebody takes them.
    await on.clock.sleep(2_500);
    await on.direct(
      id,
      [{ sendDigits: { digits: "3" } }, { getDigits: { numDigits: 1 } }, { hangup: {} }],
      workspaceId,
    );
    const call = await on.ended(id);
    assert.equal(eventOf(call, "call.digits").payload["digits"], "3");
  });

  concurrently("sends no digits before its answer", async () => {
    const { id, workspaceId } = await calling({ to: ringsOn });
    await on.until(id, "its ringing", ({ status }) => status === "ringing");
    await assert.rejects(on.sendDigits(id, "1", workspaceId), (error) => isError(error, "calls.not_live"));
    await on.hangUp(id, workspaceId);
    await on.ended(id);
  });

  it("rings nobody for a dial that was dropped before it was sent", async () => {
    const { id, workspaceId, e164 } = await calling({ to: wanjiru, actions: [{ wait: { seconds: 600 } }] });
    await on.event(id, "action.started");
    await on.stopController();
    await on.direct(id, [{ dial: { number: otieno } }], workspaceId);
    await on.direct(id, [{ wait: { seconds: 1 } }], workspaceId);
    await on.control();
    const call = await on.ended(id);
    assert.equal(call.legs[1]!.status, "canceled");
    const rung = (await on.carrier.calls()).filter(({ from }) => from === e164);
    assert.deepEqual(
      rung.map(({ number }) => number),
      [wanjiru],
    );
  });
});
