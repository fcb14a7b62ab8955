import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { checkThen, followed, ready, then, type Row, type RowCall } from "./row.ts";

const conference = (call: RowCall, more: Record<string, unknown> = {}) => ({
  conference: { name: call.room, ...more },
});

/** Whether it came in once, and its room began and ended once. */
async function checkRoom(call: RowCall, reason: string) {
  const seen = await checkThen(call, ["conference", `conference.left ${reason}`]);
  for (const kind of ["conference.joined", "conference.left"])
    assert.equal(seen.ended.events.filter((event) => event.kind === kind).length, 1, kind);
  return seen;
}

export const resting: Row[] = [
  {
    verb: "conference",
    moment: "waits, and `waitUrl` is heard",
    then: "it is heard on, and is not fetched again; who comes then begins the talk",
    async act(call) {
      await ready(call);
      const waitUrl = call.tone(700, 3);
      await call.direct([conference(call, { startOnEnter: false, waitUrl }), then(call)]);
      await call.until("music", () => call.fetched(waitUrl) === 1);
      await call.event("conference.joined");
      await call.dies();
      await call.returns();
      await sleep(3_000);
      await call.joinsRoom();
      await call.event("conference.started");
      await call.endsRoom();
      const { party } = await checkRoom(call, "ended");
      assert.ok(party.seconds(700) >= 4);
      assert.equal(call.fetched(waitUrl), 1);
    },
  },
  {
    verb: "conference",
    moment: "talks",
    then: "the talk is left alone; commands reach it as ever",
    async act(call) {
      await ready(call);
      await call.direct([conference(call), then(call)]);
      await call.event("conference.joined");
      await call.joinsRoom();
      await call.event("conference.started");
      await call.dies();
      await call.returns();
      await call.endsRoom();
      const { ended } = await checkRoom(call, "ended");
      assert.equal(ended.events.filter(({ kind }) => kind === "conference.started").length, 1);
    },
  },
  {
    verb: "conference",
    moment: "talks, and one with `endOnExit` has gone when the next one comes",
    then: "the switch has ended the room; the next action begins at once",
    async act(call) {
      await ready(call);
      await call.direct([conference(call), then(call)]);
      await call.event("conference.joined");
      const other = await call.joinsRoom({ endOnExit: true });
      await call.event("conference.started");
      await call.dies();
      await call.hangsUpOther(other);
      await call.returns();
      const { ended } = await checkRoom(call, "ended");
      followed(call, ended);
    },
  },
];

export const unsent: Row[] = [
  {
    verb: "conference",
    moment: "is decided, and not sent",
    then: "the caller is brought in",
    async act(call) {
      await ready(call);
      await call.apart();
      await call.direct([conference(call), then(call)]);
      await call.event("action.started");
      await call.dies();
      await call.returns();
      await call.event("conference.joined");
      await call.endsRoom();
      await checkRoom(call, "ended");
    },
  },
];

/** Sent again, it would be the same: it is in the room, or is brought in. */
export const told: Row[] = (
  [
    ["does not arrive", "drop", "the caller is brought in by the next one"],
    ["arrives after the controller's end", "pass", "the caller is in the room, once"],
  ] as const
).map(([moment, fate, what]) => ({
  verb: "conference",
  moment: `is sent, and ${moment}`,
  then: what,
  async act(call) {
    await ready(call);
    const held = await call.held(/^api uuid_transfer .*conference:/, () =>
      call.direct([conference(call), then(call)]),
    );
    await call.dies();
    held.let(fate);
    await call.returns();
    await call.event("conference.joined");
    await call.endsRoom();
    await checkRoom(call, "ended");
  },
}));
