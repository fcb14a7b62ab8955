import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import fc from "fast-check";
import { failureCodes } from "../../../engine/calls/leg-state.ts";
import { switchKind } from "../../peers/switch-under-test.ts";
import type { ApiCall, ApiLeg } from "../../world/customer.ts";
import { nairobi } from "../../world/world.ts";
import { FarEnd, sdp } from "../far-end.ts";
import { describeContract } from "../report.ts";
import { canary } from "./hostile.ts";
import { inLanes, seed } from "./runs.ts";
import { carrierPlans, unsolicited, type CarrierPlan } from "./sip-junk.ts";
import { WatchedWorld } from "./watched-world.ts";

const runs = Number(process.env["SAUTIKIT_RUNS"] ?? (switchKind === "freeswitch" ? 200 : 60));
/** Answers as it should, and hangs up when told to. */
const wellBehaved = "+254721999999";

describeContract("the door at the switch: whatever a carrier sends", function () {
  this.timeout(240_000);
  let watched: WatchedWorld;
  let far: FarEnd;
  const plans = new Map<string, CarrierPlan>();
  const calls: ApiCall[] = [];

  before(async () => {
    far = await FarEnd.open();
    far.onInvite = (invite) => answer(invite);
    watched = await WatchedWorld.start({ carrier: { host: FarEnd.host, port: far.port } });
    const planned = fc.sample(carrierPlans(far.port), { numRuns: runs, seed });
    planned.forEach((plan, index) => plans.set(`+2547210${10_000 + index}`, plan));
    await Promise.all([inLanes(16, [...plans.keys()], place), sendUnasked()]);
  });
  after(async () => {
    await watched.end();
    far.close();
  });

  /** Every third call dials on; every second is recorded. Nobody hangs up what the carrier keeps up; the cut-off does. */
  async function place(to: string, index: number): Promise<void> {
    const { customer, inbox } = watched.world;
    const id = await customer.place({
      ...{ from: nairobi, to, events_url: inbox.url, record: index % 2 === 0 },
      ...{ ring_timeout_seconds: 5, max_duration_seconds: 10 },
      actions: [
        ...(index % 3 === 0 ? [{ dial: { number: wellBehaved, timeout: 5 } }] : []),
        { wait: { seconds: 1 } },
        { hangup: {} },
      ],
    });
    // The well-behaved party stays until the other one goes: half a minute is the cut-off of both, and some slack.
    calls.push(await customer.ended(id, 40_000));
  }

  function answer(invite: string): void {
    const number = /^INVITE sip:([^@;]+)/.exec(invite)?.[1] ?? "";
    const plan = plans.get(number);
    if (!plan) return far.answer(invite, "200 OK", [`Contact: <sip:otieno@${FarEnd.host}:${far.port}>`], sdp);
    if (plan.provisional)
      far.answer(invite, plan.provisional.status, plan.provisional.headers, plan.provisional.body);
    if (plan.final) far.answer(invite, plan.final.status, plan.final.headers, plan.final.body);
    plan.requests.forEach(({ method, headers, body }, index) =>
      setTimeout(() => far.inDialog(invite, method, index + 1, headers, body), 100 * (index + 1)),
    );
  }

  async function sendUnasked(): Promise<void> {
    const { port } = watched.world.switch.sip;
    for (const datagram of fc.sample(unsolicited(far, { port }), { numRuns: runs * 2, seed })) {
      far.send(datagram, port);
      await sleep(40);
    }
  }

  it("ends each call in a state, a cause and a status that the API knows", () => {
    assert.equal(calls.length, runs);
    for (const call of calls) {
      assert.match(call.status, /^(completed|no_answer|busy|canceled|failed)$/);
      assert.ok(
        call.failure_code === null || Object.hasOwn(failureCodes, call.failure_code),
        call.failure_code!,
      );
      for (const leg of call.legs as (ApiLeg & { sip_status: number | null })[]) {
        assert.match(leg.hangup_cause ?? "", /^[a-z0-9_]+$/);
        assert.ok(
          leg.sip_status === null || (leg.sip_status >= 100 && leg.sip_status < 700),
          JSON.stringify(leg),
        );
      }
      assert.ok(!JSON.stringify(call).includes(canary), JSON.stringify(call));
    }
  });

  it("reaches the calls' talk and their refusals, and has calls of its own taken", () => {
    const statuses = calls.map(({ status }) => status);
    for (const status of ["completed", "no_answer", "failed"])
      assert.ok(statuses.includes(status), `no call ended as ${status}`);
    assert.ok(watched.inbound > 0, "none of its own calls was taken");
  });

  it("has those of its calls taken in that are for a number of ours, whoever they say that they are", async () => {
    const taken = await watched.world.store.read((tx) =>
      tx.all<{ fromE164: string; toE164: string }>("SELECT * FROM calls WHERE direction = 'inbound'"),
    );
    assert.ok(taken.length > 0);
    assert.ok(taken.length < watched.inbound, "some were for nobody");
    for (const row of taken) {
      assert.equal(row.toE164, nairobi);
      assert.match(row.fromE164, /^(\+[1-9][0-9]{7,14}|anonymous)$/);
      assert.ok(!JSON.stringify(row).includes(canary));
    }
  });

  it("has the switch run no command but ours, and none with its text in it", () => {
    watched.checkCommands();
    const { apis, applications } = watched.ran;
    assert.deepEqual(
      [...watched.commands, ...apis, ...applications].filter((text) => text.includes(canary)),
      [],
    );
  });

  it("has nobody dialled but whom the customer named, once each", () => {
    const first = watched.dialled.filter((number) => number !== wellBehaved);
    assert.deepEqual(first.toSorted(), [...plans.keys()].toSorted());
  });

  it("keeps the switch from no call that comes after", async () => {
    const { customer } = watched.world;
    const id = await customer.place({
      from: nairobi,
      to: wellBehaved,
      actions: [{ wait: { seconds: 1 } }, { hangup: {} }],
    });
    const { status, legs } = await customer.ended(id);
    assert.deepEqual([status, legs[0]?.hangup_cause], ["completed", "normal_clearing"]);
    assert.ok([1, 2].includes(legs[0]!.billed_seconds), JSON.stringify(legs));
  });

  it("leaves no call, no channel, nothing to do, and the books in order", () => watched.checkRest());
});
