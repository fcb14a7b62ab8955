import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { systemClock } from "../../engine/clock.ts";
import type { ConferenceId, LegId, RecordingId } from "../../engine/ids.ts";
import { levelDbfs } from "../../engine/simulator/media/goertzel.ts";
import type { Arrival, EnterRoom, SwitchEvent } from "../../engine/switch/switch.ts";
import { sideBySide } from "../peers/side-by-side.ts";
import { eventually } from "../peers/waiting.ts";
import { describeContract } from "./report.ts";
import { audibleDbfs, ids, numbers, silentDbfs, World } from "./world.ts";

/** What the switch itself plays in a room. */
const waitingHz = 350;
const enterHz = 1000;
const exitHz = 500;
/** The waiting tone is soft. */
const softDbfs = -40;

interface Person {
  leg: LegId;
  hz: number;
  recording: RecordingId;
}

describeContract("the contract of the switch: rooms", function () {
  this.timeout(60_000);
  let world: World;
  const arrivals: Arrival[] = [];
  before(async () => {
    world = await World.open();
    world.box.onArrival((arrival) => arrivals.push(arrival));
  });
  after(() => world.close());
  const test = sideBySide(4);

  const recorded = async (leg: LegId, hz: number): Promise<Person> => {
    const recording = ids.next("rec");
    await world.box.startRecording(leg, recording);
    await world.event(leg, "recordingStarted");
    return { leg, hz, recording };
  };
  const wanjiru = async () => recorded((await world.parked(numbers.answers440)).leg, 440);
  const otieno = async () => recorded((await world.parked(numbers.answers880)).leg, 880);
  /** She calls us, so that the switch has named her channel. */
  async function achieng(): Promise<Person> {
    const from = `+254735${callers++}`;
    const { host, port } = world.switch.sip;
    await world.carrier.place({ from, to: "+254200000001", switch: `${host}:${port}`, tone_hz: 620 });
    const arrival = await eventually("the arrival", () => arrivals.find((one) => one.from === from));
    const leg = ids.next("leg");
    world.box.know(leg, arrival.uuid);
    const cutGroup = `cut-${leg}-0` as const;
    await world.box.takeIn({ leg, call: ids.next("call"), ringSeconds: 60, maxSeconds: 60, cutGroup });
    await world.box.answer(leg);
    return recorded(leg, 620);
  }
  let callers = 100_000;

  async function enter(
    { leg }: Person,
    room: ConferenceId,
    how: Partial<EnterRoom> = {},
  ): Promise<EventOf<"roomEntered">> {
    const before = world.events.length;
    const entrance = { starts: true, ends: false, muted: false, beep: false, then: parks, ...how };
    assert.equal(await world.box.enterRoom(leg, room, entrance), true);
    return told(leg, "roomEntered", before);
  }
  /** What is told of the leg from that event on. */
  const told = <K extends SwitchEvent["kind"]>(leg: LegId, kind: K, from: number): Promise<EventOf<K>> =>
    eventually(
      `"${kind}" of ${leg}`,
      () => world.events.slice(from).find((e): e is EventOf<K> => e.leg === leg && e.kind === kind),
      { everyMs: 10 },
    );
  const hangUp = async (...people: Person[]) => {
    for (const { leg } of people) await world.box.hangUp(leg, "NORMAL_CLEARING");
    for (const { leg } of people) await world.event(leg, "recordingStopped");
  };

  test("those who wait hear music, until one comes who starts the room; then each hears the others, mixed", async () => {
    const room = ids.next("conf");
    const [a, b, c] = await Promise.all([wanjiru(), otieno(), achieng()]);
    assert.equal(await world.box.roomMembers(room), null);

    const entered = await enter(a, room, { starts: false, beep: true });
    assert.deepEqual([entered.room, entered.muted, entered.held], [room, false, false]);
    const alone = await stretch(2_200);
    const { muted } = await enter(b, room, { starts: false, beep: true, muted: true });
    assert.equal(muted, true);
    const beeped = await stretch(700);
    const two = await stretch(2_200);
    assert.deepEqual(
      (await world.box.roomMembers(room))?.toSorted((one, other) => one.leg.localeCompare(other.leg)),
      [
        { leg: a.leg, muted: false, held: false },
        { leg: b.leg, muted: true, held: false },
      ].toSorted((one, other) => one.leg.localeCompare(other.leg)),
    );
    await enter(c, room);
    const before = world.events.length;
    assert.equal(await world.box.changeMember(b.leg, room, "unmute"), true);
    assert.equal((await told(b.leg, "memberChanged", before)).muted, false);
    await onItsWay();
    const started = await stretch(800);
    assert.equal(await world.box.leaveRoom(a.leg), true);
    assert.equal((await told(a.leg, "roomLeft", before)).hungUp, false);
    const left = await stretch(700);
    assert.equal(await world.box.leaveRoom(b.leg), true);
    await sleep(300);
    const last = await stretch(2_200);
    await hangUp(a, b, c);

    const [ofA, ofB, ofC] = [await soundOf(a), await soundOf(b), await soundOf(c)];
    for (const [person, time] of [
      [ofA, alone],
      [ofA, two],
      [ofB, two],
      // Whoever is left alone waits again.
      [ofC, last],
    ] as const)
      assert.ok(person.loudest(waitingHz, time) > softDbfs, String(person.loudest(waitingHz, time)));
    assert.ok(ofA.loudest(enterHz, beeped) > audibleDbfs);
    assert.ok(ofA.loudest(880, two) < silentDbfs, "nobody is heard before it starts");
    for (const [person, hears] of [
      [ofA, [880, 620]],
      [ofB, [440, 620]],
      [ofC, [440, 880]],
    ] as const) {
      for (const hz of hears) assert.ok(person.level(hz, started) > audibleDbfs, `${hz}`);
      assert.ok(person.level(person.hz, started) < silentDbfs, "nobody hears themselves");
      assert.ok(person.loudest(waitingHz, started) < softDbfs);
    }
    assert.ok(ofC.loudest(exitHz, left) > audibleDbfs);
    assert.ok(ofA.level(620, left) < silentDbfs);
    // What they say is recorded all the time, muted too.
    assert.ok(ofB.said(two) > audibleDbfs);
  });

  test("one member is muted, held, spoken to and put out, and nobody else notices", async () => {
    const room = ids.next("conf");
    const [a, b] = await Promise.all([wanjiru(), otieno()]);
    const change = async (change: "mute" | "unmute" | "hold" | "unhold", music?: "music") => {
      const before = world.events.length;
      const file = music && (await world.toneFile(760, 300));
      assert.equal(await world.box.changeMember(a.leg, room, change, file), true);
      const { muted, held } = await told(a.leg, "memberChanged", before);
      return { muted, held, time: await stretch(800) };
    };
    await enter(a, room);
    await enter(b, room);
    const talk = await stretch(600);
    const mute = await change("mute");
    const unmute = await change("unmute");
    const hold = await change("hold");
    assert.deepEqual(
      (await world.box.roomMembers(room))?.find(({ leg }) => leg === a.leg),
      { leg: a.leg, muted: null, held: true },
    );
    const waits = await stretch(2_200);
    const unhold = await change("unhold");
    const withMusic = await change("hold", "music");
    await change("unhold");
    assert.deepEqual(
      [mute, unmute, hold, unhold].map(({ muted, held }) => [muted, held]),
      [
        [true, false],
        [false, false],
        [false, true],
        [false, false],
      ],
    );
    assert.equal(await world.box.announce(room, await world.toneFile(700, 700)), true);
    const all = await stretch(500);
    await sleep(500);
    assert.equal(await world.box.announce(room, await world.toneFile(760, 700), a.leg), true);
    const one = await stretch(500);
    await sleep(500);
    const missing = (await world.toneFile(700, 20)).replace(/\.wav$/, "-missing.wav") as never;
    await assert.rejects(world.box.announce(room, missing), { code: "switch.refused" });

    const stranger = ids.next("leg");
    assert.equal(await world.box.changeMember(stranger, room, "mute"), false);
    assert.equal(await world.box.announce(room, await world.toneFile(700, 20), stranger), false);
    const nowhere = ids.next("conf");
    assert.equal(await world.box.changeMember(a.leg, nowhere, "mute"), false);
    assert.equal(await world.box.setRoomMusic(nowhere, await world.toneFile(700, 20)), false);
    assert.equal(await world.box.endRoom(nowhere), false);

    const before = world.events.length;
    assert.equal(await world.box.changeMember(a.leg, room, "kick"), true);
    assert.equal((await told(a.leg, "roomLeft", before)).hungUp, false);
    await told(a.leg, "parked", before);
    assert.equal(await world.box.setRoomMusic(room, await world.toneFile(660, 1_000)), true);
    await onItsWay();
    const music = await stretch(1_500);
    await world.box.hangUp(b.leg, "NORMAL_CLEARING");
    assert.equal((await told(b.leg, "roomLeft", before)).hungUp, true);
    await eventually("the end of the room", async () =>
      (await world.box.roomMembers(room)) === null ? true : undefined,
    );
    await hangUp(a, b);

    const [ofA, ofB] = [await soundOf(a), await soundOf(b)];
    assert.ok(ofB.level(440, talk) > audibleDbfs);
    assert.ok(ofB.level(440, mute.time) < silentDbfs);
    assert.ok(ofA.level(880, mute.time) > audibleDbfs, "who is muted hears");
    assert.ok(ofB.level(440, unmute.time) > audibleDbfs);
    assert.ok(ofB.level(440, hold.time) < silentDbfs);
    assert.ok(ofA.level(880, hold.time) < silentDbfs, "who is held does not");
    assert.ok(ofA.loudest(waitingHz, waits) > softDbfs);
    assert.ok(ofA.said(hold.time) > audibleDbfs, "and is recorded");
    assert.ok(ofA.level(880, unhold.time) > audibleDbfs && ofB.level(440, unhold.time) > audibleDbfs);
    assert.ok(ofA.level(760, withMusic.time) > audibleDbfs && ofA.level(880, withMusic.time) < silentDbfs);
    assert.ok(ofA.level(700, all) > audibleDbfs && ofB.level(700, all) > audibleDbfs);
    assert.ok(ofA.level(760, one) > audibleDbfs && ofB.level(760, one) < silentDbfs);
    assert.ok(ofA.level(880, one) > audibleDbfs, "it is mixed into the talk");
    assert.ok(ofB.loudest(660, music) > audibleDbfs);
    assert.ok(ofB.loudest(waitingHz, music) < softDbfs);
  });

  test("a room ends with one that ends it; the others park, and end unless they are kept; or they end at once", async () => {
    const room = ids.next("conf");
    const [chair, a, b, c] = await Promise.all([wanjiru(), otieno(), otieno(), otieno()]);
    await enter(chair, room, { ends: true });
    await enter(a, room, { then: { kind: "park", idleSeconds: 1 } });
    await enter(b, room, { then: { kind: "park", idleSeconds: 1 } });
    await enter(c, room, { then: { kind: "end" } });
    const before = world.events.length;
    await world.box.hangUp(chair.leg, "NORMAL_CLEARING");
    assert.equal((await told(c.leg, "hungUp", before)).cause, "NORMAL_CLEARING");
    const { atUs } = await told(a.leg, "parked", before);
    await told(b.leg, "parked", before);
    assert.equal(await world.box.keepParked(a.leg), true);
    const end = await told(b.leg, "hungUp", before);
    assert.equal(end.cause, "ALLOTTED_TIMEOUT");
    assert.ok(end.endedAtUs - atUs >= 1_000_000, `${end.endedAtUs - atUs} µs`);
    await sleep(500);
    assert.ok(!world.kindsOf(a.leg).includes("hungUp"));
    for (const { leg } of [chair, a, b, c])
      assert.equal(world.kindsOf(leg).filter((kind) => kind === "roomLeft").length, 1);

    // The same name is a new room, whose first waits again.
    await enter(a, room, { starts: false });
    assert.equal(await world.box.endRoom(room), true);
    await told(a.leg, "roomLeft", before + 1);
    await hangUp(a);
  });

  test("a member's digits are told, and do nothing to the room", async () => {
    const room = ids.next("conf");
    const [a, b] = [(await world.parked(numbers.repeatsDigits)).leg, await otieno()];
    await enter({ leg: a, hz: 440, recording: b.recording }, room);
    await enter(b, room);
    await world.box.sendDigits(a, "0*#9");
    await world.event(a, "digit", ({ digit }) => digit === "9");
    await sleep(200);
    assert.equal((await world.box.roomMembers(room))?.length, 2);
    const kinds = [...world.kindsOf(a), ...world.kindsOf(b.leg)];
    assert.deepEqual(
      kinds.filter((kind) => kind === "memberChanged" || kind === "roomLeft"),
      [],
    );
    await world.box.hangUp(a, "NORMAL_CLEARING");
    await hangUp(b);
  });

  /** So long from now, and well within it for whoever listens. */
  async function stretch(ms: number): Promise<Stretch> {
    const fromUs = systemClock.nowUs();
    await sleep(ms);
    return { fromUs, toUs: systemClock.nowUs() };
  }

  async function soundOf({ leg, hz, recording }: Person) {
    const { atUs } = await world.event(leg, "recordingStarted");
    const { channels } = await world.wav(recording);
    const level = (channel: 0 | 1, at: number, { fromUs, toUs }: Stretch, marginMs: number) => {
      const [from, to] = [fromUs + marginMs * 1000, toUs - 50_000].map((us) => Math.round((us - atUs) / 125));
      return levelDbfs(channels[channel]!.subarray(from, to), at);
    };
    return {
      hz,
      said: (time: Stretch) => level(0, hz, time, 250),
      level: (at: number, time: Stretch) => level(1, at, time, 250),
      /** Of a sound that comes and goes: in the tenth of a second where it is loudest. */
      loudest(at: number, { fromUs, toUs }: Stretch) {
        let best = -Infinity;
        for (let us = fromUs + 250_000; us + 150_000 <= toUs; us += 50_000)
          best = Math.max(best, level(1, at, { fromUs: us, toUs: us + 150_000 }, 0));
        return best;
      },
    };
  }
});

type EventOf<K extends SwitchEvent["kind"]> = SwitchEvent & { kind: K };

interface Stretch {
  fromUs: number;
  toUs: number;
}

/** What was to be heard before is still on its way to a party, and to its file. */
const onItsWay = () => sleep(300);

const parks: EnterRoom["then"] = { kind: "park", idleSeconds: 30 };
