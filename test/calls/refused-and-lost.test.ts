import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { demoPrompt } from "../../cli/demo/prompt.ts";
import type { Box } from "../../engine/calls/controller.ts";
import { CallChange } from "../../engine/calls/call-change.ts";
import { systemClock } from "../../engine/clock.ts";
import { SautikitError } from "../../engine/errors.ts";
import type { CallId, LegId } from "../../engine/ids.ts";
import { insertRate } from "../../engine/store/rates.ts";
import { intentsOfCall, legById, legsOfCall } from "../../engine/store/calls.ts";
import { leases, releaseLease, takeLease } from "../../engine/store/leases.ts";
import { updateWorkspace } from "../../engine/store/workspaces.ts";
import { createRecordings } from "../../recordings/recordings.ts";
import { hurried } from "../peers/hurried-clock.ts";
import { sideBySide } from "../peers/side-by-side.ts";
import { describeOnSwitch } from "../peers/switch-under-test.ts";
import { eventually } from "../peers/waiting.ts";
import { priceOf } from "./checks.ts";
import {
  interferedBox,
  noAnswer,
  refusal,
  unavailable,
  type Interference,
  type Question,
} from "./interfered-box.ts";
import { eventOf, kindsOf, world, type World } from "./world.ts";

const wanjiru = "+254700000001";
const otieno = "+254700000002";
const hangsUpAfter3s = "+254700000103";
const ringsOn = "+254700000180";

const rung = async (on: World, to: string) =>
  (await on.carrier.calls()).filter(({ number }) => number === to).length;
const intents = (on: World, callId: CallId) => on.store.read((tx) => intentsOfCall(tx, callId));

/** Commands of one call, as the switch is asked them, and what the test makes of each. */
type Rule = (
  question: Question,
  leg: { id: LegId; position: number },
  ask: () => Promise<unknown>,
) => Promise<unknown>;

describeOnSwitch("a command that the switch refuses, or does not answer", function () {
  this.timeout(60_000);
  let on: World;
  const rules = new Map<CallId, Rule>();
  before(async () => {
    on = await world({
      expectedErrors: /a command was refused|A recording's file is missing/,
      tap: (box) =>
        interferedBox(box, {
          async question(question, leg, ask) {
            const row = leg && (await on.store.read((tx) => legById(tx, leg)));
            const rule = row && rules.get(row.callId);
            return rule ? rule(question, row, ask) : ask();
          },
        }),
    });
  });
  after(() => on.end());
  const together = sideBySide(20);

  /** Places a call whose commands are subject to the rule; the list grows by each that was asked. */
  async function placed(call: Parameters<World["place"]>[0], rule: Rule) {
    const asked: string[] = [];
    const id = await on.place(call);
    rules.set(id, (question, leg, ask) => {
      if (question !== "channelFacts") asked.push(question);
      return rule(question, leg, ask);
    });
    return { id, asked };
  }

  together("holds up nothing behind it: Wanjiru is hung up, and her recording told as missing", async () => {
    const { id, asked } = await placed({ to: wanjiru }, (question, _, ask) =>
      question === "startRecording" ? Promise.reject(refusal()) : ask(),
    );
    await on.event(id, "call.answered");
    const [recording] = await on.record(id, "on");
    // There was something to be recorded.
    await systemClock.sleep(300);
    await on.hangUp(id);
    const call = await on.ended(id);
    assert.deepEqual(asked, ["originate", "startRecording", "hangUp"]);
    assert.equal(call.hangup_cause, "normal_clearing");
    const told = await on.until(
      id,
      "recording.missing",
      ({ events }) => events.some(({ kind }) => kind === "recording.missing"),
      30_000,
    );
    assert.equal(eventOf(told, "recording.missing").payload["recording_id"], recording!.id);
  });

  together("does not keep the next action from running", async () => {
    const { id } = await placed(
      { to: wanjiru, actions: [{ dial: { number: "+254700000486" } }, { wait: { seconds: 1 } }] },
      (question, _, ask) =>
        question === "stopPlayback" || question === "disarmKill" ? Promise.reject(refusal()) : ask(),
    );
    const call = await on.ended(id);
    assert.equal(eventOf(call, "call.dial_completed").payload["dial_status"], "busy");
    assert.ok(kindsOf(call).includes("document.ended"));
  });

  for (const [what, error] of [
    ["refused", refusal],
    ["not answered", noAnswer],
  ] as const) {
    together(`is done again where it was a hang-up that was ${what}`, async () => {
      let tries = 0;
      const { id } = await placed({ to: wanjiru }, (question, _, ask) =>
        question === "hangUp" && ++tries <= 3 ? Promise.reject(error()) : ask(),
      );
      await on.event(id, "call.answered");
      await on.hangUp(id);
      const call = await on.ended(id);
      assert.equal(call.hangup_cause, "normal_clearing");
      assert.equal(tries, 4);
    });
  }

  for (const [what, error, reason] of [
    ["refused", refusal, "not_sent"],
    ["not answered", noAnswer, "unknown_outcome"],
  ] as const) {
    together(`that sends digits and is ${what} is told of`, async () => {
      const { id } = await placed({ to: wanjiru }, (question, _, ask) =>
        question === "sendDigits" ? Promise.reject(error()) : ask(),
      );
      await on.event(id, "call.answered");
      await on.store.write((tx) => on.calls.sendDigits(tx, on.home, id, "12"));
      const call = await on.event(id, "digits.failed");
      assert.deepEqual(eventOf(call, "digits.failed").payload, { digits: "12", reason });
      await on.hangUp(id);
      await on.ended(id);
    });
  }

  together("leaves the old deadline of a call where it was the new one that was refused", async () => {
    const { id, asked } = await placed({ to: wanjiru, maxDurationSeconds: 4 }, (question, _, ask) =>
      question === "armKill" ? Promise.reject(refusal()) : ask(),
    );
    await on.event(id, "call.answered");
    await on.store.write(async (tx) => {
      await tx.run("UPDATE legs SET max_duration_seconds = 60 WHERE call_id = ?", [id]);
      await on.calls.moneyChanged(tx, on.home);
    });
    const call = await on.ended(id);
    assert.equal(call.hangup_cause, "allotted_timeout");
    assert.deepEqual(asked, ["originate", "armKill"]);
  });

  together("refused before a dial leaves the dial as it is", async () => {
    const { id } = await placed(
      { to: wanjiru, actions: [{ dial: { number: hangsUpAfter3s } }] },
      (question, _, ask) => (question === "playRingback" ? Promise.reject(refusal()) : ask()),
    );
    const call = await on.ended(id);
    assert.equal(eventOf(call, "call.dial_completed").payload["dial_status"], "completed");
  });

  together("unanswered before a dial fails the dial, and the next action runs", async () => {
    const to = "+254712000201";
    const { id, asked } = await placed(
      { to: wanjiru, actions: [{ dial: { number: to } }, { wait: { seconds: 1 } }] },
      (question, _, ask) => (question === "afterBridge" ? Promise.reject(noAnswer()) : ask()),
    );
    const call = await on.ended(id);
    const told = eventOf(call, "call.dial_completed").payload;
    assert.equal(told["dial_status"], "failed");
    assert.equal(told["leg_id"], call.legs[1]!.id);
    assert.equal(kindsOf(call).at(-1), "call.completed");
    assert.ok(call.duration_seconds >= 1);
    assert.ok(call.duration_seconds <= 4, `${call.duration_seconds} s of silence`);
    assert.ok(asked.includes("stopPlayback"), "whatever Wanjiru hears is stopped");
    assert.equal(await rung(on, to), 0);
  });

  together("refused as a dial, or as a call, ends it free of charge", async () => {
    const dial = await placed(
      { to: wanjiru, actions: [{ dial: { number: otieno } }, { wait: { seconds: 1 } }] },
      (question, leg, ask) =>
        question === "originate" && leg.position === 1 ? Promise.reject(refusal()) : ask(),
    );
    const call = await placed({ to: "+254712000202" }, (question, _, ask) =>
      question === "originate" ? Promise.reject(refusal()) : ask(),
    );
    const dialled = await on.ended(dial.id);
    assert.equal(eventOf(dialled, "call.dial_completed").payload["dial_status"], "failed");
    const failed = await on.ended(call.id);
    assert.equal(failed.failure_code, "not_sent");
    assert.equal(await rung(on, "+254712000202"), 0);
  });

  together("slow before a dial rings nobody once Wanjiru's call is hung up, or she has gone", async () => {
    const gate = Promise.withResolvers<undefined>();
    const slow: Rule = async (question, _, ask) => {
      if (question === "afterBridge") await gate.promise;
      return ask();
    };
    const hungUp = await placed({ to: wanjiru, actions: [{ dial: { number: "+254712000203" } }] }, slow);
    const gone = await placed({ to: hangsUpAfter3s, actions: [{ dial: { number: "+254712000204" } }] }, slow);
    await on.event(hungUp.id, "dial.started");
    await on.event(gone.id, "dial.started");
    await on.hangUp(hungUp.id);
    await on.until(gone.id, "Wanjiru's end", ({ legs }) => legs[0]?.ended_at != null);
    gate.resolve(undefined);
    for (const { id, asked } of [hungUp, gone]) {
      const call = await on.ended(id);
      assert.equal(eventOf(call, "call.dial_completed").payload["leg_id"], call.legs[1]!.id);
      assert.equal(asked.filter((question) => question === "originate").length, 1);
    }
    assert.equal(await rung(on, "+254712000203"), 0);
    assert.equal(await rung(on, "+254712000204"), 0);
  });

  together("slow behind the originate itself: Otieno's phone stops when Wanjiru has gone", async () => {
    const to = "+254712000205";
    const originated = Promise.withResolvers<undefined>();
    const gate = Promise.withResolvers<undefined>();
    const { id } = await placed(
      { to: wanjiru, actions: [{ dial: { number: to } }] },
      async (question, leg, ask) => {
        if (question === "originate" && leg.position === 1) {
          originated.resolve(undefined);
          await gate.promise;
        }
        return ask();
      },
    );
    await originated.promise;
    await on.hangUp(id);
    await on.until(id, "Wanjiru's end", ({ legs }) => legs[0]?.ended_at != null);
    gate.resolve(undefined);
    const call = await on.ended(id);
    assert.equal(call.legs[1]?.cost_minor, 0);
    const seen = (await on.carrier.calls()).filter(({ number }) => number === to);
    assert.ok(seen.every(({ ended_at, answered_at }) => ended_at !== null && answered_at === null));
  });

  together("beside a prompt that is being fetched is done all the same, and so is a hang-up", async () => {
    const hanging: Server = createServer(() => undefined).listen(0, "127.0.0.1");
    await once(hanging, "listening");
    try {
      const url = `http://127.0.0.1:${(hanging.address() as AddressInfo).port}/prompt.wav`;
      const { id, asked } = await placed(
        { to: wanjiru, actions: [{ dial: { number: "+254700000486" } }, { play: { url } }] },
        (_question, _leg, ask) => ask(),
      );
      await once(hanging, "request");
      await eventually("what the dial left to be done", () =>
        asked.includes("disarmKill") && asked.includes("stopPlayback") ? true : undefined,
      );
      // Decided in one step with another fetch, before it and behind it.
      const leg = (await on.view(id)).legs[0]!.id;
      await on.store.write(async (tx) => {
        const change = (await CallChange.load(on.changeParts, tx, id))!;
        change.intend({ kind: "setVariable", leg, name: "before_it", value: "true" });
        change.intend({ kind: "prepareMedia", source: { url }, token: "another" });
        change.intend({ kind: "setVariable", leg, name: "behind_it", value: "true" });
        await change.save();
      });
      await eventually("both commands", () =>
        asked.filter((question) => question === "setVariable").length === 2 ? true : undefined,
      );
      await on.hangUp(id);
      const call = await on.until(id, "its end", ({ ended_at }) => ended_at !== null);
      assert.equal(call.status, "completed");
      assert.ok(!kindsOf(call).includes("play.started"));
    } finally {
      hanging.closeAllConnections();
      hanging.close();
    }
  });

  together("leaves one leg without audio, and the other leg's is never given for it", async () => {
    const { id } = await placed(
      {
        to: wanjiru,
        actions: [{ dial: { number: hangsUpAfter3s, record: true } }, { wait: { seconds: 3 } }],
      },
      (question, _, ask) => (question === "startRecording" ? Promise.reject(refusal()) : ask()),
    );
    await on.event(id, "leg.bridged");
    await on.record(id, "on");
    const call = await on.ended(id);
    const recordings = createRecordings({
      store: on.store,
      storage: on.storage,
      clock: on.clock,
      log: on.log,
    });
    const [first, second] = call.legs;
    assert.deepEqual([first!.recording_ids.length, second!.recording_ids.length], [1, 1]);
    // What the end told of each leg is what the API shows.
    const told = eventOf(call, "call.completed").payload["legs"] as { recording_ids: string[] }[];
    assert.deepEqual(
      told.map(({ recording_ids }) => recording_ids),
      call.legs.map(({ recording_ids }) => recording_ids),
    );
    await on.until(
      id,
      "both recordings settled",
      ({ events }) =>
        ["recording.missing", "call.recording.ready"].every((wanted) =>
          events.some(({ kind }) => kind === wanted),
        ),
      30_000,
    );
    assert.equal((await recordings.forCall(on.home, id)).kind, "withoutAudio");
    const named = await recordings.forCall(
      on.home,
      id,
      second!.recording_ids[0] as Parameters<typeof recordings.forCall>[2],
    );
    assert.ok(named.kind === "ready" && named.recording.legId === second!.id);
  });

  together(
    "is not needed for a country that nobody knows, whatever its rate: it is not dialled",
    async () => {
      const workspaceId = await on.workspace("+254200000301");
      await on.store.write(async (tx) => {
        const common = { workspaceId, legKind: "pstn", direction: "outbound", effectiveAtMs: 0 } as const;
        for (const prefix of ["800", "1"])
          await insertRate(tx, {
            ...common,
            ...{ id: `rate_${prefix}`, prefix, country: null, description: "Anywhere", microKesPerMinute: 1 },
          });
        await updateWorkspace(tx, workspaceId, { allowedCountries: JSON.stringify(["KE", "US"]) });
      });
      for (const to of ["+80012345678", "+11234567890"]) {
        await assert.rejects(on.place({ to }, { workspaceId, e164: "+254200000301" }), {
          code: "calls.destination_not_allowed",
        });
        assert.equal(await rung(on, to), 0);
      }
    },
  );
});

/** A world whose one box does as the test says, from its first connection on. */
const interfered = (interference: Interference, options: Parameters<typeof world>[0] = {}) =>
  world({ ...options, tap: (box) => interferedBox(box, interference) });

describeOnSwitch("a command that was carried out", function () {
  this.timeout(60_000);

  it("is not carried out again by who read its row before it was deleted", async () => {
    const asked: Question[] = [];
    const on = await world({
      tap: (box) =>
        interferedBox(box, {
          question(question, _, ask) {
            asked.push(question);
            return ask();
          },
        }),
      // As on a database at the other end of a network.
      tapStore: (store) => ({
        async read(work) {
          const value = await store.read(work);
          await systemClock.sleep(30);
          return value;
        },
      }),
    });
    try {
      const id = await on.place({ to: wanjiru });
      await on.event(id, "call.answered");
      const [recording] = await on.record(id, "on");
      on.changed(id);
      await on.event(id, "recording.started");
      await on.record(id, "off");
      on.changed(id);
      await on.event(id, "recording.stopped");
      await on.hangUp(id);
      await on.ended(id);
      const count = (wanted: Question) => asked.filter((question) => question === wanted).length;
      assert.deepEqual([count("startRecording"), count("stopRecording")], [1, 1], recording!.id);
    } finally {
      await on.end();
    }
  });
});

describeOnSwitch("a command that could not even be sent", function () {
  this.timeout(60_000);
  let on: World;
  const unsent = new Set<Question>();
  let readsFail = false;
  before(async () => {
    on = await world({
      tap: (box) =>
        interferedBox(box, {
          question: (question, _, ask) => (unsent.delete(question) ? Promise.reject(unavailable()) : ask()),
        }),
      tapStore: (store) => ({
        read: (work) =>
          store.read((tx) =>
            work({
              get(sql, params) {
                if (!readsFail || !sql.includes("FROM recordings")) return tx.get(sql, params);
                readsFail = false;
                return Promise.reject(new SautikitError("database.unavailable"));
              },
              all: (sql, params) => tx.all(sql, params),
            }),
          ),
      }),
    });
  });
  after(() => on.end());

  it("to the switch is sent a moment later: the call rings, once", async () => {
    unsent.add("originate");
    const to = "+254712000206";
    const id = await on.place({ to });
    await on.event(id, "call.answered");
    assert.equal(unsent.size, 0);
    await on.hangUp(id);
    const call = await on.ended(id);
    assert.equal(call.status, "completed");
    assert.equal(call.legs[0]?.attempts.length, 1);
    assert.equal(await rung(on, to), 1);
  });

  it("of a dial is sent a moment later: both talk", async () => {
    const id = await on.place({
      to: wanjiru,
      actions: [{ wait: { seconds: 1 } }, { dial: { number: hangsUpAfter3s } }],
    });
    await on.event(id, "call.answered");
    unsent.add("originate");
    const call = await on.ended(id);
    assert.equal(unsent.size, 0);
    assert.equal(eventOf(call, "call.dial_completed").payload["dial_status"], "completed");
  });

  it("for the database's sake is sent once that is back: it is no refusal", async () => {
    const id = await on.place({ to: wanjiru });
    await on.event(id, "call.answered");
    readsFail = true;
    await on.record(id, "on");
    await on.event(id, "recording.started");
    assert.equal(readsFail, false);
    await on.hangUp(id);
    await on.ended(id);
  });
});

describeOnSwitch("a call that could not even be sent over a trunk of few channels", function () {
  this.timeout(60_000);
  let on: World;
  let unsent: (() => Promise<void>) | null = null;
  before(async () => {
    on = await world({
      trunks: ({ host, port }) => JSON.stringify({ trunks: [{ name: "narrow", host, port, channels: 2 }] }),
      tap: (box) =>
        interferedBox(box, {
          async question(question, _, ask) {
            if (question !== "originate" || unsent === null) return ask();
            const before = unsent;
            unsent = null;
            await before();
            throw unavailable();
          },
        }),
    });
    await on.trunksLoaded("narrow");
  });
  after(() => on.end());
  const talking = async () => {
    const id = await on.place({ to: wanjiru });
    await on.event(id, "call.answered");
    return id;
  };

  it("has its place there when it is sent a moment later", async () => {
    const other = await talking();
    unsent = () => Promise.resolve();
    const id = await talking();
    assert.equal(unsent, null);
    for (const one of [id, other]) await on.hangUp(one);
    for (const one of [id, other]) assert.equal((await on.ended(one)).legs[0]?.attempts.length, 1);
  });

  it("rings, of those for whom there was no channel, whom there is one for by then", async () => {
    const other = await talking();
    unsent = async () => {
      await on.hangUp(other);
      await on.ended(other);
    };
    const answers = "+254712000207";
    const id = await on.place({ to: [ringsOn, answers] });
    await on.event(id, "call.answered");
    assert.equal(unsent, null);
    await on.hangUp(id);
    const { legs, status } = await on.ended(id);
    assert.equal(status, "completed");
    assert.deepEqual(Object.fromEntries(legs.map(({ to, attempts }) => [to, attempts.length])), {
      [ringsOn]: 1,
      [answers]: 1,
    });
  });
});

describeOnSwitch("a controller that is told to stop", function () {
  this.timeout(60_000);

  it("sends what it has just marked as sent, so that the call rings under the next one", async () => {
    let marked = false;
    const held = Promise.withResolvers<undefined>();
    const on = await world({
      // The commit of the mark takes its time, as on a database at the other end of a network.
      tapStore: (store) => ({
        async write(work) {
          const value = await store.write(work);
          const [first] = await store.read((tx) =>
            tx.all<{ sentAtMs: number | null }>("SELECT sent_at_ms FROM intents WHERE at_most_once = 1"),
          );
          if (marked || first?.sentAtMs == null) return value;
          marked = true;
          await held.promise;
          return value;
        },
      }),
    });
    try {
      const id = await on.place({ to: wanjiru });
      await eventually("the mark", () => marked || undefined);
      const stopped = on.stopController();
      await systemClock.sleep(200);
      held.resolve(undefined);
      await stopped;
      await on.control();
      await on.event(id, "call.answered");
      await on.hangUp(id);
      assert.equal((await on.ended(id)).status, "completed");
    } finally {
      await on.end();
    }
  });
});

describeOnSwitch("a switch whose news is lost", function () {
  this.timeout(60_000);

  it("is reconciled with although its first listing failed", async () => {
    let answered = false;
    let refused = 0;
    const lost = new Set<string>(["answered"]);
    const on = await interfered(
      {
        question: (question, _, ask) =>
          question === "listChannels" && !answered && ++refused > 0 ? Promise.reject(unavailable()) : ask(),
        event: (event, tell) => {
          if (!lost.has(event.kind)) tell();
        },
      },
      { expectedErrors: /reconciliation on connect failed/ },
    );
    try {
      // Otieno's phone was answered, and nobody said so: only a listing can.
      const id = await on.place({ to: otieno });
      await on.carrier.callFrom("+254200000001", ({ answered_at }) => answered_at !== null);
      answered = true;
      await on.event(id, "call.answered");
      assert.ok(refused > 0);
      await on.hangUp(id);
      await on.ended(id);
    } finally {
      await on.end();
    }
  });

  it("waits for the true record of a leg's end as long as the switch itself lives", async () => {
    const gate = Promise.withResolvers<undefined>();
    let again: (() => void) | undefined;
    const on = await interfered(
      {
        event: (event, tell) => {
          if (event.kind !== "hungUp") tell();
        },
        boxEvent: (event, tell) => {
          if (event.kind === "connected") again = tell;
          tell();
        },
      },
      { beforeEndRecord: () => gate.promise },
    );
    try {
      const id = await on.place({ to: hangsUpAfter3s });
      await on.event(id, "call.answered");
      const ended = await on.carrier.callFrom("+254200000001", ({ ended_at }) => ended_at !== null);
      // Longer than the wait for a leg that the switch never had, with a look at the switch's list every second.
      for (let looks = 0; looks < 9; looks++) {
        again?.();
        await systemClock.sleep(1_000);
        assert.equal((await on.view(id)).status, "answered");
      }
      gate.resolve(undefined);
      const call = await on.ended(id);
      assert.equal(eventOf(call, "leg.ended").payload["known_by"], "end_record");
      assert.equal(call.hangup_cause, "normal_clearing");
      assert.ok(Math.abs(Date.parse(call.ended_at!) - Date.parse(ended.ended_at!)) < 1_000);
    } finally {
      await on.end();
    }
  });

  it("charges by its record a leg that was gone before the switch died, though the next controller finds another core", async () => {
    const gate = Promise.withResolvers<undefined>();
    let again: (() => void) | undefined;
    let restarted = false;
    const on = await interfered(
      {
        event: (event, tell) => {
          if (event.kind !== "hungUp") tell();
        },
        boxEvent: (event, tell) => {
          if (event.kind === "connected") {
            if (restarted) event.coreUuid = "another";
            again = tell;
          }
          tell();
        },
      },
      { beforeEndRecord: () => gate.promise },
    );
    try {
      const id = await on.place({ to: hangsUpAfter3s });
      await on.event(id, "call.answered");
      const ended = await on.carrier.callFrom("+254200000001", ({ ended_at }) => ended_at !== null);
      again?.();
      // Its heart beats on.
      await systemClock.sleep(3_000);
      restarted = true;
      await on.control();
      // Longer than a leg that died with its switch is waited for.
      await systemClock.sleep(9_000);
      assert.equal((await on.view(id)).status, "answered");
      gate.resolve(undefined);
      const call = await on.ended(id);
      assert.equal(eventOf(call, "leg.ended").payload["known_by"], "end_record");
      assert.ok(Math.abs(Date.parse(call.ended_at!) - Date.parse(ended.ended_at!)) < 1_000);
    } finally {
      gate.resolve(undefined);
      await on.end();
    }
  });
});

describeOnSwitch("a switch that is away", function () {
  this.timeout(60_000);

  it("is tried again now and then, and what it did not take within 10 s is never done", async () => {
    let away = false;
    let looks = 0;
    let keepPrompt: Promise<unknown> = Promise.resolve();
    const asked: Question[] = [];
    const on = await interfered({
      connected: () => {
        looks++;
        return !away;
      },
      question: (question, _, ask) => {
        asked.push(question);
        return ask();
      },
    });
    const web = createServer((request, response) => {
      request.resume();
      void keepPrompt.then(() => response.setHeader("Content-Type", "audio/wav").end(demoPrompt()));
    }).listen(0, "127.0.0.1");
    await once(web, "listening");
    try {
      const url = `http://127.0.0.1:${(web.address() as AddressInfo).port}/prompt.wav`;
      const gate = Promise.withResolvers<undefined>();
      keepPrompt = gate.promise;
      const playing = await on.place({ to: wanjiru, actions: [{ play: { url } }, { wait: { seconds: 1 } }] });
      await on.event(playing, "action.started");
      away = true;
      gate.resolve(undefined);
      await on.event(playing, "play.started");

      const to = "+254712000206";
      const dialled = await on.place({ to });
      // Whatever happens to a call meanwhile, it waits for the box by one timer.
      for (let signals = 0; signals < 150; signals++) {
        on.changed(dialled);
        await systemClock.sleep(10);
      }
      looks = 0;
      await systemClock.sleep(5_000);
      // Every second the sweep looks for both calls, and at the box; a retry or two come between.
      assert.ok(looks <= 50, `${looks} looks in 5 s`);

      const failed = await on.until(dialled, "its end", ({ ended_at }) => ended_at !== null);
      assert.equal(failed.failure_code, "not_sent");
      away = false;
      const call = await on.ended(playing);
      assert.ok(kindsOf(call).includes("play.failed"));
      assert.ok(!asked.includes("play"));
      assert.equal(await rung(on, to), 0);
      await on.ended(dialled);
    } finally {
      web.closeAllConnections();
      web.close();
      await on.end();
    }
  });

  it("was told nothing of calls that are older than 10 s when the controller comes", async () => {
    const on = await world({ controller: false });
    try {
      const [old, young] = [await on.place({ to: "+254712000207" }), await on.place({ to: otieno })];
      await on.store.write((tx) =>
        tx.run("UPDATE intents SET created_at_ms = created_at_ms - 10000 WHERE call_id = ?", [old]),
      );
      await on.control();
      const call = await on.ended(old);
      assert.equal(call.failure_code, "not_sent");
      assert.equal(await rung(on, "+254712000207"), 0);
      await on.event(young, "call.answered");
      await on.hangUp(young);
      await on.ended(young);
    } finally {
      await on.end();
    }
  });
});

describeOnSwitch("a controller that stops and leaves its calls to the next", function () {
  this.timeout(60_000);

  it("leaves a hang-up that was under way, and the next one does it", async () => {
    // As where a kill overtakes the originate of its own leg: there is no such channel, yet.
    let tries = 0;
    let overtakes = true;
    const on = await interfered({
      question(question, _, ask) {
        if (question !== "hangUp") return ask();
        tries++;
        return overtakes ? Promise.resolve(false) : ask();
      },
    });
    try {
      const id = await on.place({ to: ringsOn });
      await on.event(id, "leg.ringing");
      await on.hangUp(id);
      await eventually("a kill that found nothing", () => (tries > 0 ? true : undefined));
      await on.stopController();
      assert.equal((await intents(on, id)).length, 1, "the hang-up is still to be done");
      overtakes = false;
      await on.control();
      const call = await on.ended(id, 30_000);
      assert.equal(call.status, "canceled");
    } finally {
      await on.end();
    }
  });

  it("has the legs of boxes that are not configured any more ended after a minute, never billed over", async () => {
    const on = await world();
    try {
      const talking = await on.place({ to: wanjiru });
      await on.event(talking, "call.answered");
      await on.until(
        talking,
        "two seconds of talk, and its proof",
        ({ duration_seconds }) => duration_seconds >= 3,
      );
      const ringing = await on.place({ to: ringsOn });
      await on.event(ringing, "leg.ringing");
      await on.stopController();
      const stoppedUs = on.clock.nowUs();

      // Of another name, and nowhere.
      const other = emptyBox("another");
      await on.control([other]);
      await systemClock.sleep(3_000);
      assert.equal((await on.view(talking)).status, "answered", "the operator has a minute to mend it");
      await on.control([other], hurried(20));

      const done = async (id: CallId) => on.until(id, "its end", ({ ended_at }) => ended_at !== null);
      assert.equal((await done(ringing)).failure_code, "switch_failed");
      const call = await done(talking);
      const [leg] = await on.store.read((tx) => legsOfCall(tx, talking));
      assert.equal(leg!.endedBy, "last_proven");
      assert.ok(leg!.endedAtUs! <= stoppedUs && leg!.endedAtUs! >= leg!.answeredAtUs! + 1_000_000);
      const stamps = { answeredUs: BigInt(leg!.answeredAtUs!), endedUs: BigInt(leg!.endedAtUs!) };
      assert.equal(call.cost_minor, priceOf(stamps, call.legs[0]!.rate_per_minute_minor).cents);
    } finally {
      await on.end();
    }
  });

  it("has them left alone by who does not know their box, until nobody has led that for a minute", async () => {
    const on = await world();
    try {
      const talking = await on.place({ to: wanjiru });
      const waiting = await on.place({ to: otieno, actions: [{ wait: { seconds: 3 } }] });
      await on.event(talking, "call.answered");
      await on.event(waiting, "action.started");
      const lease = { name: "box", holder: "baraka" };
      await on.store.write((tx) => takeLease(tx, lease.name, lease.holder, undefined));
      const time = hurried(20);
      const second = async (at: number) => {
        while (time.monotonicMs() < fromMs + at * 1_000) await systemClock.sleep(5);
      };
      const fromMs = time.monotonicMs();
      await on.controlStrays(["another"], time);
      const stand = async (when: string) => {
        assert.equal((await on.view(talking)).status, "answered", when);
        assert.ok(!kindsOf(await on.view(waiting)).includes("document.ended"), when);
      };

      await second(75);
      await stand("while Baraka leads their box");
      await on.store.write((tx) => releaseLease(tx, { ...lease, fence: 1 }));
      await second(110);
      await stand("while nobody has for a moment");
      const [seen] = await on.store.read(leases);
      await on.store.write((tx) => takeLease(tx, lease.name, lease.holder, seen));
      await on.store.write((tx) => releaseLease(tx, { ...lease, fence: 3 }));
      await second(165);
      await stand("though nobody did before, either, but for a moment");

      for (const id of [talking, waiting]) {
        const call = await on.until(id, "its end", ({ ended_at }) => ended_at !== null);
        assert.equal(eventOf(call, "leg.reconciled").payload["reason"], "switch_not_configured");
      }
    } finally {
      await on.end();
    }
  });
});

/** A box without calls that never connects. */
function emptyBox(name: string): Box {
  return new Proxy({} as Box, {
    get: (_, member) => {
      if (member === "box") return name;
      if (member === "connected") return false;
      return () => Promise.resolve();
    },
  });
}
