import assert from "node:assert/strict";
import { systemClock } from "../../engine/clock.ts";
import { sautikit } from "../cli/sautikit.ts";
import { startCarrierProcess } from "../peers/carrier-process.ts";
import { SipDevice } from "../peers/sip-device.ts";
import {
  boxName,
  describeOnSwitch,
  startSwitchUnderTest,
  type SwitchUnderTest,
} from "../peers/switch-under-test.ts";
import { eventually } from "../peers/waiting.ts";
import { nairobi, TestWorld } from "../world/world.ts";
import { drain } from "./drain.ts";

const answers = "+254700000001";

describeOnSwitch("boxes that are being drained", function () {
  this.timeout(60_000);
  let world: TestWorld;
  let second: SwitchUnderTest;
  /** Registered at the first box. */
  let phone: SipDevice;
  let boxes: [string, string];
  let callers = 100_000;
  before(async () => {
    const carrier = await startCarrierProcess();
    second = await startSwitchUnderTest({ carrier });
    world = await TestWorld.start({}, undefined, {
      ...{ carrier, beside: [second] },
      switchOptions: { spoolDir: second.spoolDir, devices: true },
    });
    boxes = [boxName(world.switch), boxName(second)];
    phone = await registered();
    await world.customer.ask("PATCH", `/v1/numbers/${await numberId()}/routing`, {
      body: { ring_sip: true },
    });
  });
  after(async () => {
    await phone.close();
    await world.end();
    await second.stop();
  });

  const numberId = async () => String((await world.customer.ask("GET", "/v1/numbers")).body.data[0].id);
  async function registered(): Promise<SipDevice> {
    const path = `/v1/numbers/${await numberId()}/sip-credentials`;
    const { body } = await world.customer.ask("POST", path, { body: { label: "Reception" } });
    const device = await SipDevice.open(world.switch.devices!, {
      ...{ username: body.username, password: body.password },
    });
    await eventually(
      "a registration that is taken",
      async () => ((await device.register()).status === 200 ? true : undefined),
      { everyMs: 300 },
    );
    await eventually("the registration's row", async () => {
      const shown = await world.customer.ask("GET", `${path}/${body.id}/registrations`);
      return shown.body.data.length === 1 || undefined;
    });
    return device;
  }
  const asked = () =>
    world.customer.ask("POST", "/v1/calls", {
      body: { from: nairobi, to: answers, events_url: world.inbox.url },
    });
  const boxOf = async (call: string) =>
    (await world.byHand(`SELECT box FROM legs WHERE call_id = '${call}'`))[0]?.["box"];
  /** What a carrier's caller hears who calls that box itself; null: it rings. */
  async function calledIn({ sip }: SwitchUnderTest): Promise<number | null> {
    const placed = await world.carrier.place({
      ...{ from: `+254733${callers++}`, to: nairobi, switch: `${sip.host}:${sip.port}` },
    });
    const { ringing_at, status } = await world.carrier.placed(
      placed,
      (call) => call.ringing_at !== null || call.ended_at !== null,
    );
    if (ringing_at === null) return status;
    await world.carrier.hangUp(placed);
    return null;
  }
  /** What the phone hears that calls out; null: it rings. */
  async function calledOut(): Promise<number | null> {
    const call = phone.call(answers);
    const told = await new Promise<number | null>((resolve) => {
      call.on("ringing", () => resolve(null));
      call.on("ended", ({ status }) => resolve(status));
    });
    if (told === null) call.end();
    return told;
  }
  async function sinceOf(box: string): Promise<string | null> {
    const { stdout } = await sautikit(["box", "list"], world.env);
    const rows = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, string | null>);
    return rows.find((row) => row["box"] === box)!["draining_since"]!;
  }
  const doctors = async () => {
    const { stdout } = await sautikit(["doctor"], world.env);
    return stdout.split("\n").find((line) => line.includes(" drains: "));
  };

  it("get no calls from the API, and tell carriers 503; phones that are there call out all the same", async () => {
    const [first, other] = boxes;
    assert.equal(await calledIn(world.switch), null);
    const beforeMs = Math.floor(systemClock.nowMs() / 1000) * 1000;
    await drain(world, first, true);
    // The phone of the number is at the first one, which would have the call.
    const { body } = await asked();
    assert.equal(await boxOf(body.id), other);
    await world.customer.hangUp(body.id);
    assert.deepEqual([await calledIn(world.switch), await calledIn(second)], [503, null]);
    assert.equal(await calledOut(), null);
    const since = await sinceOf(first);
    assert.ok(Date.parse(since!) >= beforeMs, String(since));
    assert.equal(
      await doctors(),
      `WARN   drains: being drained, without new calls: ${first} (since ${since})`,
    );
    // Once more changes nothing: it is since the first time.
    await systemClock.sleep(1_000);
    await drain(world, first, true);
    assert.equal(await sinceOf(first), since);
    await drain(world, first, false);
    assert.equal(await sinceOf(first), null);
    const kept = await world.byHand(
      `SELECT action, actor_kind, workspace_id FROM audit_entries WHERE subject = '${first}' ORDER BY id`,
    );
    assert.deepEqual(
      kept.map((entry) => [entry["action"], entry["actor_kind"], entry["workspace_id"]]),
      [
        ["box drain", "operator", null],
        ["box undrain", "operator", null],
      ],
    );
  });

  it("where all are: no new calls at all, by 503; those that run go on", async () => {
    const running = await world.customer.place({ from: nairobi, to: answers, events_url: world.inbox.url });
    await world.customer.until(running, "an answer", ({ status }) => status === "answered");
    for (const box of boxes) await drain(world, box, true);
    const { status, body, headers } = await asked();
    assert.deepEqual(
      [status, body.error.code, headers.get("retry-after")],
      [503, "shutting_down", "30"],
      JSON.stringify(body),
    );
    assert.match(body.message, /every media server is being drained/i);
    assert.deepEqual([await calledIn(world.switch), await calledIn(second)], [503, 503]);
    assert.equal(await calledOut(), 503);
    const { body: refused } = await world.customer.ask("GET", "/v1/refusals");
    assert.deepEqual(
      refused.data.map((row: Record<string, string>) => [
        row["reason"],
        row["code"],
        row["source"],
        row["to"],
      ]),
      [["draining", "shutting_down", "device", answers]],
    );
    const named = await Promise.all(boxes.map(async (box) => `${box} (since ${await sinceOf(box)})`));
    assert.equal(
      await doctors(),
      `WARN   drains: no new calls are taken: ${named.join(", ")} are all being drained`,
    );
    assert.equal((await world.customer.call(running)).status, "answered");
    const { body: list } = await world.customer.ask("GET", "/v1/calls?status=initiated,ringing,answered");
    assert.deepEqual(
      list.data.map(({ id }: { id: string }) => id),
      [running],
    );
    await world.customer.hangUp(running);
  });

  it("take calls again once that is ended", async () => {
    for (const box of boxes) await drain(world, box, false);
    const { status, body } = await asked();
    assert.equal(status, 201);
    await world.customer.hangUp(body.id);
    assert.deepEqual([await calledIn(world.switch), await calledOut()], [null, null]);
    assert.equal(await doctors(), "ok     drains: none is being drained");
    await world.audit();
  });
});
