import { strict as assert } from "node:assert";
import { forgetOldRefusals } from "../../engine/policy/noted-refusals.ts";
import { databaseKind } from "../store/test-database.ts";
import { hours, minutes, nairobi, policyWorld, type Owner, type PolicyWorld } from "./world.ts";

const otieno = "+254712345678";
const kampala = "+256772123456";

describe(`every refusal, on ${databaseKind}`, function () {
  this.timeout(300_000);
  let w: PolicyWorld;
  let wanjiru: Owner;
  beforeEach(async () => {
    w = await policyWorld();
    wanjiru = await w.owner();
    await wanjiru.listen();
  });
  afterEach(() => w.close());

  const events = () => wanjiru.events("calls.refused");

  it("is kept though nothing of the request is, and told with its reason", async () => {
    const answer = await wanjiru.place(kampala);
    assert.equal(answer.status, 422);
    const [refusal, ...others] = await wanjiru.refusals();
    assert.equal(others.length, 0);
    const { id, first_at: firstAt, last_at: lastAt, message, ...rest } = refusal;
    assert.match(id, /^ref_[0-9a-z]{26}$/);
    assert.equal(firstAt, lastAt);
    assert.equal(message, answer.body.message);
    assert.deepEqual(rest, {
      ...{ reason: "country", code: "calls.destination_not_allowed", source: "api" },
      ...{ from: nairobi, to: kampala, call_id: null, count: 1 },
    });
    const [told] = await events();
    const { refusal_id: refusalId, reason, code, source, from, to, call_id: callId, count } = told ?? {};
    assert.deepEqual(
      [refusalId, reason, code, source, from, to, callId, count],
      [id, "country", "calls.destination_not_allowed", "api", nairobi, kampala, null, 1],
    );
    assert.equal((await wanjiru.get("/v1/calls")).data.length, 0);
  });

  it("is kept for ninety days, and goes as further ones of its kind come", async () => {
    await wanjiru.place(kampala);
    w.later(hours(24 * 89));
    await wanjiru.place(kampala);
    assert.equal((await wanjiru.refusals()).length, 2);
    w.later(hours(24 * 2));
    await wanjiru.place(kampala);
    assert.equal((await wanjiru.refusals()).length, 2);
  });

  it("of a minute is one row and one event, the further ones counted; the next event stands for them", async () => {
    for (let tries = 0; tries < 5; tries++) await wanjiru.place(kampala);
    await wanjiru.place("+255222123456");
    assert.deepEqual(
      (await wanjiru.refusals()).map(({ count, to }: { count: number; to: string }) => [count, to]),
      [[6, kampala]],
    );
    assert.deepEqual(
      (await events()).map(({ count }) => count),
      [1],
    );
    w.later(minutes(3));
    await wanjiru.place("+255222123456");
    await wanjiru.place(kampala);
    w.later(minutes(1));
    await wanjiru.place(kampala);
    assert.deepEqual(
      (await wanjiru.refusals()).map(({ count, to }: { count: number; to: string }) => [count, to]),
      [
        [1, kampala],
        [2, "+255222123456"],
        [6, kampala],
      ],
    );
    // 1, then itself and five before, then itself and one.
    assert.deepEqual(
      (await events()).map(({ count }) => count),
      [1, 6, 2],
    );
  });

  it("has its own reason, whatever refused", async () => {
    const poor = await w.owner({ number: "+254200000002", balanceMinor: 0 });
    await poor.place(otieno);
    await poor.place(otieno, { caller_id: nairobi });
    await poor.place("+254900123456");
    await poor.place([otieno, "999"]);
    await poor.patch({ refused_prefixes: ["+25471"] });
    await poor.place(["+254722000001", otieno]);
    await poor.patch({
      refused_prefixes: [],
      calling_windows: [{ days: ["mon"], from: "08:00", to: "09:00" }],
    });
    await poor.place(otieno);
    await w.told("workspace", "freeze", poor.id);
    await poor.place(otieno);
    const rows = (await poor.refusals()) as {
      reason: string;
      code: string;
      from: string;
      to: string;
      count: number;
    }[];
    assert.deepEqual(
      rows.map(({ reason, code, from, to, count }) => [reason, code, from, to, count]),
      [
        ["frozen", "workspace.frozen", "+254200000002", otieno, 1],
        ["outside_window", "calls.outside_window", "+254200000002", otieno, 1],
        ["refused_prefix", "calls.destination_refused", "+254200000002", otieno, 1],
        ["destination", "calls.destination_not_allowed", "+254200000002", "+254900123456", 2],
        ["caller_id", "calls.caller_id_not_owned", nairobi, otieno, 1],
        ["insufficient_funds", "wallet.insufficient_funds", "+254200000002", otieno, 1],
      ],
    );
  });

  it("is the workspace's own to see, newest first, page by page, and a mistake in the request is none", async () => {
    await wanjiru.place("+254712345678901234");
    assert.deepEqual(await wanjiru.refusals(), []);
    for (let index = 0; index < 3; index++) {
      await wanjiru.place(kampala);
      w.later(minutes(1));
    }
    const first = await wanjiru.get("/v1/refusals?limit=2");
    assert.equal(first.data.length, 2);
    const second = await wanjiru.get(`/v1/refusals?limit=2&cursor=${first.next_cursor}`);
    assert.deepEqual([second.data.length, second.next_cursor], [1, null]);
    assert.ok(
      first.data[0].first_at > first.data[1].first_at && first.data[1].first_at > second.data[0].first_at,
    );
    const other = await w.owner({ number: "+254200000002" });
    assert.deepEqual(await other.refusals(), []);
    const blind = await w.key(wanjiru.id, { scopes: ["wallet.read"] });
    assert.equal((await w.ask("GET", "/v1/refusals", { key: blind })).status, 403);
  });

  it("with an Idempotency-Key is counted each time that it is asked, since none of them is kept", async () => {
    const headers = { "idempotency-key": "once" };
    const ask = () =>
      w.ask("POST", "/v1/calls", { key: wanjiru.key, headers, body: { from: nairobi, to: kampala } });
    assert.equal((await ask()).status, 422);
    assert.equal((await ask()).status, 422);
    assert.equal((await wanjiru.refusals())[0].count, 2);
  });

  it("of many at once is counted, and told once", async () => {
    await Promise.all(Array.from({ length: 30 }, () => wanjiru.place(kampala)));
    assert.deepEqual(
      (await wanjiru.refusals()).map(({ count }: { count: number }) => count),
      [30],
    );
    assert.equal((await events()).length, 1);
  });

  it("of a kind that nobody is refused for any more is forgotten after 90 days, too", async () => {
    await wanjiru.place(kampala);
    w.later(hours(89 * 24));
    await w.store.write((tx) => forgetOldRefusals(tx, w.clock.nowMs()));
    assert.equal((await wanjiru.refusals()).length, 1);
    w.later(hours(2 * 24));
    await w.store.write((tx) => forgetOldRefusals(tx, w.clock.nowMs()));
    assert.deepEqual(await wanjiru.refusals(), []);
  });

  it("of a document for a running call names the call", async () => {
    const { id } = (await wanjiru.place(otieno)).body;
    const body = { actions: [{ dial: { number: kampala } }] };
    const answer = await w.ask("POST", `/v1/calls/${id}/actions`, { key: wanjiru.key, body });
    assert.equal(answer.status, 422);
    const [refusal] = await wanjiru.refusals();
    assert.deepEqual([refusal.call_id, refusal.from, refusal.to], [id, null, kampala]);
  });
});
