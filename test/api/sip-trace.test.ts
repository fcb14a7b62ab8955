import assert from "node:assert/strict";
import { scopes } from "../../engine/workspaces/scopes.ts";
import { finishedCall, keepSip, privacyWorld, type PrivacyWorld } from "../privacy/world.ts";
import { nairobi, otienosPhone } from "./world.ts";

describe("GET /v1/calls/{id}/sip-trace", () => {
  let api: PrivacyWorld;
  before(async () => {
    api = await privacyWorld();
  });
  after(() => api.end());

  it("is for who may read the workspace's calls, and for nobody else", async () => {
    const [wanjiru, achieng] = await Promise.all([
      api.workspace({ key: { scopes } }),
      api.workspace({ key: { scopes } }),
    ]);
    const { callId } = await finishedCall(api, wanjiru, { from: nairobi, to: otienosPhone, recorded: false });
    await keepSip(api);
    const ask = (key: string, id: string = callId) => api.ask("GET", `/v1/calls/${id}/sip-trace`, { key });

    const { status, body } = await ask(wanjiru.key);
    assert.equal(status, 200);
    assert.equal(body.next_cursor, null);
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
});
