import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import type { Document } from "../../engine/actions/document.ts";
import { Conferences } from "../../engine/calls/conferences.ts";
import { systemClock } from "../../engine/clock.ts";
import { SautikitError } from "../../engine/errors.ts";
import type { LegId } from "../../engine/ids.ts";
import { insertRoom } from "../../engine/store/conferences.ts";
import { updateWorkspace } from "../../engine/store/workspaces.ts";
import { available } from "../../engine/wallet/wallet.ts";
import type { ChannelFacts, RoomMember } from "../../engine/switch/switch.ts";
import { sideBySide } from "../peers/side-by-side.ts";
import { describeOnSwitch } from "../peers/switch-under-test.ts";
import { eventually } from "../peers/waiting.ts";
import { interferedBox, noAnswer } from "./interfered-box.ts";
import { eventOf, kindsOf, world, type SeenCall, type World } from "./world.ts";

const wanjiru = "+254700000001";
const otieno = "+254700000002";
/** At KES 3.00 a minute. */
const centsPerSecond = 5;

const inRoom = (name: string, more: object = {}, then: Document = [{ wait: { seconds: 60 } }]): Document => [
  { conference: { name, ...more } },
  ...then,
];
const reasonsOf = (call: SeenCall, kind: string) =>
  call.events.filter((event) => event.kind === kind).map(({ payload }) => payload["reason"]);
const gone = (on: World, name: string, withinMs = 5_000) =>
  eventually(`the end of ${name}`, async () => ((await on.conference(name)) === null ? true : undefined), {
    withinMs,
  });

describeOnSwitch("a conference and what may befall it", function () {
  this.timeout(60_000);
  let on: World;
  before(async () => {
    on = await world();
  });
  after(() => on.end());
  const together = sideBySide();

  together(
    "ends for whom the money ends, by the switch itself: each leg billed as that leg, its recording whole",
    async () => {
      const e164 = "+254200000301";
      const seconds = 6;
      const workspaceId = await on.workspace(e164, 2 * seconds * centsPerSecond);
      await on.store.write((tx) => updateWorkspace(tx, workspaceId, { onZeroBalance: "hangup" }));
      const [a, b] = await Promise.all(
        [wanjiru, otieno].map((to) =>
          on.place({ to, actions: inRoom("prepaid", { record: true }) }, { workspaceId, e164 }),
        ),
      );
      for (const id of [a!, b!]) {
        const call = await on.ended(id);
        assert.equal(call.hangup_cause, "allotted_timeout");
        assert.equal(eventOf(call, "leg.ended").payload["cut_off"], "wallet");
        assert.deepEqual(reasonsOf(call, "conference.left"), ["hung_up"]);
        assert.ok(kindsOf(call).includes("conference.started"));
        assert.ok(!kindsOf(call).includes("document.ended"));
        const [leg] = call.legs;
        assert.ok(leg!.billed_seconds >= seconds - 1 && leg!.billed_seconds <= seconds + 3);
        assert.equal(leg!.cost_minor, leg!.billed_seconds * centsPerSecond);
        assert.equal(leg!.recording_ids.length, 1);
        const ready = eventOf(await on.event(id, "call.recording.ready"), "call.recording.ready");
        assert.ok(Number(ready.payload["duration_seconds"]) > seconds - 2);
      }
      await gone(on, "prepaid");
      const { balanceMinor } = await on.store.read((tx) => available(tx, workspaceId, on.clock.nowUs()));
      assert.ok(balanceMinor >= -2 * 2 * centsPerSecond, `${balanceMinor} cents`);
    },
  );

  together("leaves a call's longest time in force for who comes out of it", async () => {
    const id = await on.place({
      ...{ to: wanjiru, maxDurationSeconds: 8 },
      actions: inRoom("short"),
    });
    const { legs } = await on.event(id, "conference.joined");
    await on.command("short", { command: "kick", legId: legs[0]!.id });
    const call = await on.ended(id);
    assert.deepEqual(reasonsOf(call, "conference.left"), ["kicked"]);
    assert.equal(call.hangup_cause, "allotted_timeout");
    assert.equal(eventOf(call, "leg.ended").payload["cut_off"], "max_duration");
  });

  together("does not take in a leg of another media server: it hears why, and goes on", async () => {
    await on.store.write((tx) =>
      insertRoom(tx, {
        ...{ id: on.ids.next("conf"), workspaceId: on.home, name: "far away", box: "another", locked: 0 },
        ...{ maxParticipants: 40, music: null, createdAtMs: on.clock.nowMs() },
        ...{ startedAtMs: null, endedAtMs: null },
      }),
    );
    const actions = inRoom("far away", { record: true }, [{ play: { url: on.promptUrl } }]);
    const call = await on.ended(await on.place({ to: wanjiru, actions }));
    assert.deepEqual(reasonsOf(call, "conference.refused"), ["other_box"]);
    assert.ok(kindsOf(call).includes("play.finished"));
    assert.deepEqual(call.legs[0]!.recording_ids, []);
  });

  together("records whom it is to record in the next room too", async () => {
    const record = { record: true };
    const id = await on.place({
      to: wanjiru,
      actions: inRoom("one", record, inRoom("another", record, [{ wait: { seconds: 1 } }])),
    });
    await on.event(id, "recording.started");
    const { legs } = await on.event(id, "conference.joined");
    await on.command("one", { command: "kick", legId: legs[0]!.id });
    await on.event(id, "conference.joined", 2);
    await on.event(id, "recording.started", 2);
    // One that is ended as soon as it began may hold nothing yet, and is told as `recording.empty`.
    await sleep(500);
    await on.command("another", { command: "end" });
    const call = await on.ended(id);
    assert.deepEqual(reasonsOf(call, "conference.left"), ["kicked", "ended"]);
    assert.equal(call.legs[0]!.recording_ids.length, 2);
    await on.event(id, "call.recording.ready", 2);
  });

  together("goes on to the action after a kick for as long as that takes", async () => {
    const id = await on.place({ to: wanjiru, actions: inRoom("long", {}, [{ wait: { seconds: 36 } }]) });
    const { legs } = await on.event(id, "conference.joined");
    await on.command("long", { command: "kick", legId: legs[0]!.id });
    const call = await on.ended(id, 50_000);
    assert.ok(kindsOf(call).includes("document.ended"));
    assert.equal(call.hangup_cause, "normal_clearing");
  });
});

describeOnSwitch("a conference of which the switch's word is lost", function () {
  this.timeout(60_000);
  let on: World;
  /** Legs that the switch never has in the room, though it took the command. */
  const neverIn = new Set<LegId>();
  const leavesUnheard = new Set<LegId>();
  /** They hang up: no more in the room, and for a moment still in the switch. */
  const dying = new Set<LegId>();
  let isAway = false;
  let losesAnswer = false;
  /** Of the next intent that is over, the word of the commit. */
  let losesCommit = false;
  const announced: string[] = [];
  before(async () => {
    on = await world({
      expectedErrors: /a step's fact could not be stored/,
      tapStore: (store) => ({
        async write(work) {
          const seen = { end: false };
          const value = await store.write((tx) =>
            work({
              ...{ get: tx.get.bind(tx), all: tx.all.bind(tx), afterCommit: tx.afterCommit.bind(tx) },
              run(sql, params) {
                seen.end ||= sql.startsWith("DELETE FROM intents");
                return tx.run(sql, params);
              },
            }),
          );
          if (!losesCommit || !seen.end) return value;
          losesCommit = false;
          throw new SautikitError("database.unavailable");
        },
      }),
      tap: (box) =>
        interferedBox(box, {
          connected: () => !isAway,
          question: async (name, leg, ask) => {
            if (name === "announce") announced.push(name);
            if (name === "announce" && losesAnswer) throw noAnswer();
            if (name === "enterRoom" && leg !== null && neverIn.delete(leg)) return true;
            if (name === "roomMembers")
              return ((await ask()) as RoomMember[] | null)?.filter((one) => !dying.has(one.leg)) ?? null;
            if (name === "channelFacts" && leg !== null && dying.has(leg))
              return { ...((await ask()) as ChannelFacts), hungUp: true };
            return ask();
          },
          event: (event, tell) => {
            if (event.kind !== "roomLeft" || !leavesUnheard.has(event.leg)) tell();
          },
        }),
    });
  });
  after(() => on.end());

  it("is over for who was sent elsewhere before they were inside", async () => {
    const id = await on.place({ to: wanjiru, actions: [{ wait: { seconds: 60 } }] });
    const { legs } = await on.event(id, "action.started");
    neverIn.add(legs[0]!.id);
    await on.direct(id, inRoom("missed", { record: true }));
    await on.event(id, "action.started", 2);
    await on.direct(id, [{ wait: { seconds: 20 } }]);
    const call = await on.event(id, "action.started", 3);
    await gone(on, "missed", 6_000);
    const left = await on.event(id, "conference.left");
    assert.deepEqual(reasonsOf(left, "conference.left"), ["directed"]);
    const waited = call.events
      .filter(({ kind }) => kind === "action.started")
      .map((e) => Date.parse(e.occurred_at));
    assert.ok(waited[2]! - waited[1]! < 6_000, `${waited[2]! - waited[1]!} ms of silence`);
    await on.hangUp(id);
    await on.ended(id);
  });

  it("is over for who is in another one by now", async () => {
    const id = await on.place({ to: wanjiru, actions: inRoom("lost", { record: true }) });
    const { legs } = await on.event(id, "conference.joined");
    leavesUnheard.add(legs[0]!.id);
    await on.direct(id, inRoom("found"));
    const call = await on.event(id, "conference.joined", 2);
    leavesUnheard.clear();
    assert.deepEqual(reasonsOf(call, "conference.left"), ["directed"]);
    await gone(on, "lost");
    await on.hangUp(id);
    const ended = await on.ended(id);
    assert.deepEqual(reasonsOf(ended, "conference.left"), ["directed", "hung_up"]);
  });

  it("goes on without one who hangs up in the moment in which it is looked at", async () => {
    const a = await on.place({ to: wanjiru, actions: inRoom("chaired") });
    const b = await on.place({ to: otieno, actions: inRoom("chaired", { endOnExit: true }) });
    await on.event(b, "conference.started");
    const { legs } = await on.event(a, "conference.started");
    const c = await on.place({ to: otieno, actions: [{ wait: { seconds: 60 } }] });
    const late = await on.event(c, "action.started");
    neverIn.add(late.legs[0]!.id);
    dying.add(legs[0]!.id);
    // Somebody is waited for, so that it is looked at every second.
    await on.direct(c, inRoom("chaired"));
    await sleep(5_000);
    dying.clear();
    const { participants, status } = (await on.conference("chaired"))!;
    assert.deepEqual([participants, status], [2, "started"]);
    for (const id of [a, b, c]) await on.hangUp(id);
    for (const id of [a, b, c]) await on.ended(id);
  });

  it("hears an announcement once, though the word of the commit that it was ready for was lost", async () => {
    const id = await on.place({ to: wanjiru, actions: inRoom("once") });
    await on.event(id, "conference.joined");
    await sleep(1_000);
    losesCommit = true;
    await on.command("once", { command: "play", source: { url: on.promptUrl } });
    await on.event(id, "conference.announced");
    assert.equal(losesCommit, false);
    await sleep(1_500);
    assert.equal(announced.length, 1);
    await on.hangUp(id);
    await on.ended(id);
  });

  it("tells of what could not be said: the switch away for too long, or its answer lost", async () => {
    const id = await on.place({ to: wanjiru, actions: inRoom("told") });
    await on.event(id, "conference.joined");
    losesAnswer = true;
    await on.command("told", { command: "play", source: { url: on.promptUrl } });
    await on.event(id, "conference.announcement_failed");
    losesAnswer = false;
    isAway = true;
    await on.command("told", { command: "play", source: { url: on.promptUrl } });
    await sleep(11_000);
    isAway = false;
    const call = await on.event(id, "conference.announcement_failed", 2);
    assert.deepEqual(reasonsOf(call, "conference.announcement_failed"), ["unknown_outcome", "not_sent"]);
    assert.ok(!kindsOf(call).includes("conference.announced"));
    await on.command("told", { command: "play", source: { url: on.promptUrl } });
    await on.event(id, "conference.announced");
    await on.hangUp(id);
    await on.ended(id);
  });
});

describeOnSwitch("a conference whose controller's clock is set wrong by an hour", function () {
  this.timeout(60_000);
  const hourMs = 3_600_000;
  let on: World;
  let aheadMs = 0;
  /** Of the clock that nobody steps. */
  let steadyAheadMs = 0;
  let unheard: string | null = null;
  /** The switch is not told of the end of a room. */
  let endIsLost = false;
  let connected: (() => void) | undefined;
  before(async () => {
    on = await world({
      tap: (box) =>
        interferedBox(box, {
          event: (event, tell) => {
            if (event.kind !== unheard) tell();
          },
          boxEvent: (event, tell) => {
            if (event.kind === "connected") connected = tell;
            tell();
          },
          question: (name, _, ask) => (name === "endRoom" && endIsLost ? Promise.resolve(true) : ask()),
        }),
    });
    await on.stopController();
    await on.control(undefined, {
      ...systemClock,
      nowMs: () => systemClock.nowMs() + aheadMs,
      nowUs: () => systemClock.nowUs() + aheadMs * 1000,
      steadyMs: () => systemClock.steadyMs() + steadyAheadMs,
    });
  });
  afterEach(() => {
    aheadMs = 0;
    steadyAheadMs = 0;
    unheard = null;
  });
  after(() => on.end());

  const checkStay = (call: SeenCall) => {
    const [came, went] = ["joined", "left"].map((what) => eventOf(call, `conference.${what}`).occurred_at);
    assert.ok(came! <= went!, `came at ${came!}, left at ${went!}`);
  };

  it("is left when its member leaves, though the word of their coming was lost while it was ahead", async () => {
    unheard = "roomEntered";
    const id = await on.place({ to: wanjiru, actions: inRoom("ahead") });
    await on.event(id, "action.started");
    aheadMs = hourMs;
    const { legs } = await on.event(id, "conference.joined");
    aheadMs = 0;
    await sleep(500);
    await on.command("ahead", { command: "kick", legId: legs[0]!.id });
    const call = await on.event(id, "conference.left");
    assert.deepEqual(reasonsOf(call, "conference.left"), ["kicked"]);
    checkStay(call);
    await on.hangUp(id);
    await on.ended(id);
  });

  it("is left after it was come to, though for another one and the word of it was lost, while it was behind", async () => {
    const id = await on.place({ to: wanjiru, actions: inRoom("behind") });
    await on.event(id, "conference.joined");
    unheard = "roomLeft";
    aheadMs = -hourMs;
    await on.direct(id, inRoom("another"));
    checkStay(await on.event(id, "conference.joined", 2));
    await on.hangUp(id);
    await on.ended(id);
  });

  it("is left no earlier than it was come to, though who came was found there by a clock that is ahead of the switch's", async () => {
    unheard = "roomEntered";
    steadyAheadMs = 5_000;
    const id = await on.place({ to: wanjiru, actions: inRoom("found there") });
    await on.event(id, "conference.joined");
    await on.hangUp(id);
    const call = await on.ended(id);
    const [came, went] = [eventOf(call, "conference.joined"), eventOf(call, "conference.left")];
    assert.equal(went.occurred_at, came.occurred_at);
    assert.equal(went.payload["duration_seconds"], 0);
  });

  it("is looked into for who was on their way, and not heard to come, while it was ahead", async () => {
    unheard = "roomEntered";
    const id = await on.place({
      to: wanjiru,
      actions: [{ wait: { seconds: 2 } }, ...inRoom("on their way")],
    });
    await on.event(id, "action.started");
    aheadMs = hourMs;
    await on.event(id, "action.started", 2);
    aheadMs = 0;
    await on.event(id, "conference.joined");
    await on.hangUp(id);
    await on.ended(id);
  });

  it("puts out whom its end overlooked, though that was by a clock that was ahead", async () => {
    const id = await on.place({ to: wanjiru, actions: inRoom("overlooked") });
    await on.event(id, "conference.joined");
    endIsLost = true;
    const clock = { ...systemClock, nowMs: () => systemClock.nowMs() + hourMs };
    const ahead = new Conferences({ clock, ids: on.ids, changed: () => undefined });
    await on.store.write((tx) => ahead.command(tx, on.home, "overlooked", { command: "end" }));
    // Longer than any end takes; then it is compared as on each connection.
    await sleep(10_500);
    connected?.();
    const call = await on.event(id, "conference.left");
    assert.deepEqual(reasonsOf(call, "conference.left"), ["ended"]);
    endIsLost = false;
    await on.hangUp(id);
    await on.ended(id);
  });
});
