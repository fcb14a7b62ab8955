import assert from "node:assert/strict";
import { systemClock } from "../../engine/clock.ts";
import type { CallId } from "../../engine/ids.ts";
import { legsOfCall } from "../../engine/store/calls.ts";
import type { SwitchEvent } from "../../engine/switch/switch.ts";
import { sideBySide } from "../peers/side-by-side.ts";
import { describeOnSwitch } from "../peers/switch-under-test.ts";
import { eventually } from "../peers/waiting.ts";
import { interferedBox, noAnswer, type Interference } from "./interfered-box.ts";
import { world, type SeenCall, type World } from "./world.ts";

const wanjiru = "+254700000001";
const otieno = "+254700000002";

/** What reconciliation told on the call: of which leg (by its place), what it did, why, and what had been missed. */
const reconciledOn = ({ legs, events }: SeenCall) =>
  events
    .filter(({ kind }) => kind === "leg.reconciled")
    .map(({ payload }) => [
      legs.findIndex(({ id }) => id === payload["leg_id"]),
      payload["action"],
      payload["reason"],
      payload["missed"],
    ]);

const interfered = (interference: Interference, options: Parameters<typeof world>[0] = {}) =>
  world({ ...options, tap: (box) => interferedBox(box, interference) });

/** Ends the call, whose books are held against the switch's own stamps. */
async function endOf(on: World, id: CallId): Promise<SeenCall> {
  await on.hangUp(id);
  return on.ended(id);
}

describeOnSwitch("reconciliation tells on the call", function () {
  this.timeout(60_000);
  // Each has a world of its own, and waits for its switch.
  const together = sideBySide(3);

  together("which legs it adopted when a controller started, and what of them it had missed", async () => {
    const on = await world();
    try {
      const [known, missed] = [await on.place({ to: wanjiru }), await on.place({ to: otieno })];
      for (const id of [known, missed]) await on.event(id, "call.answered");
      await on.stopController();
      // As if the controller had gone before it could store the answer.
      await on.store.write(async (tx) => {
        await tx.run("UPDATE legs SET status = 'ringing', answered_at_us = NULL WHERE call_id = ?", [missed]);
        await tx.run("UPDATE calls SET status = 'ringing', answered_at_us = NULL WHERE id = ?", [missed]);
        await tx.run(
          "DELETE FROM call_events WHERE call_id = ? AND kind IN ('call.answered', 'leg.answered')",
          [missed],
        );
      });
      await on.control();
      await on.event(missed, "leg.reconciled");
      await on.event(known, "leg.reconciled");
      await on.hangUp(missed);
      const leg = await on.until(missed, "its end", ({ ended_at }) => ended_at !== null);
      assert.deepEqual(reconciledOn(leg), [[0, "adopted", "controller_started", ["answered"]]]);
      assert.ok(leg.legs[0]!.cost_minor > 0, "and it is charged");
      assert.deepEqual(reconciledOn(await endOf(on, known)), [[0, "adopted", "controller_started", []]]);
    } finally {
      await on.end();
    }
  });

  together("which legs it found again on a new connection, once for each", async () => {
    let again: (() => void) | undefined;
    const on = await interfered({
      boxEvent: (event, tell) => {
        if (event.kind === "connected") again = tell;
        tell();
      },
    });
    try {
      const id = await on.place({ to: wanjiru });
      await on.event(id, "call.answered");
      again?.();
      await on.event(id, "leg.reconciled", 1);
      again?.();
      await on.event(id, "leg.reconciled", 2);
      const each = [0, "adopted", "reconnected", []];
      assert.deepEqual(reconciledOn(await endOf(on, id)), [each, each]);
    } finally {
      await on.end();
    }
  });

  together(
    "what it corrected where events were lost, once however often it looks, and the charge is the switch's",
    async () => {
      const lost = new Set<SwitchEvent["kind"]>(["answered", "bridged"]);
      let again: (() => void) | undefined;
      const on = await interfered({
        event: (event, tell) => {
          if (!lost.has(event.kind)) tell();
        },
        boxEvent: (event, tell) => {
          if (event.kind === "connected") again = tell;
          tell();
        },
      });
      try {
        const id = await on.place({ to: wanjiru, actions: [{ dial: { number: otieno } }] });
        await on.carrier.callFrom("+254200000001", ({ answered_at }) => answered_at !== null);
        // A leg that is two seconds old is looked for in the list at the next comparison only: so it is asked for again.
        await eventually("the dial that follows its answer", async () => {
          again?.();
          await systemClock.sleep(500);
          return (await on.view(id)).events.some(({ kind }) => kind === "dial.started") || undefined;
        });
        await on.until(id, "the second leg", ({ legs }) => legs.length === 2);
        await eventually("both answered and joined", async () => {
          again?.();
          await systemClock.sleep(500);
          const { legs, events } = await on.view(id);
          return legs.every(({ status }) => status === "answered") &&
            events.some(({ kind }) => kind === "leg.bridged")
            ? true
            : undefined;
        });
        for (let looks = 0; looks < 3; looks++) {
          again?.();
          await systemClock.sleep(200);
        }
        const call = await endOf(on, id);
        const missed = reconciledOn(call).flatMap(([leg, , , facts]) =>
          (facts as string[]).map((fact) => `${String(leg)} ${fact}`),
        );
        assert.deepEqual(missed.filter((fact) => fact.endsWith("answered")).sort(), [
          "0 answered",
          "1 answered",
        ]);
        assert.equal(missed.filter((fact) => fact.endsWith(" bridged")).length, 1, missed.join(", "));
      } finally {
        await on.end();
      }
    },
  );

  together("that two are no longer joined, where nobody said so", async () => {
    let again: (() => void) | undefined;
    const on = await interfered({
      event: (event, tell) => {
        if (event.kind !== "unbridged") tell();
      },
      boxEvent: (event, tell) => {
        if (event.kind === "connected") again = tell;
        tell();
      },
    });
    try {
      const id = await on.place({
        to: wanjiru,
        actions: [{ dial: { number: "+254700000103" } }, { wait: { seconds: 10 } }],
      });
      await on.event(id, "call.dial_completed");
      again?.();
      const call = await on.event(id, "leg.unbridged");
      assert.ok(reconciledOn(call).some(([leg, , , facts]) => leg === 0 && String(facts) === "unbridged"));
      await endOf(on, id);
    } finally {
      await on.end();
    }
  });

  together(
    "that a leg never reached the switch, within seconds, where its originate was not answered",
    async () => {
      const on = await interfered({
        question: (question, _, ask) => (question === "originate" ? Promise.reject(noAnswer()) : ask()),
      });
      try {
        const placedMs = systemClock.monotonicMs();
        const id = await on.place({ to: otieno });
        const call = await on.ended(id);
        assert.ok(systemClock.monotonicMs() - placedMs < 15_000);
        assert.equal(call.failure_code, "controller_restarted");
        assert.deepEqual(reconciledOn(call), [[0, "closed", "never_on_switch", []]]);
      } finally {
        await on.end();
      }
    },
  );

  together("nothing of a leg that the switch's list does not show yet", async () => {
    let listings = 0;
    let again: (() => void) | undefined;
    const on = await interfered({
      // It lags behind the commands by up to a second, and this one shows nothing at all.
      question: (question, _, ask) => {
        if (question !== "listChannels") return ask();
        listings++;
        return Promise.resolve([]);
      },
      boxEvent: (event, tell) => {
        if (event.kind === "connected") again = tell;
        tell();
      },
    });
    try {
      const id = await on.place({ to: otieno });
      for (let looks = 0; looks < 20; looks++) {
        again?.();
        await systemClock.sleep(200);
        assert.equal((await on.view(id)).ended_at, null);
      }
      assert.ok(listings >= 10);
      const call = await endOf(on, id);
      assert.ok(reconciledOn(call).every(([, action]) => action === "adopted"));
    } finally {
      await on.end();
    }
  });

  together(
    "that a leg is over by now whose switch does not come back, billed as far as it was proven",
    async () => {
      let away = false;
      const on = await interfered({ connected: () => !away });
      try {
        const id = await on.place({ to: wanjiru, maxDurationSeconds: 60 });
        await on.until(id, "two seconds of talk", ({ duration_seconds }) => duration_seconds >= 2);
        away = true;
        await on.stopController();
        const stoppedUs = on.clock.nowUs();
        const far = interferedBox({ box: "box" } as Parameters<typeof interferedBox>[0], {
          connected: () => false,
        });
        const inert = new Proxy(far, {
          get: (target, name) =>
            name === "box" || name === "connected" ? Reflect.get(target, name) : () => Promise.resolve(),
        });
        const laterMs = 60_000 + 601_000;
        const begunMs = systemClock.monotonicMs();
        await on.control([inert], {
          ...systemClock,
          nowMs: () => systemClock.nowMs() + laterMs,
          nowUs: () => systemClock.nowUs() + laterMs * 1000,
          steadyMs: () => systemClock.steadyMs() + laterMs,
          // A minute that it is away passes in a second or two.
          monotonicMs: () => begunMs + (systemClock.monotonicMs() - begunMs) * 40,
        });
        const call = await on.until(id, "its end", ({ ended_at }) => ended_at !== null);
        assert.deepEqual(reconciledOn(call), [[0, "closed", "switch_away", []]]);
        const [leg] = await on.store.read((tx) => legsOfCall(tx, id));
        assert.ok(leg!.endedAtUs! <= stoppedUs && leg!.endedAtUs! >= leg!.answeredAtUs!);
        assert.equal(leg!.endedBy, "last_proven");
      } finally {
        await on.end();
      }
    },
  );
});

describeOnSwitch("a heartbeat of a switch that was started anew", function () {
  this.timeout(60_000);

  it("proves nothing of the legs that died with the one before", async () => {
    let holds = false;
    let tellConnected: (() => void) | undefined;
    const alive: string[] = [];
    const on = await interfered({
      boxEvent: (event, tell) => {
        if (event.kind === "connected" && holds) tellConnected = tell;
        else tell();
        if (event.kind === "alive") alive.push(event.coreUuid);
      },
    });
    try {
      const rows = () =>
        on.store.read((tx) => tx.all<{ coreUuid: string; aliveAtUs: number }>("SELECT * FROM boxes"));
      await eventually("its first heartbeat", () => alive.length > 0 || undefined);
      // Heartbeats may overtake the transaction that takes the switch in, which is then still to come.
      await eventually(
        "the switch taken in",
        async () => (await rows())[0]?.coreUuid === alive[0] || undefined,
      );
      await on.stopController();
      const provenUs = on.clock.nowUs();
      await on.store.write((tx) =>
        tx.run("UPDATE boxes SET core_uuid = 'the one before', alive_at_us = ?", [provenUs]),
      );
      alive.length = 0;
      holds = true;
      await on.control();
      // On PostgreSQL its transaction may overtake the one that takes the new switch in.
      await eventually("a heartbeat before its connection is known", () => alive.length > 1 || undefined);
      const [before] = await rows();
      assert.deepEqual([before?.coreUuid, before?.aliveAtUs], ["the one before", provenUs]);
      tellConnected?.();
      await eventually("heartbeats of the new one", async () => {
        const [after] = await rows();
        return after && after.coreUuid === alive[0] && after.aliveAtUs > provenUs ? true : undefined;
      });
    } finally {
      await on.end();
    }
  });
});
