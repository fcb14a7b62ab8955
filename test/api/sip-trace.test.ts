import assert from "node:assert/strict";
import { scopes } from "../../engine/workspaces/scopes.ts";
import { finishedCall, keepSip, privacyWorld, type PrivacyWorld } from "../privacy/world.ts";
import { nairobi, otienosPhone } from "./world.ts";

describe("GET /v1/calls/{id}/sip-trace", () => {
  let api: PrivacyWorld;
  let wanjiru: Awaited<ReturnType<PrivacyWorld["workspace"]>>;
  before(async () => {
    api = await privacyWorld();
    wanjiru = await api.workspace({ key: { scopes } });
  });
  after(() => api.end());

  it("is for who may read the workspace's calls, and for nobody else", async () => {
    const achieng = await api.workspace({ key: { scopes } });
    const { callId } = await finishedCall(api, wanjiru, { from: nairobi, to: otienosPhone, recorded: false });
    await keepSip(api);
    const ask = (key: string, id: string = callId) => api.ask("GET", `/v1/calls/${id}/sip-trace`, { key });

    const { status, body } = await ask(wanjiru.key);
    assert.equal(status, 200);
    assert.equal(body.next_cursor, null);
    assert.equal(body.data.length, 1);
    const [{ at, leg_id, ...rest }] = body.data;
    assert.match(at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}000Z$/);
    assert.match(leg_id, /^leg_/);
    assert.deepEqual(rest, {
      ...{ direction: "sent", method: "INVITE", summary: `INVITE sip:${otienosPhone}@carrier` },
      ...{ transport: "udp", message: "v=0" },
    });
    for (const [key, id] of [
      [achieng.key, callId],
      [wanjiru.key, "call_01m87z1b98a96v8zfvrvejq6sp"],
      [wanjiru.key, "x"],
    ] as const) {
      const refused = await ask(key, id);
      assert.deepEqual([refused.status, refused.body.error.code], [404, "calls.not_found"]);
    }
    const { key } = await api.workspace({ key: { scopes: ["calls.write"] } });
    assert.equal((await ask(key)).status, 403);
  });

  it("comes in pages, the oldest first, each message once though several went at the same time", async () => {
    const call = { from: nairobi, to: otienosPhone, recorded: false };
    const [{ callId }, other] = [
      await finishedCall(api, wanjiru, call),
      await finishedCall(api, wanjiru, call),
    ];
    await keepSip(api, "v=0", 9);
    const ask = (query: string, id = callId) =>
      api.ask("GET", `/v1/calls/${id}/sip-trace?${query}`, { key: wanjiru.key });
    const found: { at: string; message: string }[] = [];
    let cursor: string | null = "";
    let pages = 0;
    for (; cursor !== null; pages++) {
      const { body } = await ask(`limit=3${cursor && `&cursor=${cursor}`}`);
      found.push(...body.data);
      cursor = body.next_cursor;
    }

    assert.deepEqual([pages, found.length], [3, 9]);
    assert.equal(new Set(found.map(({ message }) => message)).size, 9);
    const times = found.map(({ at }) => at);
    assert.deepEqual(times, times.toSorted());
    const first = (await ask("limit=3")).body.next_cursor;
    assert.deepEqual((await ask(`cursor=${first}`, other.callId)).body.data, []);
    for (const [query, field] of [
      ["limit=0", "limit"],
      ["limit=101", "limit"],
      ["cursor=x", "cursor"],
    ] as const) {
      const { status, body } = await ask(query);
      assert.deepEqual([status, body.error.fields[0].field], [400, field], query);
    }
  });
});
