import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { dominantTone, levelDbfs } from "../../engine/simulator/media/goertzel.ts";
import { parseWav } from "../../engine/simulator/media/wav.ts";
import { describeOnSwitch } from "../peers/switch-under-test.ts";
import { eventually } from "../peers/waiting.ts";
import type { ApiCall } from "../world/customer.ts";
import { nairobi, TestWorld } from "../world/world.ts";
import { eventOf, kindsOf, world, type World } from "./world.ts";

/** Answers with 440 Hz, and with 880. */
const wanjiru = "+254700000001";
const otieno = "+254700000002";
const waitingHz = 350;
const audibleDbfs = -30;
const silentDbfs = -50;

describeOnSwitch("a conference, as its customer directs it", function () {
  this.timeout(90_000);
  let on: TestWorld;
  before(async () => {
    on = await TestWorld.start();
  });
  after(() => on.end());

  const ask = async (method: string, path: string, body?: unknown) =>
    on.customer.ask(method, path, body === undefined ? {} : { body });
  const at = (name: string) => `/v1/conferences/${encodeURIComponent(name)}`;
  const command = async (name: string, body: Record<string, unknown>, status = 202) => {
    const answer = await ask("POST", `${at(name)}/commands`, body);
    assert.equal(answer.status, status, JSON.stringify(answer.body));
    return answer.body as Record<string, unknown>;
  };
  const place = (to: string, conference: Record<string, unknown>, after: unknown[] = []) =>
    on.customer.place({ from: nairobi, to, actions: [{ conference }, ...after] });
  const kinds = (call: ApiCall) => call.events.map(({ kind }) => kind);
  const payload = (call: ApiCall, kind: string) => {
    const found = call.events.find((event) => event.kind === kind);
    assert.ok(found, `no ${kind} among ${kinds(call).join(", ")}`);
    return found.payload;
  };
  const told = (id: string, kind: string, times = 1) =>
    on.customer.until(
      id,
      `${kind} #${times}`,
      ({ events }) => events.filter((event) => event.kind === kind).length >= times,
    );
  const legOf = async (id: string) => (await on.customer.call(id)).legs[0]!.id;

  it("waits, starts, mutes, holds, speaks, locks, and ends for all with one who ends it", async () => {
    const name = "Support / desk № 1";
    const a = await place(
      wanjiru,
      {
        ...{ name, startOnEnter: false, record: true, waitUrl: on.inbox.promptUrl },
        statusEventsCallbackUrl: on.inbox.url,
      },
      [{ wait: { seconds: 1 } }],
    );
    await told(a, "conference.joined");
    const waiting = await ask("GET", at(name));
    assert.equal(waiting.status, 200);
    const { id: conferenceId } = waiting.body as { id: string };
    assert.match(conferenceId, /^conf_/);
    assert.deepEqual(
      [waiting.body.status, waiting.body.participants, waiting.body.members[0].number],
      ["waiting", 1, wanjiru],
    );
    await sleep(2_500);

    const b = await place(otieno, {
      ...{ name, endOnExit: true, beep: true, statusEvents: ["conference.joined"] },
      statusEventsCallbackUrl: on.inbox.url,
    });
    for (const id of [a, b]) await told(id, "conference.started");
    const [first, second] = [await legOf(a), await legOf(b)];
    const { body: started } = await ask("GET", at(name));
    assert.deepEqual(
      [started.status, started.members.map((member: { leg_id: string }) => member.leg_id)],
      ["started", [first, second]],
    );
    const { body: list } = await ask("GET", "/v1/conferences?limit=1");
    assert.deepEqual([list.data[0].name, list.data[0].participants, list.next_cursor], [name, 2, null]);
    await sleep(1_500);

    assert.deepEqual(await command(name, { command: "mute", leg_id: first }), {
      ...{ conference_id: conferenceId, command: "mute", leg_id: first },
    });
    await told(a, "conference.muted");
    assert.equal((await ask("GET", at(name))).body.members[0].muted, true);
    await command(name, { command: "unmute", leg_id: first });
    await command(name, { command: "hold", leg_id: first });
    await told(a, "conference.held");
    await sleep(1_500);
    await command(name, { command: "unhold", leg_id: first });
    await told(a, "conference.unheld");
    await command(name, { command: "say", text: "One minute left." });
    await command(name, { command: "play", url: on.inbox.promptUrl, leg_id: second });
    for (const id of [a, b]) await told(id, "conference.announced");
    // Each is heard once it is there: to fetch is quicker than to speak.
    const both = (await told(b, "conference.announced", 2)).events.filter(
      ({ kind }) => kind === "conference.announced",
    );
    assert.deepEqual(new Set(both.map((event) => event.payload["leg_id"])), new Set([null, second]));
    assert.equal(
      kinds(await on.customer.call(a)).filter((kind) => kind === "conference.announced").length,
      1,
    );
    await command(name, {
      command: "play",
      url: on.inbox.promptUrl.replace("http:", "https:"),
      leg_id: first,
    });
    assert.equal(
      payload(await told(a, "conference.announcement_failed"), "conference.announcement_failed")[
        "announcement"
      ],
      "play",
    );

    await command(name, { command: "lock" });
    const c = await place(otieno, { name }, [{ wait: { seconds: 1 } }]);
    const refused = await on.customer.ended(c);
    assert.equal(payload(refused, "conference.refused")["reason"], "locked");
    assert.ok(kinds(refused).includes("document.ended"), "the next action ran");
    await command(name, { command: "unlock" });

    for (const [field, body, code] of [
      ["leg_id", { command: "mute" }, "required"],
      ["leg_id", { command: "kick", leg_id: "leg_01j00000000000000000000001" }, "unknown"],
      ["leg_id", { command: "kick", leg_id: "nobody" }, "unknown"],
      ["text", { command: "say" }, "required"],
      ["url", { command: "lock", url: on.inbox.promptUrl }, "exclusive"],
      ["command", { command: "explode" }, undefined],
    ] as const) {
      const { error } = await command(name, body, 400);
      const [fault] = (error as { fields: { field: string; code: string }[] }).fields;
      assert.equal(fault?.field, field);
      if (code !== undefined) assert.equal(fault.code, code);
    }
    const nowhere = await ask("POST", `${at("nowhere")}/commands`, { command: "lock" });
    assert.deepEqual([nowhere.status, nowhere.body.error.code], [404, "conferences.not_found"]);

    await on.customer.hangUp(b);
    const [ended, chair] = [await on.customer.ended(a), await on.customer.ended(b)];
    assert.equal(payload(ended, "conference.left")["reason"], "ended");
    assert.equal(payload(chair, "conference.left")["reason"], "hung_up");
    for (const call of [ended, chair])
      assert.equal(payload(call, "conference.ended")["conference_id"], conferenceId);
    assert.deepEqual(
      ended.events.filter(({ kind }) => kind === "action.started").map((event) => event.payload["verb"]),
      ["conference", "wait"],
    );
    assert.equal((await ask("GET", at(name))).status, 404);

    // What the first wanted told, and the second.
    await on.inbox.kind(a, "conference.ended");
    const kindsTold = (id: string) => on.inbox.of(id).map(({ kind }) => kind);
    const own = kinds(ended).filter((kind) => kind.startsWith("conference."));
    assert.deepEqual(kindsTold(a).toSorted(), own.toSorted());
    await on.inbox.kind(b, "conference.joined");
    assert.deepEqual(kindsTold(b), ["conference.joined"]);
    const [joined] = await on.inbox.kind(a, "conference.joined");
    assert.deepEqual(
      [joined!.data["conference"], joined!.data["leg_id"], joined!.data["from"], joined!.data["members"]],
      [name, first, nairobi, 1],
    );

    // The recording of the first: from its entry to its leaving.
    const [recording] = ended.legs[0]!.recording_ids;
    const { channels } = parseWav(await on.customer.download(a, recording!));
    const moment = (kind: string, nth = 1) =>
      Date.parse(ended.events.filter((event) => event.kind === kind)[nth - 1]!.occurred_at);
    const beganMs = moment("recording.started");
    const heard = (hz: number, fromMs: number, toMs: number) =>
      levelDbfs(channels[1]!.subarray((fromMs - beganMs) * 8, (toMs - beganMs) * 8), hz);
    const startedMs = moment("conference.started");
    const mutedMs = moment("conference.muted");
    assert.ok(heard(880, mutedMs - 1_000, mutedMs - 200) > audibleDbfs);
    assert.ok(heard(880, startedMs - 1_000, startedMs - 200) < silentDbfs);
    const prompt = dominantTone(channels[1]!.subarray(8_000, 16_000));
    assert.ok(prompt !== null && Math.abs(prompt.hz - waitingHz) > 5, "the file, not the tone");
    const heldMs = moment("conference.held");
    assert.ok(heard(880, heldMs + 300, heldMs + 1_200) < silentDbfs);
    assert.ok(
      dominantTone(channels[1]!.subarray((heldMs + 300 - beganMs) * 8, (heldMs + 1_300 - beganMs) * 8)) !==
        null,
      "no dead air",
    );
    const said = levelDbfs(
      channels[0]!.subarray((heldMs + 300 - beganMs) * 8, (heldMs + 1_200 - beganMs) * 8),
      440,
    );
    assert.ok(said > audibleDbfs, "what one who is held says is recorded");
  });

  it("takes so many and no more, and puts one out who goes on with the document, or with another", async () => {
    const name = "two";
    const a = await place(wanjiru, { name, maxParticipants: 2 }, [{ wait: { seconds: 60 } }]);
    await told(a, "conference.joined");
    const b = await place(otieno, { name }, [{ wait: { seconds: 1 } }]);
    await told(b, "conference.started");
    const full = await on.customer.ended(await place(otieno, { name }));
    assert.equal(payload(full, "conference.refused")["reason"], "full");

    await command(name, { command: "kick", leg_id: await legOf(b) });
    const kicked = await on.customer.ended(b);
    assert.equal(payload(kicked, "conference.left")["reason"], "kicked");
    assert.ok(kinds(kicked).includes("document.ended"));

    // The one who is left is taken out, plays, and comes back by another document.
    const direct = await ask("POST", `/v1/calls/${a}/actions`, {
      actions: [{ play: { url: on.inbox.promptUrl } }, { conference: { name: "elsewhere" } }],
    });
    assert.equal(direct.status, 202);
    const moved = await told(a, "conference.joined", 2);
    assert.equal(payload(moved, "conference.left")["reason"], "directed");
    assert.ok(kinds(moved).indexOf("play.finished") > kinds(moved).indexOf("conference.left"));
    assert.equal((await ask("GET", at(name))).status, 404);
    const record = await ask("PATCH", `/v1/calls/${a}/recording`, { state: "on" });
    assert.equal(record.status, 200);
    await told(a, "recording.started");
    await command("elsewhere", { command: "end" });
    const over = await on.customer.ended(a);
    assert.equal(over.events.filter(({ kind }) => kind === "conference.left")[1]?.payload["reason"], "ended");
    assert.equal(over.legs[0]!.recording_ids.length, 1);
  });

  it("goes on with nobody to direct it, and is found as it then is", async () => {
    const name = "kept";
    const next = [{ wait: { seconds: 1 } }];
    const a = await place(wanjiru, { name, beep: true }, next);
    const b = await place(otieno, { name, beep: true }, next);
    const c = await place("+254700000110", { name, beep: true, endOnExit: false }, next);
    for (const id of [a, b, c]) await told(id, "conference.started");
    const { body: before } = await ask("GET", at(name));
    await on.killSautikit();
    // The third hangs up by itself, while nobody is there.
    await sleep(9_500);
    await on.startSautikit();
    const gone = await on.customer.ended(c, 30_000);
    assert.equal(payload(gone, "conference.left")["reason"], "hung_up");
    const { body: after } = await ask("GET", at(name));
    assert.equal(after.id, before.id);
    assert.equal(after.participants, 2);
    for (const id of [a, b]) {
      const kept = kinds(await on.customer.call(id));
      for (const kind of ["conference.joined", "conference.started"])
        assert.equal(kept.filter((one) => one === kind).length, 1, kind);
      assert.ok(!kept.includes("conference.left"));
    }
    const carrier = (await on.carrier.calls()).find(
      ({ number, ended_at }) => number === wanjiru && ended_at === null,
    );
    // The two others at first, one of whom has the same voice as he.
    const seconds = carrier!.heard.filter(
      ({ hz }) => hz !== null && [440, 880].some((one) => Math.abs(hz - one) < 5),
    );
    assert.ok(seconds.reduce((sum, one) => sum + one.seconds, 0) >= 6, JSON.stringify(carrier!.heard));
    await command(name, { command: "end" });
    for (const id of [a, b])
      assert.equal(payload(await on.customer.ended(id), "conference.left")["reason"], "ended");
  });

  it("stands up to the auditor", () => on.audit());
});

describeOnSwitch("conferences of one name in two workspaces", function () {
  this.timeout(60_000);
  let on: World;
  before(async () => {
    on = await world();
  });
  after(() => on.end());

  it("never meet", async () => {
    const other = await on.number("+254200000777");
    const actions = [{ conference: { name: "desk" } }, { hangup: {} }];
    const a = await on.place({ to: wanjiru, actions });
    const b = await on.place({ to: otieno, actions }, other);
    const joined = [await on.event(a, "conference.joined"), await on.event(b, "conference.joined")];
    const [mine, theirs] = joined.map((call) => eventOf(call, "conference.joined").payload);
    assert.notEqual(mine!["conference_id"], theirs!["conference_id"]);
    assert.deepEqual([mine!["members"], theirs!["members"]], [1, 1]);
    await assert.rejects(
      on.command("desk", { command: "kick", legId: joined[0]!.legs[0]!.id }, other.workspaceId),
      { code: "validation.invalid" },
    );
    await on.command("desk", { command: "end" }, other.workspaceId);
    assert.equal((await on.ended(b)).status, "completed");
    assert.equal((await on.conference("desk"))?.["participants"], 1);
    await on.hangUp(a);
    assert.ok(!kindsOf(await on.ended(a)).includes("conference.started"));
    await eventually("the end of the room", async () =>
      (await on.conference("desk")) === null ? true : undefined,
    );
  });
});
