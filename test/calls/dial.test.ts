import assert from "node:assert/strict";
import type { SautikitError } from "../../engine/errors.ts";
import { insertLeg, legsOfCall } from "../../engine/store/calls.ts";
import { refusalsOf } from "../../engine/store/refusals.ts";
import { sideBySide } from "../peers/side-by-side.ts";
import { describeOnSwitch } from "../peers/switch-under-test.ts";
import { eventOf, kindsOf, nairobi, world, type SeenCall, type World } from "./world.ts";

const wanjiru = "+254700000001";
const otieno = "+254700000002";

/** The dial's outcome as customers are told it, the n-th of the call. */
function outcome(call: SeenCall, nth = 1): Record<string, unknown> {
  const told = call.events.filter(({ kind }) => kind === "call.dial_completed")[nth - 1];
  assert.ok(told, kindsOf(call).join(", "));
  return told.payload;
}

describeOnSwitch("a dial", () => {
  let on: World;
  before(async () => {
    on = await world();
  });
  after(() => on.end());
  const together = sideBySide(20);

  const failures: [what: string, number: string, status: string, sip: number | null, bridged: boolean][] = [
    ["busy", "+254700000486", "busy", 486, false],
    ["declining", "+254700000603", "failed", 603, false],
    ["not in service", "+254700000404", "failed", 404, false],
    ["announced to be unavailable", "+254700000185", "no_answer", 480, true],
    ["not answering", "+254700000180", "no_answer", null, false],
  ];
  for (const [what, number, status, sip, bridged] of failures) {
    together(`to Otieno ${what} leaves Wanjiru for the next action, and costs nothing`, async () => {
      const id = await on.place({
        to: wanjiru,
        actions: [{ dial: { number, timeout: 5 } }, { wait: { seconds: 1 } }, { hangup: {} }],
      });
      const call = await on.ended(id);
      assert.equal(call.status, "completed");
      assert.equal(outcome(call)["dial_status"], status);
      assert.equal(outcome(call)["dial_duration_seconds"], 0);
      const [, second] = call.legs;
      assert.equal(second?.status, status);
      assert.equal(second.cost_minor, 0);
      if (sip !== null) assert.equal(second.sip_status, sip);
      assert.equal(kindsOf(call).includes("leg.bridged"), bridged, "an announcement is passed through");
      const begun = call.events.filter(({ kind }) => kind === "action.started");
      assert.deepEqual(
        begun.map(({ payload }) => payload["verb"]),
        ["dial", "wait", "hangup"],
      );
      // The wait was not cut short by anything that the dial had armed.
      const waited = Date.parse(begun[2]!.occurred_at) - Date.parse(begun[1]!.occurred_at);
      assert.ok(waited >= 1_000, `waited for ${waited} ms`);
    });
  }

  together("as the last action ends the call when Otieno is busy", async () => {
    const call = await on.ended(
      await on.place({ to: wanjiru, actions: [{ dial: { number: "+254700000486" } }] }),
    );
    assert.equal(outcome(call)["dial_status"], "busy");
    assert.ok(kindsOf(call).includes("document.ended"));
    assert.equal(call.hangup_cause, "normal_clearing");
  });

  together("joins the two, and both are charged when Wanjiru's call is hung up", async () => {
    const id = await on.place({ to: wanjiru, actions: [{ dial: { number: otieno } }] });
    await on.event(id, "leg.bridged");
    await on.hangUp(id);
    const call = await on.ended(id);
    assert.equal(call.legs.length, 2);
    assert.ok(call.legs.every(({ status }) => status === "completed"));
    assert.equal(outcome(call)["dial_status"], "completed");
    assert.equal(outcome(call)["leg_id"], call.legs[1]!.id);
  });

  together("that Otieno ends lets the next action run", async () => {
    const id = await on.place({
      to: wanjiru,
      actions: [{ dial: { number: "+254700000103" } }, { wait: { seconds: 2 } }],
    });
    const call = await on.ended(id);
    assert.equal(outcome(call)["dial_status"], "completed");
    assert.equal(outcome(call)["dial_duration_seconds"], call.legs[1]!.billed_seconds);
    assert.ok(call.legs[1]!.billed_seconds >= 3);
    const [first, second] = call.legs;
    const after = Date.parse(first!.ended_at!) - Date.parse(second!.ended_at!);
    assert.ok(after >= 2_000 && after < 4_000, `Wanjiru stayed for ${after} ms`);
  });

  together("that Otieno ends, with nothing to follow, ends the call", async () => {
    const id = await on.place({ to: wanjiru, actions: [{ dial: { number: "+254700000103" } }] });
    const call = await on.ended(id);
    assert.equal(outcome(call)["dial_status"], "completed");
    const [first, second] = call.legs;
    const after = Date.parse(first!.ended_at!) - Date.parse(second!.ended_at!);
    assert.ok(Math.abs(after) < 500, `Wanjiru stayed for ${after} ms`);
  });

  together("whose caller hangs up stops Otieno's phone", async () => {
    const to = "+254712000011";
    const id = await on.place({
      to: "+254700000103",
      actions: [{ dial: { number: "+254700000180" } }, { hangup: {} }],
    });
    const other = await on.place({ to: wanjiru, actions: [{ dial: { number: to } }] });
    await on.event(other, "dial.started");
    await on.hangUp(other);
    for (const callId of [id, other]) {
      const call = await on.ended(callId);
      assert.equal(call.status, "completed");
      assert.equal(outcome(call)["dial_status"], "canceled");
      assert.equal(call.legs[1]?.status, "canceled");
      assert.ok(!kindsOf(call).includes("document.ended"));
    }
    const rang = (await on.carrier.calls()).filter(({ number }) => number === to);
    assert.ok(rang.every(({ answered_at, ended_at }) => answered_at === null && ended_at !== null));
  });

  together("with an announcement before the answer charges from the answer, and joins at once", async () => {
    const id = await on.place({ to: wanjiru, actions: [{ dial: { number: "+254700000183" } }] });
    const joined = await on.event(id, "leg.bridged");
    assert.ok(
      !joined.events.some(
        ({ kind, payload }) => kind === "leg.answered" && payload["leg_id"] === joined.legs[1]!.id,
      ),
    );
    const up = await on.until(id, "Otieno's answer", ({ legs }) => legs[1]?.answered_at != null);
    await on.until(id, "a second of talk", ({ legs }) => legs[1]!.billed_seconds >= 2);
    await on.hangUp(id);
    const call = await on.ended(id);
    assert.equal(call.legs[1]!.answered_at, up.legs[1]!.answered_at);
    const [first, second] = call.legs;
    assert.ok(first!.billed_seconds >= second!.billed_seconds + 1);
  });

  together("is cut off at its own longest duration, and the next action runs", async () => {
    const id = await on.place({
      to: wanjiru,
      // The API asks for ten seconds at least; the engine takes what it is given.
      actions: [{ dial: { number: otieno, maxDuration: 2 } }, { wait: { seconds: 1 } }],
    });
    const call = await on.ended(id);
    const [, second] = call.legs;
    assert.equal(second?.hangup_cause, "allotted_timeout");
    assert.ok(second.billed_seconds >= 2 && second.billed_seconds <= 4);
    assert.equal(call.hangup_cause, "normal_clearing");
  });

  together("may follow a dial, each leg charged by itself", async () => {
    const id = await on.place({
      to: wanjiru,
      actions: [
        { dial: { number: "+254700000103" } },
        { dial: { number: "+254700000486" } },
        { dial: { number: "+254700000103" } },
      ],
    });
    const call = await on.ended(id);
    assert.deepEqual(
      call.legs.map(({ status }) => status),
      ["completed", "completed", "busy", "completed"],
    );
    assert.deepEqual(
      [1, 2, 3].map((nth) => outcome(call, nth)["dial_status"]),
      ["completed", "busy", "completed"],
    );
    assert.equal(call.events.filter(({ kind }) => kind === "leg.bridged").length, 2);
  });

  const refusals: [why: string, dial: object, code: string, field: string][] = [
    ["to an emergency number", { number: "+254999" }, "calls.destination_not_allowed", "number"],
    [
      "to a country that is not allowed",
      { number: "+447700900123" },
      "calls.destination_not_allowed",
      "number",
    ],
    [
      "with another's caller ID",
      { number: otieno, callerId: "+254200000999" },
      "calls.caller_id_not_owned",
      "callerId",
    ],
  ];
  for (const [why, dial, code, field] of refusals) {
    together(`${why} is refused before the call is placed`, async () => {
      await assert.rejects(
        on.place({ to: wanjiru, actions: [{ wait: { seconds: 1 } }, { dial }] }),
        (error: SautikitError) =>
          error.code === code && error.fields[0]?.field === `actions[1].dial.${field}`,
      );
    });
  }

  const meanwhile: [what: string, dial: object, sql: string, code: string, reason: string][] = [
    [
      "to a country that was allowed when the call was placed",
      { number: "+256772123456" },
      `UPDATE workspaces SET allowed_countries = '["KE"]' WHERE id = ?`,
      "calls.destination_not_allowed",
      "country",
    ],
    [
      "with a caller ID that was the workspace's when the call was placed",
      { number: otieno, callerId: "+254200000007" },
      "UPDATE numbers SET status = 'suspended' WHERE workspace_id = ? AND e164 = '+254200000007'",
      "calls.caller_id_not_owned",
      "caller_id",
    ],
    ...(
      [
        ["to a prefix that was refused", `refused_prefixes = '["+2547"]'`, "calls.destination_refused"],
        ["at a rate that became too high", "highest_rate_per_minute_minor = 1", "calls.rate_too_high"],
        [
          "outside of the calling windows",
          `calling_windows = '[{"days":["mon"],"from":"00:00","to":"00:00"}]'`,
          "calls.outside_window",
        ],
        ["once the day's calls came to the cap", "daily_spend_cap_minor = 1", "calls.spend_cap"],
        ["of a range that has too many", "numbers_per_range_max = 0", "calls.velocity"],
        ["of a frozen workspace", "frozen_at_ms = 1", "workspace.frozen"],
      ] as const
    ).map(([what, set, code]): [string, object, string, string, string] => [
      ...([what, { number: otieno }, `UPDATE workspaces SET ${set} WHERE id = ?`, code] as const),
      {
        "calls.velocity": "number_range",
        "calls.destination_refused": "refused_prefix",
        "workspace.frozen": "frozen",
      }[code as string] ?? code.replace("calls.", ""),
    ]),
  ];
  for (const [index, [what, dial, sql, code, reason]] of meanwhile.entries()) {
    together(`${what} is refused in the call, told of, and the next action runs`, async () => {
      const e164 = `+2542000000${String(index + 6).padStart(2, "0")}`;
      const workspaceId = await on.workspace(e164);
      await on.store.write((tx) =>
        tx.run(`UPDATE workspaces SET allowed_countries = '["KE","UG"]' WHERE id = ?`, [workspaceId]),
      );
      const id = await on.place(
        { to: wanjiru, actions: [{ wait: { seconds: 2 } }, { dial }, { wait: { seconds: 1 } }] },
        { workspaceId, e164 },
      );
      await on.store.write((tx) => tx.run(sql, [workspaceId]));

      const call = await on.ended(id);

      const { payload } = eventOf(call, "dial.refused");
      assert.deepEqual([payload["code"], payload["reason"]], [code, reason]);
      const [noted, ...others] = await on.store.read((tx) =>
        refusalsOf(tx, workspaceId, { limit: 5, before: null }),
      );
      assert.deepEqual(
        [noted?.reason, noted?.source, noted?.callId, noted?.count, others.length],
        [reason, "dial", id, 1, 0],
      );
      assert.equal(outcome(call)["dial_status"], "failed");
      assert.equal(outcome(call)["leg_id"], null);
      assert.equal(call.legs.length, 1);
      assert.ok(call.duration_seconds >= 3);
    });
  }

  together("is refused once the call has had two thousand legs, and the next action runs", async () => {
    const id = await on.place({ to: wanjiru, actions: [{ wait: { seconds: 60 } }] });
    await on.event(id, "action.started");
    const [first] = await on.store.read((tx) => legsOfCall(tx, id));
    const over = {
      status: "busy",
      answeredAtUs: null,
      channelUuid: null,
      billedSeconds: 0,
      costMinor: 0,
    } as const;
    for (let from = 1; from < 2_000; from += 400)
      await on.store.write(async (tx) => {
        for (let position = from; position < Math.min(from + 400, 2_000); position++)
          await insertLeg(tx, {
            ...{ ...first!, ...over, id: on.ids.next("leg"), position },
            endedAtUs: first!.createdAtMs * 1000,
          });
      });
    await on.direct(id, [{ dial: { number: otieno } }, { wait: { seconds: 60 } }]);
    await on.event(id, "call.dial_completed");
    // No switch ever had them, and no record tells of them.
    await on.store.write((tx) => tx.run("DELETE FROM legs WHERE call_id = ? AND position > 0", [id]));
    await on.hangUp(id);

    const call = await on.ended(id);
    assert.equal(call.legs.length, 1);
    assert.equal(eventOf(call, "dial.refused").payload["code"], "calls.too_many_legs");
    assert.deepEqual([outcome(call)["dial_status"], outcome(call)["leg_id"]], ["failed", null]);
    const begun = call.events.filter(({ kind }) => kind === "action.started");
    assert.equal(begun.at(-1)?.payload["verb"], "wait");
  });

  together("without funds is refused, and the call ends without Otieno", async () => {
    // KES 0.05: the first second of Wanjiru's own leg takes it all.
    const poor = { workspaceId: await on.workspace("+254200000005", 5), e164: "+254200000005" };
    const id = await on.place(
      { to: wanjiru, actions: [{ wait: { seconds: 1 } }, { dial: { number: otieno } }] },
      poor,
    );
    const call = await on.ended(id);
    assert.equal(eventOf(call, "dial.refused").payload["code"], "wallet.insufficient_funds");
    assert.equal(call.legs.length, 1);
    assert.ok(call.cost_minor >= 5);
  });

  together("shows the call's own number, or the one that was asked for", async () => {
    const id = await on.place({ to: wanjiru, actions: [{ dial: { number: "+254712000012" } }] });
    const ringing = await on.until(id, "ringing", ({ legs }) => legs[1]?.status === "ringing");
    assert.equal(ringing.legs[1]!.to, "+254712000012");
    await on.hangUp(id);
    await on.ended(id);
    const [seen] = (await on.carrier.calls()).filter(({ number }) => number === "+254712000012");
    assert.equal(seen?.from.replace(/^\+?/, "+"), nairobi);
  });
});

describeOnSwitch("a document", () => {
  let on: World;
  before(async () => {
    on = await world();
  });
  after(() => on.end());
  const together = sideBySide(20);

  together("plays a prompt as often as it says, and hangs up at its end", async () => {
    const call = await on.ended(
      await on.place({ to: wanjiru, actions: [{ play: { url: on.promptUrl, loop: 2 } }] }),
    );
    assert.deepEqual(
      kindsOf(call).filter((kind) => /^(play|action|document)\./.test(kind)),
      ["action.started", "play.started", "play.finished", "document.ended"],
    );
    assert.equal(call.hangup_cause, "normal_clearing");
  });

  together("goes on when a prompt cannot be fetched, and says so", async () => {
    const call = await on.ended(
      await on.place({
        to: wanjiru,
        actions: [{ play: { url: on.missingUrl } }, { play: { url: on.promptUrl } }],
      }),
    );
    assert.notEqual(eventOf(call, "play.failed").payload["reason"], undefined);
    assert.equal(kindsOf(call).filter((kind) => kind === "play.finished").length, 1);
  });

  together("waits as long as it says", async () => {
    const call = await on.ended(
      await on.place({ to: wanjiru, actions: [{ wait: { seconds: 2 } }, { hangup: {} }] }),
    );
    const begun = call.events.filter(({ kind }) => kind === "action.started");
    const waited = Date.parse(begun[1]!.occurred_at) - Date.parse(begun[0]!.occurred_at);
    assert.ok(waited >= 2_000 && waited < 3_500, `waited for ${waited} ms`);
  });

  together("is dropped by a hang-up in the middle of a prompt", async () => {
    const id = await on.place({
      to: wanjiru,
      actions: [{ play: { url: on.promptUrl, loop: 20 } }, { dial: { number: otieno } }],
    });
    await on.event(id, "play.started");
    await on.hangUp(id);
    const call = await on.ended(id);
    assert.equal(call.legs.length, 1);
    assert.ok(!kindsOf(call).includes("dial.started"));
  });

  together("is dropped when the callee ends the call", async () => {
    const id = await on.place({
      to: "+254700000103",
      actions: [{ wait: { seconds: 60 } }, { dial: { number: otieno } }],
    });
    const call = await on.ended(id);
    assert.equal(call.legs.length, 1);
    assert.ok(!kindsOf(call).includes("document.ended"));
  });

  together("never begins when nobody answers", async () => {
    const call = await on.ended(
      await on.place({ to: "+254700000486", actions: [{ dial: { number: otieno } }] }),
    );
    assert.ok(!kindsOf(call).includes("action.started"));
    assert.equal(call.legs.length, 1);
  });
});
