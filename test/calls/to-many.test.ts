import assert from "node:assert/strict";
import type { SautikitError } from "../../engine/errors.ts";
import { sideBySide } from "../peers/side-by-side.ts";
import { describeOnSwitch } from "../peers/switch-under-test.ts";
import { eventually } from "../peers/waiting.ts";
import { interferedBox } from "./interfered-box.ts";
import { eventOf, kindsOf, world, type SeenCall, type World } from "./world.ts";

/** Engine/simulator/carrier/magic-numbers.ts has them all. */
const [atOnce, atOnceToo, hangsUpAfter3] = ["+254700000001", "+254700000002", "+254700000103"] as const;
const [ringsFor5, ringsForEver] = ["+254700000003", "+254700000180"] as const;
const [busy, declines, unknown] = ["+254700000486", "+254700000603", "+254700000404"] as const;
/** Rings for a second, then answers. */
const otieno = "+254722000002";

/** One leg has the call and stands first; the others ended with nothing to pay. */
function wonBy(call: SeenCall, number: string): void {
  assert.equal(call.status, "completed");
  assert.equal(call.to, number);
  const [winner, ...others] = call.legs;
  assert.deepEqual([winner?.to, winner?.status], [number, "completed"]);
  assert.equal(call.answered_at, winner?.answered_at);
  assert.equal(call.ended_at, winner?.ended_at);
  assert.equal(call.cost_minor, winner?.cost_minor);
  for (const { to, answered_at, billed_seconds, cost_minor } of others)
    assert.deepEqual([answered_at, billed_seconds, cost_minor], [null, 0, 0], to);
  const told = eventOf(call, "call.completed").payload;
  assert.equal(told["to"], number);
  assert.deepEqual(
    (told["legs"] as { id: string }[]).map(({ id }) => id),
    call.legs.map(({ id }) => id),
  );
}

describeOnSwitch("a call to several", () => {
  let on: World;
  before(async () => {
    on = await world();
  });
  after(() => on.end());
  const together = sideBySide(20);

  together("is had by the first to answer, and its document speaks to them", async () => {
    const to = [ringsForEver, busy, otieno, ringsFor5] as [string, ...string[]];
    const id = await on.place({ to, actions: [{ wait: { seconds: 2 } }] });
    const placed = await on.view(id);
    assert.deepEqual([placed.to, placed.legs.length], [ringsForEver, 4]);
    await on.until(id, "ringing", ({ status }) => status === "ringing");
    const call = await on.ended(id);
    wonBy(call, otieno);
    assert.deepEqual(
      call.legs.slice(1).map(({ to: number, status }) => [number, status]),
      [
        [busy, "busy"],
        [ringsForEver, "canceled"],
        [ringsFor5, "canceled"],
      ],
    );
    assert.ok(call.legs[0]!.billed_seconds >= 2);
    assert.equal(eventOf(call, "call.started").payload["to"], ringsForEver);
    assert.equal(eventOf(call, "call.answered").payload["to"], otieno);
    assert.ok(kindsOf(call).includes("document.ended"));
  });

  together(
    "of whom several pick up in the same instant is one's alone, and the others pay nothing",
    async () => {
      const to = [hangsUpAfter3, atOnceToo, atOnce, "+254700000005"] as [string, ...string[]];
      const id = await on.place({ to, actions: [{ wait: { seconds: 1 } }] });
      const call = await on.ended(id);
      wonBy(call, call.to);
      assert.equal(call.legs.filter(({ status }) => status === "canceled").length, 3);
      assert.equal(call.events.filter(({ kind }) => kind === "action.started").length, 1);
    },
  );

  together("that ends as soon as the one who has it hangs up", async () => {
    const id = await on.place({
      to: [ringsForEver, hangsUpAfter3],
      actions: [{ wait: { seconds: 60 } }],
    });
    const call = await on.ended(id);
    wonBy(call, hangsUpAfter3);
    assert.ok(!kindsOf(call).includes("document.ended"));
  });

  together("of whom nobody answers fails once all have ended, with what tells most", async () => {
    const story: [to: [string, ...string[]], status: string, code: string][] = [
      [[declines, busy, unknown], "failed", "rejected"],
      [[unknown, busy], "busy", "busy"],
      [[busy, ringsForEver], "busy", "busy"],
      [[ringsForEver, unknown], "no_answer", "no_answer"],
    ];
    for (const [to, status, code] of story) {
      const call = await on.ended(await on.place({ to, ringTimeoutSeconds: 5 }));
      assert.deepEqual([call.status, call.failure_code, call.to], [status, code, to[0]]);
      assert.equal(call.cost_minor, 0);
      const ends = call.legs.map(({ ended_at }) => ended_at!);
      assert.equal(call.ended_at, ends.sort().at(-1));
      assert.equal(kindsOf(call).filter((kind) => kind === "call.failed").length, 1);
    }
  });

  together("is hung up while all of them ring, and no phone rings on", async () => {
    const from = { workspaceId: await on.workspace("+254200000031"), e164: "+254200000031" };
    const id = await on.place({ to: [ringsForEver, ringsFor5] }, from);
    await on.until(id, "ringing", ({ legs }) => legs.every(({ status }) => status === "ringing"));
    await on.hangUp(id, from.workspaceId);
    const call = await on.ended(id);
    assert.deepEqual([call.status, call.failure_code, call.cost_minor], ["canceled", "canceled", 0]);
    const rang = (await on.carrier.calls()).filter((seen) => seen.from.endsWith("254200000031"));
    assert.deepEqual(
      rang.map(({ answered_at, status }) => [answered_at, status]),
      [
        [null, 487],
        [null, 487],
      ],
    );
  });

  together("is hung up before the switch has begun, and talks with nobody", async () => {
    const id = await on.place({ to: [otieno, ringsForEver, ringsFor5] });
    await on.hangUp(id);
    const call = await on.ended(id);
    assert.deepEqual([call.status, call.cost_minor], ["canceled", 0]);
    assert.ok(call.legs.every(({ status }) => status === "canceled"));
  });

  together("that is recorded has the recording of the one who has it, and it comes first", async () => {
    const id = await on.place({
      to: [ringsForEver, otieno, "+254722000003"],
      record: "from-answer",
      actions: [{ wait: { seconds: 2 } }],
    });
    const call = await on.ended(id);
    const rows = await eventually(
      "every recording's last state",
      async () => {
        const found = await on.recordingsOf(id);
        return found.every(({ status }) => status === "ready" || status === "empty") ? found : undefined;
      },
      { withinMs: 30_000 },
    );
    wonBy(call, call.to);
    assert.deepEqual(
      rows.map(({ legId, status }) => [legId, status]),
      call.legs.map(({ id: leg }, index) => [leg, index === 0 ? "ready" : "empty"]),
    );
  });

  together("may be to ten, and is one call for the limit of calls at once", async () => {
    const from = { workspaceId: await on.workspace("+254200000032"), e164: "+254200000032" };
    await on.store.write((tx) =>
      tx.run("UPDATE workspaces SET concurrent_calls = 1 WHERE id = ?", [from.workspaceId]),
    );
    const ten = Array.from({ length: 9 }, (_, nth) => `+25473300000${String(nth)}`);
    const id = await on.place({ to: [ringsForEver, ...ten], actions: [{ wait: { seconds: 1 } }] }, from);
    await assert.rejects(
      on.place({ to: otieno }, from),
      (error: SautikitError) => error.code === "calls.concurrency_limit",
    );
    const call = await on.ended(id);
    wonBy(call, call.to);
    assert.equal(call.legs.length, 10);
  });

  for (const [index, number] of [
    [0, "+254999"],
    [2, "+447700900123"],
  ] as const) {
    together(`to a number that may not be called is refused, by its place ${index}`, async () => {
      const to = [atOnce, otieno, busy] as [string, ...string[]];
      to[index] = number;
      await assert.rejects(
        on.place({ to }),
        (error: SautikitError) =>
          error.code === "calls.destination_not_allowed" && error.fields[0]?.field === `to[${index}]`,
      );
    });
  }

  together("dials on from whoever has it", async () => {
    const id = await on.place({ to: [ringsForEver, otieno], actions: [{ dial: { number: hangsUpAfter3 } }] });
    const call = await on.ended(id);
    assert.deepEqual(
      call.legs.map(({ to, status }) => [to, status]),
      [
        [otieno, "completed"],
        [ringsForEver, "canceled"],
        [hangsUpAfter3, "completed"],
      ],
    );
    const { leg_id, other_leg_id } = eventOf(call, "leg.bridged").payload;
    assert.deepEqual([leg_id, other_leg_id].sort(), [call.legs[0]!.id, call.legs[2]!.id].sort());
  });
});

describeOnSwitch("a call to several, with news lost or late", () => {
  let on: World;
  afterEach(() => on.end());

  it("goes on with the winner though the losers' ends are never told by event", async () => {
    on = await world({
      tap: (box) =>
        interferedBox(box, {
          event(event, tell) {
            if (event.kind !== "hungUp" || event.cause !== "LOSE_RACE") tell();
          },
        }),
    });
    const id = await on.place({
      to: [ringsForEver, atOnce, atOnceToo],
      actions: [{ wait: { seconds: 2 } }],
    });
    const up = await on.event(id, "call.answered");
    assert.equal(up.status, "answered");
    wonBy(await on.ended(id), up.to);
  });

  it("goes on with the winner though it is never told who was parked", async () => {
    on = await world({
      tap: (box) =>
        interferedBox(box, {
          event(event, tell) {
            if (event.kind !== "parked") tell();
          },
        }),
    });
    const id = await on.place({
      to: [atOnceToo, ringsForEver, atOnce],
      actions: [{ wait: { seconds: 1 } }],
    });
    const call = await on.ended(id);
    wonBy(call, call.to);
  });

  it("whose controller is away at the answer is taken up by the next one, which runs the document", async () => {
    on = await world();
    const id = await on.place({
      to: [ringsForEver, otieno, ringsFor5],
      actions: [{ wait: { seconds: 1 } }],
    });
    await on.until(id, "ringing", ({ legs }) => legs.every(({ status }) => status === "ringing"));
    await on.stopController();
    await eventually("Otieno's answer", async () =>
      (await on.carrier.calls()).some(({ number, answered_at }) => number === otieno && answered_at !== null)
        ? true
        : undefined,
    );
    await on.control();
    const call = await on.ended(id);
    wonBy(call, otieno);
    assert.ok(kindsOf(call).includes("document.ended"));
  });
});
