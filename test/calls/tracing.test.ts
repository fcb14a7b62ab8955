import { strict as assert } from "node:assert";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { EndRecordKeeper } from "../faults/auditor/end-records.ts";
import { SipDevice } from "../peers/sip-device.ts";
import { VoiceServer } from "../peers/voice-server.ts";
import { describeOnSwitch } from "../peers/switch-under-test.ts";
import { eventually } from "../peers/waiting.ts";
import { EslClient } from "../simulator/switch/esl-client.ts";
import { nairobi, TestWorld } from "../world/world.ts";

const answers = "+254700000001";
const given = "4bf92f3577b34da6a3ce929d0e0e4736";
const header = (traceId: string, sampled = "01") =>
  new RegExp(`^00-${traceId}-(?!0{16})[0-9a-f]{16}-${sampled}$`);

describeOnSwitch("a call's trace", function () {
  this.timeout(60_000);
  let world: TestWorld;
  let voice: VoiceServer;
  let esl: EslClient;
  let keeper: EndRecordKeeper;
  let kept: string;
  before(async () => {
    world = await TestWorld.start({ LOG_LEVEL: "debug" }, undefined, { switchOptions: { devices: true } });
    voice = await VoiceServer.open(({ body }) =>
      body.kind === "call.started" ? { actions: [{ dial: { number: answers } }] } : { text: "OK" },
    );
    kept = join(world.folder, "kept-records");
    keeper = await EndRecordKeeper.watch(join(world.switch.spoolDir, "cdr"), kept);
    esl = await EslClient.login(world.switch.esl.port, world.switch.esl.password, "HEARTBEAT");
  });
  after(async () => {
    await keeper.stop();
    esl.close();
    await voice.close();
    await world.end();
  });

  const place = async (headers: Record<string, string>, more: object = {}) => {
    const { status, body } = await world.customer.ask("POST", "/v1/calls", {
      body: { from: nairobi, to: answers, voice_callback_url: voice.url(), ...more },
      headers,
    });
    assert.equal(status, 201, JSON.stringify(body));
    return String(body.id);
  };
  const answered = (id: string) =>
    world.customer.until(id, "an answer", ({ status }) => status === "answered");
  const traceOf = async (id: string) =>
    (await world.customer.ask("GET", `/v1/calls/${id}`)).body.call.trace_id as string;
  const onChannel = async (channel: string) =>
    (await esl.api(`uuid_getvar ${channel} sautikit_trace`)).trim();
  const told = (id: string, kind: string) =>
    eventually(`${kind} of ${id}`, () =>
      voice.asked.find(({ body }) => body.kind === kind && body.data?.["call_id"] === id),
    );
  const lines = (has: string) =>
    world.sautikit
      .output()
      .split("\n")
      .filter((line) => line.includes(has))
      .map((line) => JSON.parse(line) as Record<string, unknown>);

  it("is its request's, and is on the call, its channels, its webhooks and questions, and in each line of the log", async () => {
    const id = await place({ traceparent: `00-${given}-00f067aa0ba902b7-01` });
    const [leg] = (await answered(id)).legs;
    assert.equal(await traceOf(id), given);
    assert.equal(await onChannel(leg!.id), given);
    const dialled = { actions: [{ dial: { number: "+254700000002" } }] };
    assert.equal(
      (await world.customer.ask("POST", `/v1/calls/${id}/actions`, { body: dialled })).status,
      202,
    );
    const [, second] = (
      await world.customer.until(id, "a second leg", ({ legs }) => legs[1]?.status === "answered")
    ).legs;
    assert.equal(await onChannel(second!.id), given);
    await world.customer.hangUp(id);
    await world.customer.ended(id);

    const parents = new Set<string>();
    for (const kind of ["call.started", "call.answered", "call.completed"]) {
      const { headers } = await told(id, kind);
      assert.match(String(headers["traceparent"]), header(given));
      parents.add(String(headers["traceparent"]));
    }
    assert.equal(parents.size, 3, "each request is a parent of its own");
    const said = [...lines(`"${id}"`), ...lines(`"${leg!.id}"`), ...lines(`"${second!.id}"`)];
    for (const line of said) assert.equal(line["traceId"], given, JSON.stringify(line));
    const messages = new Set(said.map(({ msg }) => msg));
    for (const msg of [
      "a leg is dialled",
      "news of a leg",
      "a command is sent",
      "a voice URL was asked",
      "a webhook was sent",
    ])
      assert.ok(messages.has(msg), `"${msg}" among ${[...messages].join("; ")}`);
    assert.ok(lines(given).some(({ msg, route }) => msg === "a request is over" && route === "/v1/calls"));
  });

  it("is its own where the request has none, or one that is none, and no two are the same", async () => {
    const none = [
      ...["", "x", given, `00-${given}-00f067aa0ba902b7`, `00-${"0".repeat(32)}-00f067aa0ba902b7-01`],
      ...[`00-${given}-0000000000000000-01`, `ff-${given}-00f067aa0ba902b7-01`],
      ...[`00-${given.toUpperCase()}-00f067aa0ba902b7-01`, `00-${given}-00f067aa0ba902b7-01-more`],
    ];
    const traces = new Set<string>();
    for (const traceparent of none) {
      const id = await place({ traceparent });
      const traceId = await traceOf(id);
      assert.match(traceId, /^(?!0{32})[0-9a-f]{32}$/);
      traces.add(traceId);
      await world.customer.hangUp(id);
      await world.customer.ended(id);
    }
    assert.ok(!traces.has(given));
    assert.equal(traces.size, none.length);
  });

  it("is said to be kept, or not, as its request has it", async () => {
    for (const [flags, kept] of [
      ["00", "00"],
      ["03", "01"],
    ] as const) {
      const id = await place({ traceparent: `00-${given}-00f067aa0ba902b7-${flags}` });
      await answered(id);
      await world.customer.hangUp(id);
      const { headers } = await told(id, "call.started");
      assert.match(String(headers["traceparent"]), header(given, kept));
    }
  });

  it("of one that came to us is one of its own, on the caller's channel and on whom it is put through to", async () => {
    const { body } = await world.customer.ask("GET", "/v1/numbers");
    const numberId = String(body.data[0].id);
    const routing = { voice_callback_url: voice.url() };
    await world.customer.ask("PATCH", `/v1/numbers/${numberId}/routing`, { body: routing });
    await world.carrier.place({
      ...{ from: "+254722000001", to: nairobi },
      switch: `${world.switch.sip.host}:${world.switch.sip.port}`,
    });
    const question = await eventually("the question", () =>
      voice.asked.find(({ body: { data } }) => data?.["direction"] === "inbound"),
    );
    const id = String(question.body.data?.["call_id"]);
    const { legs } = await world.customer.until(
      id,
      "both legs",
      ({ legs }) => legs[1]?.status === "answered",
    );
    const traceId = await traceOf(id);
    assert.match(String(question.headers["traceparent"]), header(traceId));
    const facts = await world.store.read((tx) =>
      tx.get<{ channelUuid: string }>("SELECT channel_uuid FROM legs WHERE id = ?", [legs[0]!.id]),
    );
    assert.equal(await onChannel(facts!.channelUuid), traceId);
    assert.equal(await onChannel(legs[1]!.id), traceId);
    await world.customer.hangUp(id);
    await world.customer.ended(id);
  });

  it("of one that a device placed is one of its own as well", async () => {
    const { body } = await world.customer.ask("GET", "/v1/numbers");
    const path = `/v1/numbers/${body.data[0].id}/sip-credentials`;
    const { body: login } = await world.customer.ask("POST", path, { body: { label: "Desk" } });
    const device = await SipDevice.open(world.switch.devices!, login);
    try {
      await eventually(
        "a registration",
        async () => ((await device.register()).status === 200 ? true : undefined),
        {
          everyMs: 300,
        },
      );
      const call = device.call(answers);
      const id = await eventually("the call", async () => {
        const { body } = await world.customer.ask("GET", "/v1/calls?status=answered");
        return body.data[0]?.id as string | undefined;
      });
      const { legs } = await world.customer.until(
        id,
        "both legs",
        ({ legs }) => legs[1]?.status === "answered",
      );
      assert.equal(await onChannel(legs[1]!.id), await traceOf(id));
      call.end();
      await world.customer.ended(id);
    } finally {
      await device.close();
    }
  });

  it("is in the switch's end-of-leg record", async () => {
    const id = await place({ traceparent: `00-${given}-00f067aa0ba902b7-01` });
    const [leg] = (await answered(id)).legs;
    await world.customer.hangUp(id);
    await world.customer.ended(id);
    const file = await eventually("the record", () =>
      readdirSync(kept).find((name) => name.includes(leg!.id)),
    );
    const record = JSON.parse(readFileSync(join(kept, file), "utf8")) as {
      variables: Record<string, string>;
    };
    assert.equal(record.variables["sautikit_trace"], given);
  });
});
