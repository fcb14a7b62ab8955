import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import type { ApiCall } from "../../world/customer.ts";
import { about, checkThen, followed, ready, then, type Row } from "./row.ts";

export const resting: Row[] = [
  {
    verb: "play",
    moment: "plays, and plays on when the next one comes",
    then: "it is left to play to its end, which is told as ever",
    async act(call) {
      await ready(call);
      await call.direct([{ play: { url: call.tone(700, 12) } }, then(call)]);
      await call.event("play.started");
      await call.dies();
      await call.returns();
      const { ended, party } = await checkThen(call, ["play", "play.finished"]);
      about(party.seconds(700), 12);
      assert.deepEqual(call.missed(ended), []);
    },
  },
  {
    verb: "play",
    moment: "plays, and has ended when the next one comes",
    then: "it counts as played, and the next action begins at once",
    async act(call) {
      await ready(call);
      await call.direct([{ play: { url: call.tone(700, 3) } }, then(call)]);
      await call.event("play.started");
      await call.dies();
      await call.played();
      await call.returns();
      const { ended, party } = await checkThen(call, ["play", "play.finished"]);
      about(party.seconds(700), 3);
      assert.deepEqual(call.missed(ended), ["playbackEnded"]);
      followed(call, ended);
    },
  },
  {
    verb: "play",
    moment: "is being fetched",
    then: "it is fetched again, and played",
    async act(call) {
      await ready(call);
      const url = call.toneAtSecondTry(700, 3);
      await call.direct([{ play: { url } }, then(call)]);
      await call.until("that it is fetched", () => call.fetched(url) === 1);
      await call.dies();
      await call.returns();
      const { party } = await checkThen(call, ["play", "play.finished"]);
      assert.equal(call.fetched(url), 2);
      about(party.seconds(700), 3);
    },
  },
  {
    verb: "say",
    moment: "is spoken, and has ended when the next one comes",
    then: "it counts as spoken, and the next action begins at once",
    async act(call) {
      await ready(call);
      await call.direct([{ say: { text: "Karibu sana.", loop: 3 } }, then(call)]);
      await call.event("say.started");
      await call.dies();
      await call.played();
      await call.returns();
      const { ended } = await checkThen(call, ["say", "say.finished"]);
      assert.deepEqual(call.missed(ended), ["playbackEnded"]);
      followed(call, ended);
    },
  },
  {
    verb: "getDigits",
    moment: "plays its prompt, and plays on when the next one comes",
    then: "a digit breaks it off as ever",
    async act(call) {
      call.answers({ actions: [then(call)] });
      await ready(call);
      await call.direct([{ getDigits: { numDigits: 1, nested: [{ play: { url: call.tone(700, 30) } }] } }]);
      await call.event("play.started");
      await call.dies();
      await call.returns();
      await call.presses("7");
      const { party } = await checkThen(call, ["getDigits", "call.digits 7"]);
      assert.ok(party.seconds(700) < 25);
    },
  },
  {
    verb: "getDigits",
    moment: "plays its prompt, which has ended when the next one comes",
    then: "`timeout` is counted from the moment at which the leg was found",
    async act(call) {
      call.answers({ actions: [then(call)] });
      await ready(call);
      const nested = [{ play: { url: call.tone(700, 2) } }];
      await call.direct([{ getDigits: { numDigits: 1, timeout: 4, nested } }]);
      await call.event("play.started");
      await call.dies();
      await call.played();
      await sleep(4_500);
      await call.returns();
      await sleep(2_000);
      await call.presses("7");
      const { ended } = await checkThen(call, ["getDigits", "play.finished", "call.digits 7"]);
      assert.deepEqual(call.missed(ended), ["playbackEnded"]);
    },
  },
  {
    verb: "getDigits",
    moment: "has some digits, and waits for more",
    then: "they are kept, and `timeout` begins anew",
    async act(call) {
      call.answers({ actions: [then(call)] });
      await ready(call);
      await call.direct([{ getDigits: { numDigits: 3, timeout: 5 } }]);
      await call.presses("12");
      await call.has('"digits":"12"');
      await call.dies();
      await sleep(5_500);
      await call.returns();
      await sleep(2_000);
      await call.presses("3");
      await checkThen(call, ["getDigits", "call.digits 123"]);
    },
  },
  {
    verb: "getDigits",
    moment: "waits, and digits are typed before the next one comes",
    then: "those are lost: the switch keeps none; what is typed from then on counts",
    async act(call) {
      call.answers({ actions: [then(call)] });
      await ready(call);
      await call.direct([{ getDigits: { numDigits: 1, timeout: 20 } }]);
      await call.event("action.started");
      await call.dies();
      await call.presses("5");
      await call.returns();
      await call.presses("6");
      await checkThen(call, ["getDigits", "call.digits 6"]);
    },
  },
  {
    verb: "getDigits",
    moment: "waits, and nobody types",
    then: "it times out `timeout` after the leg was found",
    async act(call) {
      await ready(call);
      await call.direct([{ getDigits: { timeout: 5 } }, then(call)]);
      await call.event("action.started");
      await call.dies();
      await sleep(6_000);
      await call.returns();
      const { ended } = await checkThen(call, ["getDigits"]);
      const ms = call.ms(ended, "leg.reconciled", "action.started", 2);
      assert.ok(ms >= 4_800 && ms <= 6_500, `${ms} ms`);
    },
  },
  {
    verb: "wait",
    moment: "runs, and its time is over when the next one comes",
    then: "the next action begins at once",
    async act(call) {
      await ready(call);
      await call.direct([{ wait: { seconds: 4 } }, then(call)]);
      await call.event("action.started");
      await call.dies();
      await sleep(4_500);
      await call.returns();
      const { ended } = await checkThen(call, ["wait"]);
      followed(call, ended);
    },
  },
  {
    verb: "wait",
    moment: "runs, and its time is not over when the next one comes",
    then: "it ends when it would have ended",
    async act(call) {
      await ready(call);
      await call.direct([{ wait: { seconds: 14 } }, then(call)]);
      await call.event("action.started");
      await call.dies();
      await call.returns();
      const { ended } = await checkThen(call, ["wait"]);
      const ms = call.ms(ended, "action.started", "action.started", 2);
      assert.ok(ms >= 14_000 && ms <= 15_500, `${ms} ms`);
    },
  },
  {
    verb: "sendDigits",
    moment: "is on its way, and out when the next one comes",
    then: "the switch sends all of it, once; the next action begins at once",
    async act(call) {
      await ready(call);
      await call.direct([{ sendDigits: { digits: "12345" } }, then(call)]);
      await call.until("the first digit", () => true);
      await call.dies();
      await sleep(4_000);
      await call.returns();
      const { ended, party } = await checkThen(call, ["sendDigits"]);
      assert.equal(party.digits, "12345");
      followed(call, ended);
    },
  },
];

/** The switch was out of reach, so that what was decided could not be done yet. */
export const unsent: Row[] = [
  {
    verb: "play",
    moment: "is decided, and not sent",
    then: "it is played",
    async act(call) {
      await ready(call);
      await call.apart();
      await call.direct([{ play: { url: call.tone(700, 3) } }, then(call)]);
      await call.event("play.started");
      await call.dies();
      await call.returns();
      const { party } = await checkThen(call, ["play", "play.finished"]);
      about(party.seconds(700), 3);
    },
  },
  {
    verb: "getDigits",
    moment: "is decided, and its prompt not sent",
    then: "the prompt is played, and digits count",
    async act(call) {
      call.answers({ actions: [then(call)] });
      await ready(call);
      await call.apart();
      await call.direct([{ getDigits: { numDigits: 1, nested: [{ play: { url: call.tone(700, 2) } }] } }]);
      await call.event("play.started");
      await call.dies();
      await call.returns();
      await call.played();
      await call.presses("8");
      const { party } = await checkThen(call, ["getDigits", "play.finished", "call.digits 8"]);
      about(party.seconds(700), 2);
    },
  },
  {
    verb: "sendDigits",
    moment: "is decided, and not sent",
    then: "it is sent",
    async act(call) {
      await ready(call);
      await call.apart();
      // Counted from the decision: what follows begins when as much time has passed.
      await call.direct([{ sendDigits: { digits: "12" } }, { wait: { seconds: 5 } }, then(call)]);
      await call.event("digits.sent");
      await call.dies();
      await call.returns();
      const { party } = await checkThen(call, ["sendDigits", "wait"]);
      assert.equal(party.digits, "12");
    },
  },
];

/** Marked as sent, which is never done twice; and the command is lost with the controller. */
export const lost: Row[] = [
  {
    verb: "play",
    moment: "is sent, and does not arrive",
    then: "the switch is asked, and never began it: `play.failed`, and the next action begins at once",
    async act(call) {
      await ready(call);
      const held = await call.held(/^sendmsg[^]*playback/, () =>
        call.direct([{ play: { url: call.tone(700, 3) } }, then(call)]),
      );
      await call.dies();
      held.let("drop");
      await call.returns();
      const { ended, party } = await checkThen(call, ["play", "play.failed failed"]);
      assert.equal(party.seconds(700), 0);
      followed(call, ended);
    },
  },
  {
    verb: "sendDigits",
    moment: "is sent, and does not arrive",
    then: "they are not sent again, since some might be out: `digits.failed` with `unknown_outcome`; the next action runs",
    async act(call) {
      await ready(call);
      const held = await call.held(/^api uuid_send_dtmf/, () =>
        call.direct([{ sendDigits: { digits: "12" } }, then(call)]),
      );
      await call.dies();
      held.let("drop");
      await call.returns();
      const { ended, party } = await checkThen(call, ["sendDigits"]);
      assert.equal(party.digits, "");
      checkUnknown(ended);
    },
  },
];

/** The same, but the command arrives after the controller's end. */
export const late: Row[] = [
  {
    verb: "play",
    moment: "is sent, and arrives after the controller's end",
    then: "it is played, once",
    async act(call) {
      await ready(call);
      const held = await call.held(/^sendmsg[^]*playback/, () =>
        call.direct([{ play: { url: call.tone(700, 6) } }, then(call)]),
      );
      await call.dies();
      held.let("pass");
      await call.returns();
      const { party } = await checkThen(call, ["play", "play.finished"]);
      about(party.seconds(700), 6);
    },
  },
  {
    verb: "sendDigits",
    moment: "is sent, and arrives after the controller's end",
    then: "they are sent, once, which nobody can know: `digits.failed` with `unknown_outcome`",
    async act(call) {
      await ready(call);
      const held = await call.held(/^api uuid_send_dtmf/, () =>
        call.direct([{ sendDigits: { digits: "12" } }, { wait: { seconds: 3 } }, then(call)]),
      );
      await call.dies();
      held.let("pass");
      await call.returns();
      const { ended, party } = await checkThen(call, ["sendDigits", "wait"]);
      assert.equal(party.digits, "12");
      checkUnknown(ended);
    },
  },
];

function checkUnknown({ events }: ApiCall): void {
  const failed = events
    .filter(({ kind }) => kind === "digits.failed")
    .map(({ payload }) => payload["reason"]);
  assert.deepEqual(failed, ["unknown_outcome"]);
}
