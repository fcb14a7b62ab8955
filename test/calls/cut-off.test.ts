import assert from "node:assert/strict";
import { systemClock } from "../../engine/clock.ts";
import type { CallId, WorkspaceId } from "../../engine/ids.ts";
import { openLedger } from "../../cli/open-ledger.ts";
import { countLiveCalls, intentsOfCall } from "../../engine/store/calls.ts";
import { updateWorkspace, workspaceById } from "../../engine/store/workspaces.ts";
import { Payments } from "../../engine/wallet/mpesa/payments.ts";
import { available } from "../../engine/wallet/wallet.ts";
import { sideBySide } from "../peers/side-by-side.ts";
import { describeOnSwitch } from "../peers/switch-under-test.ts";
import { eventually } from "../peers/waiting.ts";
import { eventOf, world, type SeenCall, type World } from "./world.ts";

const talksOn = "+254700000001";
/** At KES 3.00 a minute. */
const centsPerSecond = 5;
/** The switch's scheduler is never early and at most so late; DESIGN.md allows 2 s of all legs, and the time to re-arm. */
const lateMsMax = 2_000;

/** As the leg, the end of it and the end of the call say it. */
const cutOffBy = (call: SeenCall) => {
  const said = eventOf(call, "leg.ended").payload["cut_off"];
  const { cut_off: ofCall, legs } = eventOf(call, "call.completed").payload as unknown as {
    cut_off: unknown;
    legs: { cut_off: unknown }[];
  };
  const shown = (call.legs as unknown as { cut_off: unknown }[])[0]!.cut_off;
  assert.deepEqual([shown, ofCall, legs[0]!.cut_off], [said, said, said]);
  return said;
};
const talkedMs = (call: SeenCall) => Date.parse(call.ended_at!) - Date.parse(call.answered_at!);

describeOnSwitch("calls of a workspace that hangs up when its money ends", function () {
  this.timeout(40_000);
  let w: World;
  before(async () => {
    w = await world();
  });
  after(() => w.end());
  const concurrently = sideBySide();

  async function prepaid(e164: string, cents: number, onZeroBalance: "hangup" | "continue" = "hangup") {
    const workspaceId = await w.workspace(e164, cents);
    await w.store.write((tx) => updateWorkspace(tx, workspaceId, { onZeroBalance }));
    const place = (maxDurationSeconds = 14_400) =>
      w.place({ to: talksOn, maxDurationSeconds }, { workspaceId, e164 });
    return { workspaceId, place };
  }

  const balance = async (workspaceId: WorkspaceId) =>
    (await w.store.read((tx) => available(tx, workspaceId, w.clock.nowUs()))).balanceMinor;
  const answered = (callId: CallId) => w.until(callId, "its answer", ({ status }) => status === "answered");

  async function topUp(workspaceId: WorkspaceId, amountMinor: number): Promise<void> {
    await w.store.write(async (tx) => {
      const credit = { workspaceId, amountMinor, reference: w.ids.next("txn"), description: "Top-up" };
      await w.wallet.credit(tx, { ...credit, kind: "credit", createdAtMs: w.clock.nowMs() });
      await w.calls.moneyChanged(tx, workspaceId);
    });
  }

  concurrently("end in the second the money ends, by the switch itself", async () => {
    const { workspaceId, place } = await prepaid("+254200000101", 4 * centsPerSecond);
    const call = await w.ended(await place());
    assert.equal(call.hangup_cause, "allotted_timeout");
    assert.equal(cutOffBy(call), "wallet");
    assert.ok(talkedMs(call) >= 4_000 && talkedMs(call) <= 4_000 + lateMsMax, `${talkedMs(call)} ms`);
    assert.ok((await balance(workspaceId)) >= -2 * centsPerSecond);
  });

  concurrently("end sooner when a second call spends the same money", async () => {
    const { workspaceId, place } = await prepaid("+254200000102", 12 * centsPerSecond);
    const first = await place();
    await answered(first);
    const second = await place();
    const calls = await Promise.all([w.ended(first), w.ended(second)]);
    for (const call of calls) assert.equal(call.hangup_cause, "allotted_timeout");
    assert.ok(Math.max(...calls.map(talkedMs)) <= 8_000 + lateMsMax, calls.map(talkedMs).join(", "));
    const left = await balance(workspaceId);
    assert.ok(left >= -2 * 2 * centsPerSecond && left <= 2 * centsPerSecond, `${left} cents`);
  });

  concurrently("go on when a top-up arrives in mid-call", async () => {
    const { workspaceId, place } = await prepaid("+254200000103", 4 * centsPerSecond);
    const callId = await place();
    await answered(callId);
    await topUp(workspaceId, 4 * centsPerSecond);
    const call = await w.ended(callId);
    // A second that has begun is spent, so what is left is reckoned from its end.
    assert.equal(cutOffBy(call), "wallet");
    assert.ok(talkedMs(call) > 7_000 && talkedMs(call) <= 8_000 + lateMsMax, `${talkedMs(call)} ms`);
  });

  concurrently("go on when M-Pesa money arrives in mid-call, by what the ledger does alone", async () => {
    const { workspaceId, place } = await prepaid("+254200000106", 4 * centsPerSecond);
    const callId = await place();
    await answered(callId);
    const payments = new Payments({
      ...{ ...w.changeParts, log: w.log, verifyAboveMinor: 1_000_000 },
      ledger: openLedger(w.changeParts),
    });
    await w.store.write(async (tx) => {
      const workspace = await workspaceById(tx, workspaceId);
      await payments.take(tx, {
        ...{
          receipt: "SKLMIDCALL",
          amountMinor: 4 * centsPerSecond,
          source: "c2b",
          toUs: true,
          answers: null,
        },
        ...{ billReference: workspace!.mpesaAccountRef, phone: null, paidAtMs: null },
      });
    });
    const call = await w.ended(callId);
    assert.equal(cutOffBy(call), "wallet");
    assert.ok(talkedMs(call) > 7_000 && talkedMs(call) <= 8_000 + lateMsMax, `${talkedMs(call)} ms`);
  });

  concurrently("keep their own maximum when the policy changes to continue", async () => {
    const { workspaceId, place } = await prepaid("+254200000104", 3 * centsPerSecond);
    const callId = await place(7);
    await answered(callId);
    await w.store.write(async (tx) => {
      await updateWorkspace(tx, workspaceId, { onZeroBalance: "continue" });
      await w.calls.moneyChanged(tx, workspaceId);
    });
    const call = await w.ended(callId);
    assert.equal(cutOffBy(call), "max_duration");
    assert.ok(talkedMs(call) >= 7_000 && talkedMs(call) <= 7_000 + lateMsMax, `${talkedMs(call)} ms`);
    assert.ok((await balance(workspaceId)) < 0);
  });

  concurrently("go past zero where the workspace lets them", async () => {
    const { workspaceId, place } = await prepaid("+254200000105", 2 * centsPerSecond, "continue");
    const call = await w.ended(await place(5));
    assert.equal(cutOffBy(call), "max_duration");
    assert.ok(talkedMs(call) >= 5_000);
    assert.ok((await balance(workspaceId)) <= -3 * centsPerSecond);
  });
});

describeOnSwitch("fifty calls of a workspace that hangs up when its money ends", function () {
  this.timeout(60_000);
  const legs = 50;

  it("end together, and overdraw by no more than two seconds of all of them", async () => {
    const w = await world();
    try {
      const e164 = "+254200000150";
      const workspaceId = await w.workspace(e164, legs * 6 * centsPerSecond);
      await w.store.write((tx) => updateWorkspace(tx, workspaceId, { onZeroBalance: "hangup" }));
      const placed = await Promise.all(
        Array.from({ length: legs }, () => w.place({ to: talksOn }, { workspaceId, e164 })),
      );
      // Fifty who look at a call each, again and again, would take the processors from what they look at.
      await eventually(
        "the end of all",
        () => w.store.read(async (tx) => ((await countLiveCalls(tx, workspaceId)) === 0 ? true : undefined)),
        { withinMs: 40_000, everyMs: 200 },
      );
      const calls = await Promise.all(placed.map((callId) => w.ended(callId)));
      assert.deepEqual([...new Set(calls.map(({ hangup_cause }) => hangup_cause))], ["allotted_timeout"]);
      const { balanceMinor } = await w.store.read((tx) => available(tx, workspaceId, w.clock.nowUs()));
      assert.ok(balanceMinor >= -legs * 2 * centsPerSecond, `${balanceMinor} cents`);
      assert.ok(balanceMinor <= legs * 2 * centsPerSecond, `${balanceMinor} cents are left`);
    } finally {
      await w.end();
    }
  });
});

describeOnSwitch("a running call of a workspace that hangs up when its money ends", function () {
  this.timeout(40_000);

  it("is neither cut off nor has its money spent by a clock that is set forward by an hour", async () => {
    let aheadMs = 0;
    const nowMs = () => systemClock.nowMs() + aheadMs;
    const armedS: number[] = [];
    const w = await world({
      clock: { ...systemClock, nowMs, nowUs: () => nowMs() * 1000 },
      tap: (box) =>
        new Proxy(box, {
          get(target, name) {
            const value: unknown = Reflect.get(target, name, target);
            if (typeof value !== "function") return value;
            return (...args: unknown[]) => {
              if (name === "armKill" && String(args[1]).startsWith("cut-")) armedS.push(args[2] as number);
              return Reflect.apply(value, target, args) as unknown;
            };
          },
        }),
    });
    try {
      const e164 = "+254200000108";
      const workspaceId = await w.workspace(e164, 600 * centsPerSecond);
      await w.store.write((tx) => updateWorkspace(tx, workspaceId, { onZeroBalance: "hangup" }));
      const first = await w.place({ to: talksOn }, { workspaceId, e164 });
      await w.until(first, "its answer", ({ status }) => status === "answered");
      aheadMs = 3_600_000;
      const second = await w.place({ to: talksOn }, { workspaceId, e164 });
      await w.until(second, "its answer", ({ status }) => status === "answered");
      await w.hangUp(second, workspaceId);
      await w.ended(second);
      await eventually("what was armed anew", async () =>
        (await w.store.read((tx) => intentsOfCall(tx, first))).length === 0 ? true : undefined,
      );
      assert.ok(armedS.length > 0 && Math.min(...armedS) > 200, `armed to end in ${armedS.join(", ")} s`);
      await w.hangUp(first, workspaceId);
      assert.equal(cutOffBy(await w.ended(first)), null);
    } finally {
      await w.end();
    }
  });
});
