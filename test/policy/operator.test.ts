import { strict as assert } from "node:assert";
import type { CallId } from "../../engine/ids.ts";
import { databaseKind } from "../store/test-database.ts";
import { policyWorld, refused, type Owner, type PolicyWorld } from "./world.ts";

const otieno = "+254712345678";

describe(`an operator, on ${databaseKind},`, function () {
  this.timeout(300_000);
  let w: PolicyWorld;
  let wanjiru: Owner;
  before(async () => {
    w = await policyWorld();
    wanjiru = await w.owner();
  });
  after(() => w.close());

  const placed = async () => (await wanjiru.place(otieno)).body.id as CallId;
  const audited = async (action: string) =>
    (await wanjiru.get(`/v1/audit?action=${encodeURIComponent(action)}`)).data as {
      actor: { kind: string };
      before: Record<string, unknown>;
      after: Record<string, unknown>;
    }[];

  it("freezes a workspace at once; what runs goes on, unless it is to end, and thaws it again", async () => {
    const [ringing, talking] = [await placed(), await placed()];
    await w.answer(talking);
    const frozen = await w.told("workspace", "freeze", wanjiru.id, "--reason", "odd calls at night");
    assert.equal(frozen["frozen_reason"], "odd calls at night");
    assert.deepEqual(refused(await wanjiru.place(otieno)), [403, "workspace.frozen"]);
    assert.ok((await wanjiru.get("/v1/workspace")).frozen_at !== null);
    assert.equal((await wanjiru.get(`/v1/calls/${talking}`)).call.status, "answered");

    const again = await w.told("workspace", "freeze", wanjiru.id, "--end-calls");
    assert.deepEqual([again["calls_ended"], again["frozen_reason"]], [2, "odd calls at night"]);
    for (const id of [ringing, talking])
      assert.ok((await wanjiru.get(`/v1/calls/${id}`)).call.ended_at !== null, id);
    assert.equal((await w.told("workspace", "freeze", wanjiru.id, "--end-calls"))["calls_ended"], 0);

    const thawed = await w.told("workspace", "unfreeze", wanjiru.id);
    assert.deepEqual([thawed["frozen_at"], thawed["frozen_reason"]], [null, null]);
    assert.equal((await wanjiru.place(otieno)).status, 201);
    const [entry, ...others] = await audited("workspace freeze");
    assert.deepEqual(
      [entry?.actor.kind, entry?.before["frozen_at"], entry?.after["frozen_reason"], others.length],
      ["operator", null, "odd calls at night", 0],
    );
    assert.equal((await audited("workspace unfreeze")).length, 1);
  });

  it("sets a workspace's limits at once, on the record, and sees them", async () => {
    const set = ["--requests-per-minute", "1000000", "--cps", "7", "--concurrent", "9"];
    const view = await w.told("workspace", "limits", wanjiru.id, ...set);
    assert.deepEqual(
      [view["requests_per_minute"], view["calls_per_second"], view["concurrent_calls"]],
      [1_000_000, 7, 9],
    );
    assert.deepEqual(await w.told("workspace", "show", wanjiru.id), view);
    assert.deepEqual(await w.told("workspace", "limits", wanjiru.id), view);
    const entries = await audited("workspace limits");
    assert.deepEqual(
      entries.map(({ after }) => after["calls_per_second"]),
      [7],
    );
    const seen = await wanjiru.get("/v1/workspace");
    assert.deepEqual([seen.calls_per_second, seen.concurrent_calls], [7, 9]);
  });

  it("is told what is wrong with a limit, and nothing is changed", async () => {
    const before = await w.told("workspace", "show", wanjiru.id);
    const rows: [args: string[], says: RegExp][] = [
      [["limits", wanjiru.id, "--cps", "0"], /--cps "0" is no whole number/],
      [["limits", wanjiru.id, "--concurrent", "many"], /--concurrent "many"/],
      [
        ["limits", wanjiru.id, "--concurrent", "5", "--daily-spend-cap-kes", "1.234"],
        /--daily-spend-cap-kes "1\.234"/,
      ],
      [["limits", wanjiru.id, "--cps", "none"], /--cps "none"/],
      [["limits", wanjiru.id, "--new-country-watch", "maybe"], /yes or no/],
      [["limits", "ws_01j00000000000000000000001"], /There is no workspace/],
      [["freeze", wanjiru.id, "--reason", " "], /--reason is empty/],
    ];
    for (const [args, says] of rows) {
      const { code, stderr } = await w.operator("workspace", ...args);
      assert.deepEqual([code, says.test(stderr)], [1, true], `${args.join(" ")}: ${stderr}`);
    }
    assert.deepEqual(await w.told("workspace", "show", wanjiru.id), before);
  });
});
