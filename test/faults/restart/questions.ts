import assert from "node:assert/strict";
import { checkThen, ready, then, type Row } from "./row.ts";

export const resting: Row[] = [
  {
    verb: "redirect",
    moment: "has asked, and has no answer yet",
    then: "it asks again, with the same `event_id`",
    async act(call) {
      call.answers("never", { actions: [then(call)] });
      await ready(call);
      await call.direct([{ redirect: { url: call.voiceUrl() } }]);
      await call.until("the question", () => call.asked("call.redirected").length === 1);
      await call.dies();
      await call.returns();
      await checkThen(call, ["redirect", "call.redirected"]);
      call.checkAskedTwice("call.redirected");
    },
  },
  {
    verb: "getDigits",
    moment: "has asked, and the answer came and was not stored",
    then: "the digits are asked again, with the same `event_id`, and what is answered then is done",
    async act(call) {
      const first = Promise.withResolvers<object>();
      call.answers(first.promise, { actions: [then(call)] });
      await ready(call);
      await call.direct([{ getDigits: { numDigits: 1 } }]);
      await call.presses("4");
      await call.until("the question", () => call.asked("call.digits").length === 1);
      await call.dies(() => first.resolve({ actions: [{ hangup: {} }] }));
      await call.returns();
      await checkThen(call, ["getDigits", "call.digits 4"]);
      call.checkAskedTwice("call.digits");
    },
  },
];

export const unsent: Row[] = [
  {
    verb: "hangup",
    moment: "is decided, and not sent",
    then: "the call is hung up",
    async act(call) {
      await ready(call);
      await call.apart();
      await call.direct([{ hangup: {} }]);
      await call.dies();
      await call.returns();
      const ended = await call.ended();
      assert.deepEqual(call.story(ended), ["document.replaced", "hangup", "call.completed"]);
    },
  },
  {
    verb: "any",
    moment: "is replaced by two documents at once, and neither has begun",
    then: "the later one stays: the one whose `document.replaced` stands last",
    async act(call) {
      await ready(call);
      await call.apart();
      await Promise.all([
        call.direct([{ play: { url: call.tone(700, 2) } }]),
        call.direct([{ play: { url: call.tone(1_100, 2) } }, { hangup: {} }]),
      ]);
      await call.dies();
      await call.returns();
      const ended = await call.ended();
      const replaced = ended.events.filter(({ kind }) => kind === "document.replaced");
      const [stays, dropped] = replaced.at(-1)!.payload["actions"] === 2 ? [1_100, 700] : [700, 1_100];
      const party = await call.party();
      assert.ok(party.seconds(stays) >= 1, "the later one is heard");
      assert.equal(party.seconds(dropped), 0, "the other one is not");
    },
  },
  {
    verb: "any",
    moment: "is replaced by one document, and by another under the next controller",
    then: "the later one stays",
    async act(call) {
      await ready(call);
      await call.apart();
      await call.direct([{ play: { url: call.tone(700, 20) } }]);
      await call.dies();
      await call.returns();
      await call.direct([then(call)]);
      const ended = await call.ended();
      const story = call.story(ended);
      assert.deepEqual(story.slice(-4), ["play", "play.finished", "document.ended", "call.completed"]);
      assert.equal(story.filter((what) => what === "document.replaced").length, 2);
      assert.ok((await call.party()).seconds(700) <= 3);
    },
  },
];

/** Of a call that came to us: its channel has a name of the switch's own, and no other is refused or answered here. */
export const lostToo: Row[] = [
  {
    verb: "reject",
    moment: "is sent, and does not arrive",
    then: "the caller is refused by the next one, as it should have been",
    async act(call) {
      await call.others();
      call.answers({ actions: [{ reject: { reason: "busy" } }] });
      const held = await call.heldAnywhere(/^api uuid_kill \S+ USER_BUSY/, () => call.callsIn());
      await call.dies();
      held.let("drop");
      await call.returns();
      assert.equal((await call.caller(({ ended_at }) => ended_at !== null)).status, 486);
      assert.equal((await call.ended()).status, "busy");
    },
  },
  {
    verb: "any",
    moment: "has a caller answered first, and that does not arrive",
    then: "the caller is answered by the next one, and the action begins then",
    async act(call) {
      await call.others();
      call.answers({ actions: [{ getDigits: { numDigits: 1, timeout: 20 } }] }, { actions: [then(call)] });
      const held = await call.heldAnywhere(/^api uuid_answer/, () =>
        call.callsIn({ digits: "9", digits_after_ms: 2_000 }),
      );
      await call.dies();
      held.let("drop");
      await call.returns();
      const ended = await call.ended();
      assert.deepEqual(call.story(ended), [
        ...["getDigits", "call.digits 9", "play", "play.finished", "document.ended", "call.completed"],
      ]);
      assert.ok((await call.caller(({ ended_at }) => ended_at !== null)).answered_at !== null);
    },
  },
];
