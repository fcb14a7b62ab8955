import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { checkThen, ready, then, type Row } from "./row.ts";

const ringsOn = "+254700000180";
const ringsFor5s = "+254700000003";
const hangsUpAfter3s = "+254700000103";
/** Nothing of what it says arrives. */
const silent = "+254700000007";

export const resting: Row[] = [
  {
    verb: "dial",
    moment: "rings, and is answered before the next one comes",
    then: "the switch joins the two by itself; they talk",
    async act(call) {
      await ready(call);
      await call.direct([{ dial: { number: ringsFor5s } }, then(call)]);
      await call.until("the second leg", ({ legs }) => legs[1]?.status === "ringing");
      await call.dies();
      await call.bridged();
      await call.returns();
      const found = await call.event("leg.bridged");
      assert.deepEqual(call.missed(found), ["bridged"]);
      await call.hangsUpCallee();
      const { party } = await checkThen(call, ["dial", "call.dial_completed completed"]);
      assert.ok(party.seconds(440) >= 1);
      assert.equal((await call.calls(ringsFor5s)).length, 1, "rung once");
    },
  },
  {
    verb: "dial",
    moment: "rings, and is not answered",
    then: "it rings on until `timeout`, which the switch holds; the next action runs",
    async act(call) {
      await ready(call);
      await call.direct([{ dial: { number: ringsOn, timeout: 10 } }, then(call)]);
      await call.until("the second leg", ({ legs }) => legs[1]?.status === "ringing");
      await call.dies();
      await call.returns();
      const { party } = await checkThen(call, ["dial", "call.dial_completed no_answer"]);
      // A second in five.
      assert.ok(party.seconds(425) >= 1, "the ringing tone");
      assert.equal((await call.calls(ringsOn)).length, 1, "rung once");
    },
  },
  {
    verb: "dial",
    moment: "rings, and `ringback` is heard",
    then: "it is heard on, and is not fetched again",
    async act(call) {
      await ready(call);
      const ringback = call.tone(700, 1);
      await call.direct([{ dial: { number: ringsOn, timeout: 10, ringback } }, then(call)]);
      await call.has('"playing":true');
      await call.dies();
      await call.returns();
      const { party } = await checkThen(call, ["dial", "call.dial_completed no_answer"]);
      assert.ok(party.seconds(700) >= 8);
      assert.equal(call.fetched(ringback), 1);
    },
  },
  {
    verb: "dial",
    moment: "talks",
    then: "the talk is left alone, and what follows it follows",
    async act(call) {
      await ready(call);
      await call.direct([{ dial: { number: call.callee } }, then(call)]);
      await call.event("leg.bridged");
      await call.dies();
      await call.returns();
      // However long that takes: who hangs up before it is found is another row.
      await call.event("leg.reconciled");
      await call.hangsUpCallee();
      const { ended } = await checkThen(call, ["dial", "call.dial_completed completed"]);
      assert.deepEqual(call.missed(ended), []);
      assert.equal(ended.events.filter(({ kind }) => kind === "leg.bridged").length, 1);
      assert.equal((await call.calls(call.callee)).length, 1, "rung once");
    },
  },
  {
    verb: "dial",
    moment: "talks, and the talk is over when the next one comes",
    then: "the caller waits parked, for 30 s at most; the next action runs, whichever told the end",
    async act(call) {
      await ready(call);
      await call.direct([{ dial: { number: hangsUpAfter3s } }, then(call)]);
      await call.event("leg.bridged");
      await call.dies();
      await call.calleeHungUp();
      await call.returns();
      const { ended } = await checkThen(call, ["dial", "call.dial_completed completed"]);
      assert.equal(ended.legs[1]!.status, "completed");
    },
  },
  {
    verb: "dial",
    moment: "talks, with `hangupOnStar`",
    then: "`*` ends the talk as ever; pressed while no controller is there it does nothing",
    async act(call) {
      await ready(call);
      await call.direct([{ dial: { number: call.callee, hangupOnStar: true } }, then(call)]);
      await call.event("leg.bridged");
      await call.dies();
      await call.presses("*");
      await call.returns();
      await sleep(1_000);
      assert.equal((await call.until("the talk", () => true)).legs[1]!.status, "answered");
      await call.presses("*");
      await checkThen(call, ["dial", "call.dial_completed completed"]);
    },
  },
  {
    verb: "record",
    moment: "records, and goes on",
    then: "it is one recording, and its finishing key ends it as ever",
    async act(call) {
      call.answers({ actions: [then(call)] });
      await ready(call);
      await call.direct([{ record: { timeout: 60, maxLength: 60 } }]);
      await call.event("recording.started");
      await call.dies();
      await call.returns();
      await call.presses("#");
      const { ended } = await checkThen(call, ["record", "call.recorded finish_key"]);
      assert.equal(ended.events.filter(({ kind }) => kind === "recording.started").length, 1);
    },
  },
  {
    verb: "record",
    moment: "records, and `finishOnKey` is pressed before the next one comes",
    then: "the key is lost; silence or `maxLength`, which the switch holds, ends it",
    async act(call) {
      call.answers({ actions: [then(call)] });
      await ready(call);
      await call.direct([{ record: { timeout: 60, maxLength: 12 } }]);
      await call.event("recording.started");
      await call.dies();
      await call.presses("#");
      await call.returns();
      await checkThen(call, ["record", "call.recorded max_length"]);
    },
  },
  ...(
    [
      ["its longest time", { timeout: 60, maxLength: 3 }, undefined, "max_length"],
      ["silence", { timeout: 3, maxLength: 600 }, silent, "silence"],
    ] as const
  ).map(([what, record, to, reason]): Row => ({
    verb: "record",
    moment: `records, and ${what} has ended it when the next one comes`,
    then: "the switch is asked, and `call.recorded` asked at once",
    async act(call) {
      call.answers({ actions: [then(call)] });
      await ready(call, to);
      await call.direct([{ record }]);
      await call.event("recording.started");
      await call.dies();
      await call.recorded();
      await call.returns();
      const { ended } = await checkThen(call, ["record", `call.recorded ${reason}`]);
      const ms = call.ms(ended, "leg.reconciled", "call.recorded");
      assert.ok(ms <= 1_500, `told ${ms} ms after it was found`);
    },
  })),
];

export const unsent: Row[] = [
  {
    verb: "dial",
    moment: "is decided, and not sent",
    then: "the callee is rung, once",
    async act(call) {
      await ready(call);
      await call.apart();
      await call.direct([{ dial: { number: call.callee } }, then(call)]);
      await call.event("dial.started");
      await call.dies();
      await call.returns();
      await call.event("leg.bridged");
      await call.hangsUpCallee();
      await checkThen(call, ["dial", "call.dial_completed completed"]);
      assert.equal((await call.calls(call.callee)).length, 1, "rung once");
    },
  },
  {
    verb: "record",
    moment: "is decided, and its beep not sent",
    then: "the beep is heard, and then it is recorded",
    async act(call) {
      call.answers({ actions: [then(call)] });
      await ready(call);
      await call.apart();
      await call.direct([{ record: { timeout: 60, maxLength: 60 } }]);
      await call.event("action.started");
      await call.dies();
      await call.returns();
      await call.event("recording.started");
      await call.presses("#");
      await checkThen(call, ["record", "call.recorded finish_key"]);
    },
  },
];

export const lost: Row[] = [
  {
    verb: "record",
    moment: "is sent, and does not arrive",
    then: "it is not begun again, which might write over what there is: `call.recorded` with `failed`",
    async act(call) {
      call.answers({ actions: [then(call)] });
      await ready(call);
      const held = await call.held(/^api uuid_record \S+ start/, () =>
        call.direct([{ record: { playBeep: false } }]),
      );
      await call.dies();
      held.let("drop");
      await call.returns();
      await checkThen(call, ["record", "call.recorded failed"]);
    },
  },
];

export const lostToo: Row[] = [
  {
    verb: "dial",
    moment: "rings, and `ringback` is sent and does not arrive",
    then: "the ringing tone is heard instead (`dial.ringback_failed`)",
    async act(call) {
      await ready(call);
      const held = await call.held(/^sendmsg[^]*\.ringback/, () =>
        call.direct([{ dial: { number: ringsOn, timeout: 10, ringback: call.tone(700, 1) } }, then(call)]),
      );
      await call.dies();
      held.let("drop");
      await call.returns();
      const { party } = await checkThen(call, [
        ...["dial", "dial.ringback_failed failed", "call.dial_completed no_answer"],
      ]);
      assert.equal(party.seconds(700), 0);
      assert.ok(party.seconds(425) >= 1, "the ringing tone");
    },
  },
];

export const late: Row[] = [
  {
    verb: "record",
    moment: "is sent, and arrives after the controller's end",
    then: "it runs, and ends as ever",
    async act(call) {
      call.answers({ actions: [then(call)] });
      await ready(call);
      const held = await call.held(/^api uuid_record \S+ start/, () =>
        call.direct([{ record: { playBeep: false, timeout: 60 } }]),
      );
      await call.dies();
      held.let("pass");
      await call.returns();
      await sleep(500);
      await call.presses("#");
      await checkThen(call, ["record", "call.recorded finish_key"]);
    },
  },
];
