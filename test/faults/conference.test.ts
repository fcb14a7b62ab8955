import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { command, eventIn, type EslProxy, type Passing } from "../peers/esl-proxy.ts";
import { describeOnSwitch } from "../peers/switch-under-test.ts";
import type { ApiCall } from "../world/customer.ts";
import { nairobi, type TestWorld } from "../world/world.ts";
import { ProxiedWorld } from "./proxied-world.ts";

const wanjiru = "+254700000001";
const otieno = "+254700000002";
const enterHz = 1000;

describeOnSwitch("a controller that is killed while two are in a room, or come to it", function () {
  this.timeout(120_000);
  let on: ProxiedWorld;
  let world: TestWorld;
  let proxy: EslProxy;
  let rooms = 0;
  before(async () => {
    on = await ProxiedWorld.start();
    ({ world, proxy } = on);
  });
  after(() => on.end());

  const ask = async (method: string, path: string, body?: unknown) =>
    world.customer.ask(method, path, body === undefined ? {} : { body });
  const direct = async (name: string, body: Record<string, unknown>) =>
    assert.equal((await ask("POST", `/v1/conferences/${name}/commands`, body)).status, 202);
  const members = async (name: string) => {
    const { body } = await ask("GET", `/v1/conferences/${name}`);
    return body.members as { leg_id: string; muted: boolean }[];
  };
  const place = (to: string, conference: Record<string, unknown>) =>
    world.customer.place({
      ...{ from: nairobi, to, events_url: world.inbox.url },
      actions: [{ conference: { beep: true, ...conference } }, { wait: { seconds: 1 } }],
    });
  const times = (call: ApiCall, kind: string) => call.events.filter((event) => event.kind === kind).length;
  const told = (id: string, kind: string) =>
    world.customer.until(id, kind, (call) => times(call, kind) > 0, 30_000);
  const legOf = async (id: string) => (await world.customer.call(id)).legs[0]!.id;
  const memberEvent =
    (action: string, leg: string) =>
    (passing: Passing): boolean => {
      const fields = eventIn(passing);
      return fields?.["Action"] === action && fields["Unique-ID"] === leg;
    };

  /** Kills while such a frame is on its way, which `act` brings about. */
  async function killAt(
    when: (passing: Passing) => boolean,
    act: () => Promise<unknown>,
    fate: "drop" | "pass" = "drop",
  ): Promise<void> {
    const point = proxy.hold(when);
    const [held] = await Promise.all([point, act()]);
    await world.killSautikit();
    held.let(fate);
    await world.startSautikit();
    await on.ready();
  }

  /** Wanjiru is in a room, and waits. */
  async function waiting(more: Record<string, unknown> = {}): Promise<{ name: string; a: string }> {
    const name = `room-${rooms++}`;
    const a = await place(wanjiru, { name, ...more });
    await told(a, "conference.joined");
    return { name, a };
  }
  async function talking(more: Record<string, unknown> = {}) {
    const { name, a } = await waiting();
    const b = await place(otieno, { name, ...more });
    for (const id of [a, b]) await told(id, "conference.started");
    return { name, a, b };
  }

  /** Each came in once, heard it start once, goes on with its document once the room is over, and was beeped for once. */
  async function check(name: string, a: string, b: string): Promise<void> {
    for (const id of [a, b]) await told(id, "conference.started");
    assert.equal((await members(name)).length, 2);
    await sleep(1_500);
    await direct(name, { command: "end" });
    for (const id of [a, b]) checkLeft(await world.customer.ended(id, 40_000), "ended");
    const beeps = (await heardBy(a)).filter(({ hz }) => hz !== null && Math.abs(hz - enterHz) <= 5);
    assert.ok(beeps.reduce((sum, { seconds }) => sum + seconds, 0) <= 2, JSON.stringify(beeps));
  }
  function checkLeft(call: ApiCall, reason: string): void {
    const { payload } = call.events.find(({ kind }) => kind === "conference.left")!;
    assert.equal(payload["reason"], reason);
    for (const kind of ["conference.joined", "conference.started", "conference.left", "document.ended"])
      assert.equal(times(call, kind), 1, `${kind}: ${call.events.map((event) => event.kind).join(", ")}`);
  }
  async function heardBy(id: string) {
    const { created_at } = await world.customer.call(id);
    const calls = (await world.carrier.calls()).filter(
      ({ number, invited_at }) =>
        number === wanjiru && Date.parse(invited_at) >= Date.parse(created_at) - 1_000,
    );
    return calls[0]!.heard;
  }

  for (const [title, fate] of [
    ["is lost with it", "drop"],
    ["arrives after its end", "pass"],
  ] as const) {
    it(`and the command that brings the second in ${title}`, async () => {
      const { name, a } = await waiting();
      let b = "";
      const entrance = command(/^api uuid_transfer/, "conference:");
      await killAt(entrance, async () => (b = await place(otieno, { name })), fate);
      await check(name, a, b);
    });
  }

  it("and nobody was told that the second is in: both hear of the start, once", async () => {
    const { name, a } = await waiting();
    let b = "";
    const first = await legOf(a);
    const entered = (passing: Passing) => {
      const fields = eventIn(passing);
      return fields?.["Action"] === "add-member" && fields["Unique-ID"] !== first;
    };
    await killAt(entered, async () => (b = await place(otieno, { name })));
    await check(name, a, b);
  });

  it("and nobody was told that the other had to leave when one ended the room", async () => {
    const { name, a, b } = await talking({ endOnExit: true });
    await killAt(memberEvent("del-member", await legOf(a)), () => world.customer.hangUp(b));
    checkLeft(await world.customer.ended(a, 40_000), "ended");
    assert.equal((await ask("GET", `/v1/conferences/${name}`)).status, 404);
  });

  it("and the command that mutes one is lost: the next one mutes", async () => {
    const { name, a, b } = await talking();
    const leg = await legOf(a);
    await killAt(command(/^api conference \S+ mute/, leg), () =>
      direct(name, { command: "mute", leg_id: leg }),
    );
    await told(a, "conference.muted");
    assert.equal((await members(name)).find(({ leg_id }) => leg_id === leg)?.muted, true);
    await check(name, a, b);
  });

  it("and what is to be said is on its way: it is said once, or never", async () => {
    const { name, a, b } = await talking();
    await killAt(command(/^api conference \S+ play/, "/media/"), () =>
      direct(name, { command: "play", url: world.inbox.promptUrl }),
    );
    let played = 0;
    proxy.rule = (passing) => {
      if (command(/^api conference \S+ play/, "/media/")(passing)) played++;
      return "pass";
    };
    await sleep(2_500);
    assert.equal(played, 0);
    // Nobody knows of it, which is told.
    for (const id of [a, b]) {
      const call = await told(id, "conference.announcement_failed");
      const { payload } = call.events.find(({ kind }) => kind === "conference.announcement_failed")!;
      assert.equal(payload["reason"], "unknown_outcome");
      assert.equal(times(call, "conference.announced"), 0);
    }
    await check(name, a, b);
  });

  it("stands up to the auditor", () => world.audit());
});
