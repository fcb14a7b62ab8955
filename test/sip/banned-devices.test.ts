import { strict as assert } from "node:assert";
import { setTimeout as sleep } from "node:timers/promises";
import { systemClock } from "../../engine/clock.ts";
import { banByOperator, liftBan } from "../../engine/sip/bans.ts";
import { toldLine, toldLines } from "../cli/sautikit.ts";
import { SipDevice, type Login } from "../peers/sip-device.ts";
import { describeOnSwitch } from "../peers/switch-under-test.ts";
import { eventually } from "../peers/waiting.ts";
import { numbers } from "../contract/world.ts";
import type { ApiCall } from "../world/customer.ts";
import { TestWorld } from "../world/world.ts";

describeOnSwitch("devices that fail too often, and those that call too much", function () {
  this.timeout(60_000);
  let world: TestWorld;
  let numberId: string;
  const devices: SipDevice[] = [];
  before(async () => {
    // Loopback is where everybody is here.
    world = await TestWorld.start({ BAN_NEVER: "none" }, undefined, { switchOptions: { devices: true } });
    const { body } = await world.customer.ask("GET", "/v1/numbers");
    numberId = body.data[0].id;
    // What is told is looked at in the outbox.
    const hook = { url: "http://127.0.0.1:9/nobody", events: ["sip.credential_banned", "calls.refused"] };
    const made = await world.customer.ask("POST", "/v1/webhooks", { body: hook });
    assert.equal(made.status, 201);
  });
  after(async () => {
    for (const device of devices) await device.close();
    await world.end();
  });

  const path = (more = "") => `/v1/numbers/${numberId}/sip-credentials${more}`;
  async function credential(more: object = {}): Promise<Login & { id: string }> {
    const { body } = await world.customer.ask("POST", path(), { body: { label: "Desk", ...more } });
    return { id: body.id, username: body.username, password: body.password };
  }
  async function device(login: Login, host: string): Promise<SipDevice> {
    const opened = await SipDevice.open(world.switch.devices!, login, { host });
    devices.push(opened);
    return opened;
  }
  async function registered(login: Login, host: string): Promise<SipDevice> {
    const opened = await device(login, host);
    await eventually(
      "a registration that is taken",
      async () => ((await opened.register()).status === 200 ? true : undefined),
      { everyMs: 200 },
    );
    return opened;
  }
  async function fail(login: Login, host: string, times: number): Promise<void> {
    const wrong = await device({ ...login, password: "not this" }, host);
    for (let time = 0; time < times; time++) assert.equal((await wrong.register()).status, 403);
  }
  const status = (call: ReturnType<SipDevice["call"]>): Promise<number | null> =>
    new Promise((resolve) => {
      call.on("answered", () => {
        resolve(200);
        call.end();
      });
      call.on("ended", ({ status: final }) => resolve(final));
    });
  const bans = () => toldLines(["bans", "list"], world.env);
  const banned = (subject: string) =>
    eventually(
      `the ban of ${subject}`,
      async () => (await bans()).find((ban) => ban["subject"] === subject),
      {
        everyMs: 200,
      },
    );
  const refusals = async (): Promise<string[]> =>
    (await world.customer.ask("GET", "/v1/refusals")).body.data.map(
      ({ reason }: { reason: string }) => reason,
    );
  const told = (kind: string, when: (data: Record<string, unknown>) => boolean = () => true) =>
    eventually(`${kind} told`, async () => {
      const rows = await world.store.read((tx) =>
        tx.all<{ body: string }>("SELECT body FROM deliveries WHERE kind = ? ORDER BY id", [kind]),
      );
      return rows.map(({ body }) => (JSON.parse(body) as { data: Record<string, unknown> }).data).find(when);
    });
  const metric = async (name: string): Promise<number> => {
    const text = await (await fetch(`${world.customer.baseUrl}/metrics`)).text();
    return Number(new RegExp(`^${name} (\\d+)$`, "m").exec(text)?.[1]);
  };

  it("an address is banned: calls from it are refused with the reason, others' are not, until it is lifted", async () => {
    const login = await credential();
    const good = await registered(login, "127.0.0.1");
    await fail({ username: "nobody23", password: "" }, "127.0.0.31", 20);
    await banned("127.0.0.31");
    const there = await device(login, "127.0.0.31");
    assert.equal(await status(there.call(numbers.answers440)), 403);
    assert.equal(await status(good.call(numbers.answers440)), 200);
    assert.ok((await refusals()).includes("address_banned"));
    const refusal = await told("calls.refused", ({ reason }) => reason === "address_banned");
    assert.deepEqual([refusal["source"], refusal["count"]], ["device", 1]);
    assert.deepEqual(
      [await metric("sautikit_sip_bans_address"), await metric("sautikit_sip_bans_credential")],
      [1, 0],
    );
    assert.ok((await metric("sautikit_sip_login_failures")) >= 20);
    await toldLine(["bans", "lift", "127.0.0.31"], world.env);
    assert.equal(await status(there.call(numbers.answers440)), 200);
  });

  it("a credential is banned: a stranger who knows its name neither gets in nor throws its phone out", async () => {
    const login = await credential();
    const phone = await registered(login, "127.0.0.1");
    await eventually("the registration stored", async () => {
      const { body } = await world.customer.ask("GET", path(`/${login.id}/registrations`));
      return body.data.length === 1 || undefined;
    });
    // In its first five seconds nobody is a stranger: no switch may know the login yet.
    await sleep(6_500);
    for (const host of ["127.0.0.41", "127.0.0.42"]) await fail(login, host, 10);
    const ban = await banned(login.id);
    assert.deepEqual(ban["let_in_from"], ["127.0.0.1"]);
    assert.equal((await bans()).length, 1, "neither address has twenty");
    const elsewhere = await device(login, "127.0.0.43");
    await eventually("it is let in from there no more", async () =>
      (await elsewhere.register()).status === 403 ? true : undefined,
    );
    assert.equal((await phone.register()).status, 200);
    assert.equal(await status(phone.call(numbers.answers440)), 200);
    const { addresses } = (await told("sip.credential_banned")) as { addresses: string[] };
    // Its own phone tried before the switch knew it, and is not among them.
    assert.deepEqual(addresses, ["127.0.0.41", "127.0.0.42"]);
    const { body: shown } = await world.customer.ask("GET", path(`/${login.id}`));
    assert.equal(Date.parse(shown.banned_until), Date.parse(String(ban["until"])));

    // A name that the stranger does not know.
    const { body } = await world.customer.ask("POST", path(`/${login.id}/rotate`), {
      body: { overlap_seconds: 0 },
    });
    assert.equal(body.banned_until, null);
    await registered({ username: body.username, password: body.password }, "127.0.0.43");
    assert.deepEqual(await bans(), []);
  });

  it("a credential that an operator bans is let in from nowhere, and what it had registered is forgotten", async () => {
    const login = await credential();
    const phone = await registered(login, "127.0.0.1");
    const thief = await registered(login, "127.0.0.51");
    const registrations = async () =>
      (await world.customer.ask("GET", path(`/${login.id}/registrations`))).body.data;
    await eventually(
      "both registrations stored",
      async () => (await registrations()).length === 2 || undefined,
    );
    const ban = await toldLine(["bans", "add", login.id, "--for", "1h"], world.env);
    assert.deepEqual(ban["let_in_from"], []);
    assert.deepEqual(
      [await status(thief.call(numbers.answers440)), await status(phone.call(numbers.answers440))],
      [403, 403],
    );
    await eventually("nobody registered", async () => (await registrations()).length === 0 || undefined, {
      everyMs: 200,
    });
    assert.deepEqual([(await thief.register()).status, (await phone.register()).status], [403, 403]);
    await toldLine(["bans", "lift", login.id], world.env);
  });

  it("a banned credential's call that the switch let through is refused with the reason", async () => {
    const login = await credential();
    const phone = await registered(login, "127.0.0.1");
    await eventually("a refusal with the reason", async () => {
      const parts = { clock: systemClock, changed: () => undefined };
      const subject = { kind: "credential", subject: login.id } as const;
      // The switch's list is some seconds behind, unless it happens to be written just then.
      await world.store.write((tx) => banByOperator(tx, parts, subject, { forMs: 3_600_000, note: null }));
      assert.equal(await status(phone.call(numbers.answers440)), 403);
      await world.store.write((tx) => liftBan(tx, parts, subject));
      return (await refusals()).includes("credential_banned") || undefined;
    });
  });

  it("a credential has no more calls at once, and in a second, than it may, and others have theirs", async () => {
    const login = await credential({ max_concurrent_calls: 1, max_calls_per_second: 100 });
    const phone = await registered(login, "127.0.0.1");
    const first = phone.call(numbers.answers440);
    await eventually("an answer", () => (first.state === "answered" ? true : undefined));
    assert.equal(await status(phone.call(numbers.answers440)), 486);
    const other = await registered(await credential({ max_calls_per_second: 1 }), "127.0.0.1");
    assert.equal(await status(other.call(numbers.answers440)), 200);
    const [one, next] = await Promise.all([
      status(other.call(numbers.answers440)),
      status(other.call(numbers.answers440)),
    ]);
    assert.ok([one, next].includes(503), `${one} and ${next}`);
    first.end();
    for (const reason of ["credential_concurrency", "credential_calls_per_second"])
      assert.ok((await refusals()).includes(reason), reason);
    const { body } = await world.customer.ask("PATCH", path(`/${login.id}`), {
      body: { max_concurrent_calls: 2 },
    });
    assert.equal(body.max_concurrent_calls, 2);
    await eventually("no call is under way", async () => {
      const { body: list } = await world.customer.ask("GET", "/v1/calls");
      return list.data.every(({ ended_at: endedAt }: ApiCall) => endedAt !== null) || undefined;
    });
    const calls = [phone.call(numbers.answers440), phone.call(numbers.answers440)];
    await eventually("both answered", () =>
      calls.every(({ state }) => state === "answered") ? true : undefined,
    );
    for (const call of calls) call.end();
  });
});
