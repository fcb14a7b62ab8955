import { strict as assert } from "node:assert";
import { nairobi, otienosPhone, world, type World } from "./world.ts";

describe("calls over HTTP", () => {
  let api: World;
  let wanjiru: Awaited<ReturnType<World["workspace"]>>;
  before(async () => {
    api = await world();
    wanjiru = await api.workspace();
  });
  after(() => api.end());

  const place = (body: object, path = "/v1/calls") =>
    api.ask("POST", path, { key: wanjiru.key, body: { from: nairobi, to: otienosPhone, ...body } });

  it("a call is placed with the product page's own request, and answered in its shape", async () => {
    const { status, body } = await place({ voice_callback_url: "https://93.184.215.14/call-events" });

    assert.equal(status, 201);
    const { id, call_id, session_id, created_at, ...rest } = body;
    assert.match(id, /^call_[0-9a-z]{26}$/);
    assert.equal(call_id, id);
    assert.equal(session_id, id);
    assert.match(created_at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    assert.deepEqual(rest, { status: "initiated", from: nairobi, to: otienosPhone, direction: "outbound" });
    assert.ok(api.changed.includes(id), "the controller was told");
  });

  it("what the caller labels it with comes back, in the answer and in the call", async () => {
    const labels = {
      client_request_id: "order 17",
      metadata: { branch: "Kisumu", tries: 2, vip: true, agent: null },
    };
    const { body } = await place({ ...labels, record: true, to: [otienosPhone] }, "/v1/calls/originate");

    assert.deepEqual({ client_request_id: body.client_request_id, metadata: body.metadata }, labels);
    const seen = await api.ask("GET", `/v1/calls/${body.id}`, { key: wanjiru.key });
    const { call } = seen.body;
    assert.deepEqual({ client_request_id: call.client_request_id, metadata: call.metadata }, labels);
    assert.equal(call.to, otienosPhone);
    assert.equal(call.local_e164, nairobi);
    assert.equal(call.legs.length, 1);
    assert.equal(call.legs[0].recording_ids.length, 1);
  });

  it("a running call is directed, and sent digits, by those who may", async () => {
    const { body: call } = await place({});
    const otieno = await api.workspace({ name: "Otieno", number: "+254200000008" });
    const direct = (body: object, key = wanjiru.key) =>
      api.ask("POST", `/v1/calls/${call.id}/actions`, { key, body });
    const digits = (body: object, key = wanjiru.key) =>
      api.ask("POST", `/v1/calls/${call.id}/digits`, { key, body });

    const directed = await direct({ actions: [{ say: { text: "Karibu" } }] });
    assert.deepEqual([directed.status, directed.body], [202, { call_id: call.id }]);
    const { body } = await api.ask("GET", `/v1/calls/${call.id}/events`, { key: wanjiru.key });
    assert.equal(body.data.at(-1).kind, "document.replaced");

    for (const [answer, status, code, field] of [
      [
        await direct({ actions: [{ say: { txt: "Karibu" } }] }),
        400,
        "validation.unknown_field",
        "actions[0].say.txt",
      ],
      [await direct({ actions: [] }), 400, "validation.invalid", "actions"],
      [await direct({}), 400, "validation.invalid", "actions"],
      [
        await direct({ actions: [{ dial: { number: "+12125550100" } }] }),
        422,
        "calls.destination_not_allowed",
        "actions[0].dial.number",
      ],
      [await direct({ actions: [{ hangup: {} }] }, otieno.key), 404, "calls.not_found", undefined],
      [await digits({ digits: "12x" }), 400, "validation.invalid", "digits"],
      [await digits({ digits: "" }), 400, "validation.invalid", "digits"],
      [await digits({ digits: "1" }, otieno.key), 404, "calls.not_found", undefined],
      // It rings yet.
      [await digits({ digits: "1" }), 409, "calls.not_live", undefined],
    ] as const) {
      assert.deepEqual(
        [answer.status, answer.body.error.code, answer.body.error.fields?.at(-1).field],
        [status, code, field],
      );
    }
    await api.ask("POST", `/v1/calls/${call.id}/hangup`, { key: wanjiru.key });
    assert.equal((await direct({ actions: [{ hangup: {} }] })).body.error.code, "calls.not_live");
  });

  it("hanging up is the same the second time, and needs no body", async () => {
    const { body: call } = await place({});

    const first = await api.ask("POST", `/v1/calls/${call.id}/hangup`, { key: wanjiru.key });
    const second = await api.ask("POST", `/v1/calls/${call.id}/hangup`, { key: wanjiru.key, body: {} });

    assert.equal(first.status, 200);
    assert.deepEqual(first.body, { call_id: call.id, status: "hung_up" });
    assert.deepEqual(second.body, first.body);
    const { body } = await api.ask("GET", `/v1/calls/${call.id}`, { key: wanjiru.key });
    assert.equal(body.call.status, "canceled");
    const events = await api.ask("GET", `/v1/calls/${call.id}/events`, { key: wanjiru.key });
    assert.deepEqual(events.body.data, body.call.events);
    assert.ok(events.body.data.length > 0);
  });

  it("an ended call's recording cannot be changed", async () => {
    const { body: call } = await place({});
    await api.ask("POST", `/v1/calls/${call.id}/hangup`, { key: wanjiru.key });

    const { status, body } = await api.ask("PATCH", `/v1/calls/${call.id}/recording`, {
      key: wanjiru.key,
      body: { state: "on" },
    });

    assert.equal(status, 409);
    assert.equal(body.error.code, "calls.not_live");
  });

  it("a call that was not recorded has no recording", async () => {
    const { body: call } = await place({});

    const one = await api.ask("GET", `/v1/calls/${call.id}/recording`, { key: wanjiru.key });
    const all = await api.ask("GET", `/v1/calls/${call.id}/recordings`, { key: wanjiru.key });

    assert.equal(one.status, 404);
    assert.equal(one.body.error.code, "calls.recording_not_found");
    assert.deepEqual(all.body, { data: [], next_cursor: null });
  });

  it("a recording that is being made is told as pending", async () => {
    const { body: call } = await place({ record: "from-ringing" });

    const { status, headers, body } = await api.ask("GET", `/v1/calls/${call.id}/recording`, {
      key: wanjiru.key,
    });

    assert.equal(status, 202);
    assert.equal(body.status, "pending");
    assert.equal(headers.get("retry-after"), String(body.retry_after_seconds));
  });

  it("a draining server takes no new calls", async () => {
    const draining = await world({ isDraining: () => true });
    try {
      const { key } = await draining.workspace();
      const { status, body, headers } = await draining.ask("POST", "/v1/calls", {
        key,
        body: { from: nairobi, to: otienosPhone },
      });

      assert.equal(status, 503);
      assert.equal(body.error.code, "shutting_down");
      assert.equal(headers.get("retry-after"), "1");
    } finally {
      await draining.end();
    }
  });
});
