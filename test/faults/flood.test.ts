import { strict as assert } from "node:assert";
import { levelDbfs } from "../../engine/simulator/media/goertzel.ts";
import type { SipCall } from "../../engine/simulator/sip/call.ts";
import { audibleDbfs, numbers } from "../contract/world.ts";
import { SipDevice, type Login } from "../peers/sip-device.ts";
import { floodAddresses, sipFlood } from "../peers/sip-flood.ts";
import { describeOnSwitch } from "../peers/switch-under-test.ts";
import { eventually } from "../peers/waiting.ts";
import { nairobi, TestWorld } from "../world/world.ts";

const seconds = 8;
const perSecond = 300;
const frameMs = 20;
/** What garbage and caches of a young process come to; a flood that is kept would be more. */
const memoryBytesMax = 48 * 1024 * 1024;

describeOnSwitch("a flood of the devices' port", function () {
  this.timeout(60_000);
  let world: TestWorld;
  let phone: SipDevice;
  let login: Login & { id: string };
  before(async () => {
    // Loopback is where the flood comes from here; a firewall would keep most of it out.
    world = await TestWorld.start({ BAN_NEVER: "127.0.0.1" }, undefined, {
      switchOptions: { devices: true },
    });
    const { body: list } = await world.customer.ask("GET", "/v1/numbers");
    const path = `/v1/numbers/${list.data[0].id}/sip-credentials`;
    const { body } = await world.customer.ask("POST", path, { body: { label: "Desk" } });
    login = { id: body.id, username: body.username, password: body.password };
    phone = await SipDevice.open(world.switch.devices!, login);
    await eventually(
      "a registration",
      async () => ((await phone.register()).status === 200 ? true : undefined),
      {
        everyMs: 200,
      },
    );
    await eventually("the registration stored", async () => {
      const { body: shown } = await world.customer.ask("GET", `${path}/${login.id}/registrations`);
      return shown.data.length === 1 || undefined;
    });
  });
  after(async () => {
    await phone.close();
    await world.end();
  });

  const answered = async (to: string): Promise<SipCall> => {
    const call = phone.call(to);
    await eventually("an answer", () => (call.state === "answered" ? true : undefined), { everyMs: 10 });
    return call;
  };
  const residentBytes = async (): Promise<number> => {
    const text = await (await fetch(`${world.customer.baseUrl}/metrics`)).text();
    return Number(/^process_resident_memory_bytes (\S+)$/m.exec(text)?.[1]);
  };
  const count = async (sql: string): Promise<number> => Number((await world.byHand(sql))[0]!["count"]);

  it("leaves a paying call's sound whole and new ones placed, a controller of the same size, and a few rows", async () => {
    // Whatever is made at the first of everything is there.
    (await answered(numbers.answers440)).end();
    await sipFlood(world.switch.devices!, { seconds: 1, perSecond, username: "warmup23" });
    const callsBefore = await count("SELECT COUNT(*) AS count FROM calls");
    const before = await residentBytes();

    const paying = await answered(numbers.answers440);
    const heard: Int16Array[] = [];
    paying.media!.onFrame((pcm) => heard.push(Int16Array.from(pcm)));
    const fromMs = performance.now();
    const flood = sipFlood(world.switch.devices!, { seconds, perSecond, username: login.username });
    const others: string[] = [];
    while (performance.now() < fromMs + (seconds - 1) * 1000) {
      const id = await world.customer.place({ from: nairobi, to: numbers.answers880 });
      others.push(id);
      await world.customer.until(
        id,
        "answered during the flood",
        ({ status }) => status === "answered",
        5_000,
      );
      await world.customer.hangUp(id);
    }
    const told = await flood;
    const tookMs = performance.now() - fromMs;
    paying.end();

    assert.ok(told.sent >= seconds * perSecond * 0.9, JSON.stringify(told));
    assert.ok((told.statuses["403"] ?? 0) > 0 && (told.statuses["401"] ?? 0) > 0, JSON.stringify(told));
    assert.ok(others.length >= 3, `${others.length} calls were placed and answered`);
    // Every frame came, but for what is on its way, and each half second is the other party's tone.
    assert.ok(
      heard.length >= (tookMs / frameMs) * 0.97,
      `${heard.length} frames in ${Math.round(tookMs)} ms`,
    );
    for (let frame = 0; frame + 25 <= heard.length; frame += 25) {
      const half = Int16Array.from(heard.slice(frame, frame + 25).flatMap((pcm) => [...pcm]));
      assert.ok(levelDbfs(half, 440) > audibleDbfs, `half second ${frame / 25} of ${heard.length / 25}`);
    }

    const grown = (await residentBytes()) - before;
    assert.ok(grown < memoryBytesMax, `the controller grew by ${Math.round(grown / 1024 / 1024)} MB`);
    const ours = 1 + others.length;
    assert.equal(
      await count("SELECT COUNT(*) AS count FROM calls"),
      callsBefore + ours,
      "none is a scanner's",
    );
    assert.ok((await count("SELECT COUNT(*) AS count FROM sip_login_failures")) <= 3 * (floodAddresses + 1));
    const banned = await eventually("all of them banned", async () => {
      const rows = await world.byHand("SELECT kind, subject, spared FROM sip_bans ORDER BY kind, subject");
      return rows.length >= floodAddresses + 1 ? rows : undefined;
    });
    assert.equal(banned.length, floodAddresses + 1, "each address once, and the name that they knew");
    assert.deepEqual(banned.at(-1), { kind: "credential", subject: login.id, spared: '["127.0.0.1"]' });
    assert.equal((await phone.register()).status, 200);
    (await answered(numbers.answers440)).end();
    await world.verifyLedger();
  });
});
