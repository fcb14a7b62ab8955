import assert from "node:assert/strict";
import type { Document } from "../../engine/actions/document.ts";
import { isError } from "../../engine/errors.ts";
import type { CallId } from "../../engine/ids.ts";
import { sideBySide } from "../peers/side-by-side.ts";
import { describeOnSwitch } from "../peers/switch-under-test.ts";
import { inboundWorld, type InboundWorld } from "./inbound-world.ts";
import { interferedBox } from "./interfered-box.ts";
import { kindsOf, nairobi, type SeenCall } from "./world.ts";

const wanjiru = "+254700000001";
const otieno = "+254700000002";
/** Sends back each digit that it is sent. */
const echo = "+254700000004";

/** One that is known again by how many actions it has, and that does not end by itself. */
const documentOf = (actions: number): Document => [
  ...Array.from({ length: actions - 1 }, () => ({ wait: { seconds: 1 } })),
  { wait: { seconds: 600 } },
];
const replacedBy = (call: SeenCall) =>
  call.events.filter(({ kind }) => kind === "document.replaced").map(({ payload }) => payload["actions"]);
/** How many of its actions the last document has begun. */
const begunOfLast = (call: SeenCall) => {
  const kinds = kindsOf(call);
  return kinds.slice(kinds.lastIndexOf("document.replaced")).filter((kind) => kind === "action.started")
    .length;
};

describeOnSwitch("docs/steering.md: a call that is directed by several at once", function () {
  this.timeout(60_000);
  let on: InboundWorld;
  /** Callers are not answered before this; by their leg. */
  const held = Promise.withResolvers<undefined>();
  let answering = 0;
  before(async () => {
    on = await inboundWorld({
      tap: (box) =>
        interferedBox(box, {
          async question(question, _, ask) {
            if (question === "answer") {
              answering++;
              await held.promise;
            }
            return ask();
          },
        }),
    });
  });
  after(() => on.end());
  const concurrently = sideBySide(8);

  async function answered(to = wanjiru): Promise<CallId> {
    const id = await on.place({ to });
    await on.until(id, "its answer", ({ status }) => status === "answered");
    return id;
  }
  async function over(id: CallId): Promise<SeenCall> {
    await on.hangUp(id);
    return on.ended(id);
  }

  concurrently(
    "does the one that was taken last, which its events tell, and begins no other behind it",
    async () => {
      const id = await answered();
      const sizes = [2, 3, 4, 5];
      await Promise.all(sizes.map((size) => on.direct(id, documentOf(size))));
      const last = replacedBy(await on.view(id)).at(-1) as number;
      // The first waits a second; those that were dropped would have begun their second action by then.
      const call = await on.until(id, "its last action", (seen) => begunOfLast(seen) === last);
      assert.deepEqual([...replacedBy(call)].sort(), sizes);
      const first = call.events.filter(({ kind }) => kind === "document.replaced");
      for (const [index, { created_at }] of first.entries())
        assert.ok(index === 0 || created_at >= first[index - 1]!.created_at);
      await over(id);
    },
  );

  concurrently("is hung up, and takes nothing that comes behind that", async () => {
    const id = await answered();
    const sizes = [2, 3, 4];
    const outcomes = await Promise.allSettled([
      ...sizes.map((size) => on.direct(id, documentOf(size))),
      on.hangUp(id),
      on.hangUp(id),
      ...sizes.map((size) => on.direct(id, documentOf(size))),
      on.sendDigits(id, "1"),
      on.record(id, "on"),
    ]);
    for (const outcome of outcomes)
      if (outcome.status === "rejected") assert.ok(isError(outcome.reason, "calls.not_live"));
    await assert.rejects(on.direct(id, documentOf(2)), (error) => isError(error, "calls.not_live"));
    await assert.rejects(on.record(id, "on"), (error) => isError(error, "calls.not_live"));
    const call = await on.ended(id);
    const taken = outcomes.filter(({ status }, index) => status === "fulfilled" && ![3, 4].includes(index));
    const told = kindsOf(call).filter((kind) => kind === "document.replaced" || kind === "digits.sent");
    assert.equal(told.length, taken.length - (call.legs[0]!.recording_ids.length > 0 ? 1 : 0));
  });

  concurrently("sends its party digits in the order in which it was told to", async () => {
    const id = await answered(echo);
    await Promise.all(["1", "2", "3", "4"].map((digit) => on.sendDigits(id, digit)));
    const sent = (await on.view(id)).events
      .filter(({ kind }) => kind === "digits.sent")
      .map(({ payload }) => payload["digits"]);
    assert.equal(sent.length, 4);
    // Echoed, they are the getDigits' in the order in which the party heard them.
    await on.direct(id, [{ getDigits: { numDigits: 4, timeout: 10 } }]);
    const call = await on.event(id, "call.digits");
    const typed = call.events.find(({ kind }) => kind === "call.digits")!.payload["digits"];
    assert.equal(typed, sent.join(""));
    await over(id);
  });

  concurrently("records, or not, as it was told last", async () => {
    const id = await answered();
    await on.record(id, "on");
    await on.event(id, "recording.started");
    const wants = ["paused", "on", "off", "paused", "on"] as const;
    await Promise.allSettled(wants.map((state) => on.record(id, state)));
    const rows = await on.recordingsOf(id);
    const live = rows.filter(({ status }) => ["starting", "recording", "paused"].includes(status));
    assert.ok(live.length <= 1, "one at a time");
    await on.record(id, "off").catch(() => undefined);
    const call = await over(id);
    const of = (kind: string) => kindsOf(call).filter((told) => told === kind).length;
    assert.equal(of("recording.stopped"), call.legs[0]!.recording_ids.length, kindsOf(call).join());
  });

  concurrently("while its voice URL is asked, drops the answer", async () => {
    const slow = Promise.withResolvers<undefined>();
    on.voice.hold("call.digits", slow.promise);
    on.voice.answer("call.digits", [{ dial: { number: otieno } }]);
    const id = await on.place({ to: echo, actions: [{ getDigits: { numDigits: 1, timeout: 20 } }] });
    await on.event(id, "action.started");
    await on.sendDigits(id, "5");
    await on.voice.questionFrom(nairobi, "call.digits");
    await on.direct(id, documentOf(2));
    slow.resolve(undefined);
    const call = await on.event(id, "voice_url.answered");
    assert.equal(begunOfLast(await on.until(id, "its last action", (seen) => begunOfLast(seen) === 2)), 2);
    assert.equal(call.legs.length, 1);
    assert.ok(!kindsOf(await over(id)).includes("dial.started"));
  });

  concurrently("while it rings unanswered, does it unanswered, and at once", async () => {
    on.voice.answer("call.started", [{ wait: { seconds: 100 } }]);
    const { caller, taken } = await on.callIn();
    const id = await taken();
    await on.event(id, "action.started");
    await on.direct(id, [{ reject: { reason: "busy" } }]);
    await on.ended(id);
    assert.equal((await caller(({ ended_at }) => ended_at !== null)).status, 486);
  });

  concurrently("while it is being answered, begins what came last after the answer", async () => {
    on.voice.answer("call.started", [{ wait: { seconds: 1 } }, { getDigits: { numDigits: 1 } }]);
    const before = answering;
    const { taken } = await on.callIn();
    const id = await taken();
    await on.until(id, "its answering", () => answering > before);
    await on.direct(id, [{ sendDigits: { digits: "1" } }, { hangup: {} }]);
    held.resolve(undefined);
    const call = await on.ended(id);
    const verbs = call.events
      .filter(({ kind }) => kind === "action.started")
      .map(({ payload }) => payload["verb"]);
    assert.deepEqual(verbs, ["wait", "sendDigits", "hangup"]);
  });

  concurrently(
    "while what it was doing is being dropped, does what came last once that has ended",
    async () => {
      const id = await on.place({ to: wanjiru, actions: [{ dial: { number: otieno } }] });
      await on.event(id, "leg.bridged");
      await Promise.all([on.direct(id, documentOf(3)), on.direct(id, documentOf(4))]);
      const last = replacedBy(await on.view(id)).at(-1) as number;
      const call = await on.until(id, "its last action", (seen) => begunOfLast(seen) === last);
      const kinds = kindsOf(call);
      assert.ok(kinds.indexOf("leg.ended") < kinds.lastIndexOf("action.started"));
      assert.equal(kinds.filter((kind) => kind === "action.started").length, 1 + last);
      await over(id);
    },
  );
});
