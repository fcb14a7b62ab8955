import { strict as assert } from "node:assert";
import { nairobi, otienosPhone, world, type World } from "./world.ts";

type Kept = Record<string, string> & { metadata: Record<string, string> };
type Workspace = Awaited<ReturnType<World["workspace"]>>;

describe("bad input", () => {
  let api: World;
  let wanjiru: Workspace;
  let otieno: Workspace;
  before(async () => {
    api = await world();
    wanjiru = await api.workspace();
    otieno = await api.workspace({ name: "Otieno", number: "+254200000002" });
  });
  after(() => api.end());

  const good = { from: nairobi, to: otienosPhone };
  const place = (body: unknown, key = wanjiru.key) => api.ask("POST", "/v1/calls", { key, body });
  const placed = async () => {
    const { body } = await api.ask("GET", "/v1/calls?limit=100", { key: wanjiru.key });
    return body.data.length as number;
  };

  const cases: [
    what: string,
    body: unknown,
    status: number,
    code: string,
    field: string,
    fieldCode: string,
  ][] = [
    ["an unknown field", { ...good, recrod: true }, 400, "validation.unknown_field", "recrod", "unknown"],
    [
      "a prototype as a field",
      '{"__proto__":{"from":"+254200000001"}}',
      400,
      "validation.unknown_field",
      "__proto__",
      "unknown",
    ],
    [
      "a prototype in the metadata",
      '{"from":"+254200000001","to":"+254712345678","metadata":{"__proto__":"x"}}',
      400,
      "validation.unknown_field",
      "metadata.__proto__",
      "unknown",
    ],
    ["nothing at all", {}, 400, "validation.invalid", "from", "required"],
    ["no destination", { from: nairobi }, 400, "validation.invalid", "to", "required"],
    ["an array for a body", [], 400, "validation.invalid", "body", "type"],
    ["null for a body", "null", 400, "validation.invalid", "body", "type"],
    ["a number for a number", { ...good, from: 254200000001 }, 400, "validation.invalid", "from", "type"],
    ["null for a number", { ...good, to: null }, 400, "validation.invalid", "to", "type"],
    [
      "a caller id that is not E.164",
      { ...good, from: "0200000001" },
      400,
      "validation.invalid",
      "from",
      "e164",
    ],
    [
      "a destination that is not E.164",
      { ...good, to: "0712345678" },
      400,
      "validation.invalid",
      "to",
      "e164",
    ],
    ["an array with such a one", { ...good, to: ["0712345678"] }, 400, "validation.invalid", "to[0]", "e164"],
    [
      "an array with another type",
      { ...good, to: [otienosPhone, 5] },
      400,
      "validation.invalid",
      "to[1]",
      "type",
    ],
    [
      "one destination twice",
      { ...good, to: ["+254712345678", otienosPhone, "+254712345678"] },
      400,
      "validation.invalid",
      "to[2]",
      "duplicate",
    ],
    [
      "eleven destinations",
      { ...good, to: Array.from({ length: 11 }, (_, nth) => `+2547123456${nth + 10}`) },
      400,
      "validation.invalid",
      "to",
      "length",
    ],
    [
      "several to be recorded from ringing",
      { ...good, to: [otienosPhone, "+254712345678"], record: "from-ringing" },
      400,
      "validation.invalid",
      "record",
      "value",
    ],
    [
      "a dial to nobody",
      { ...good, actions: [{ dial: { timeout: 5 } }] },
      400,
      "validation.invalid",
      "actions[0].dial",
      "required",
    ],
    [
      "a dial to a number and a list",
      { ...good, actions: [{ dial: { number: otienosPhone, numbers: ["+254712345678"] } }] },
      400,
      "validation.invalid",
      "actions[0].dial.numbers",
      "exclusive",
    ],
    [
      "a dial to one number twice",
      { ...good, actions: [{ dial: { numbers: [otienosPhone, otienosPhone] } }] },
      400,
      "validation.invalid",
      "actions[0].dial.numbers[1]",
      "duplicate",
    ],
    [
      "a dial to SIP devices of nobody here",
      { ...good, actions: [{ dial: { sip: "sip:otieno" } }] },
      400,
      "validation.invalid",
      "actions[0].dial.sip",
      "sip_not_found",
    ],
    [
      "a dial to a SIP URI that is on no list",
      { ...good, actions: [{ dial: { sip: "sip:otieno@example.com" } }] },
      422,
      "sip.destination_not_allowed",
      "actions[0].dial.sip",
      "sip_destination",
    ],
    [
      "a dial to a SIP URI that would say more to the switch",
      { ...good, actions: [{ dial: { sip: "sip:otieno@example.com,sofia/gateway/carrier/1" } }] },
      400,
      "validation.invalid",
      "actions[0].dial.sip",
      "format",
    ],
    [
      "a ringback that is no URL",
      { ...good, actions: [{ dial: { number: otienosPhone, ringback: "ftp://example.com/a.wav" } }] },
      400,
      "validation.invalid",
      "actions[0].dial.ringback",
      "url",
    ],
    ["no destination in the array", { ...good, to: [] }, 400, "validation.invalid", "to", "length"],
    [
      "a ring time out of range",
      { ...good, ring_timeout_seconds: 4 },
      400,
      "validation.invalid",
      "ring_timeout_seconds",
      "range",
    ],
    [
      "half a second",
      { ...good, ring_timeout_seconds: 5.5 },
      400,
      "validation.invalid",
      "ring_timeout_seconds",
      "type",
    ],
    [
      "seconds as text",
      { ...good, max_duration_seconds: "60" },
      400,
      "validation.invalid",
      "max_duration_seconds",
      "type",
    ],
    [
      "a recording that is not known",
      { ...good, record: "always" },
      400,
      "validation.invalid",
      "record",
      "value",
    ],
    [
      "a URL that is none",
      { ...good, events_url: "ftp://example.com" },
      400,
      "validation.invalid",
      "events_url",
      "url",
    ],
    [
      "a label too long",
      { ...good, client_request_id: "x".repeat(5001) },
      400,
      "validation.invalid",
      "client_request_id",
      "length",
    ],
    [
      "half a surrogate pair",
      '{"client_request_id":"\\ud83d"}',
      400,
      "validation.invalid",
      "client_request_id",
      "unicode",
    ],
    [
      "metadata in metadata",
      { ...good, metadata: { a: { b: 1 } } },
      400,
      "validation.invalid",
      "metadata.a",
      "type",
    ],
    [
      "a number that would come back as another",
      '{"from":"+254200000001","to":"+254712345678","metadata":{"order":12345678901234567890}}',
      400,
      "validation.invalid",
      "metadata.order",
      "range",
    ],
    [
      "too much metadata",
      { ...good, metadata: Object.fromEntries(Array.from({ length: 21 }, (_, index) => [`k${index}`, 1])) },
      400,
      "validation.invalid",
      "metadata",
      "length",
    ],
    [
      "metadata beyond 4 KiB",
      { ...good, metadata: { a: "x".repeat(4096) } },
      400,
      "validation.invalid",
      "metadata",
      "length",
    ],
    [
      "an unknown verb",
      { ...good, actions: [{ sing: {} }] },
      400,
      "validation.unknown_field",
      "actions[0].sing",
      "unknown",
    ],
    [
      "a verb with a wrong value",
      { ...good, actions: [{ hangup: {} }, { play: { url: 5 } }] },
      400,
      "validation.invalid",
      "actions[1].play.url",
      "type",
    ],
    [
      "a verb with an unknown key",
      { ...good, actions: [{ play: { url: "https://example.com/a.wav", lop: 2 } }] },
      400,
      "validation.unknown_field",
      "actions[0].play.lop",
      "unknown",
    ],
    ["an empty document", { ...good, actions: [] }, 400, "validation.invalid", "actions", "length"],
    [
      "somebody else's number",
      { ...good, from: "+254200000002" },
      403,
      "calls.caller_id_not_owned",
      "from",
      "not_owned",
    ],
    [
      "a number of nobody's",
      { ...good, from: "+254200000009" },
      403,
      "calls.caller_id_not_owned",
      "from",
      "not_owned",
    ],
    [
      "somebody else's number to present",
      { ...good, caller_id: "+254200000002" },
      403,
      "calls.caller_id_not_owned",
      "caller_id",
      "not_owned",
    ],
    [
      "an emergency number",
      { ...good, to: "999" },
      422,
      "calls.destination_not_allowed",
      "to",
      "destination",
    ],
    [
      "an emergency number in disguise",
      { ...good, to: "+254112" },
      422,
      "calls.destination_not_allowed",
      "to",
      "destination",
    ],
    [
      "an emergency number among several",
      { ...good, to: [otienosPhone, "+254733345678", "+254999"] },
      422,
      "calls.destination_not_allowed",
      "to[2]",
      "destination",
    ],
    [
      "a dial to a country that is not allowed, among several",
      { ...good, actions: [{ dial: { numbers: [otienosPhone, "+442079460000"] } }] },
      422,
      "calls.destination_not_allowed",
      "actions[0].dial.numbers[1]",
      "destination",
    ],
    [
      "a short code",
      { ...good, to: ["40000"] },
      422,
      "calls.destination_not_allowed",
      "to[0]",
      "destination",
    ],
    [
      "a country that is not allowed",
      { ...good, to: "+442079460000" },
      422,
      "calls.destination_not_allowed",
      "to",
      "destination",
    ],
    [
      "a satellite",
      { ...good, to: "+881612345678" },
      422,
      "calls.destination_not_allowed",
      "to",
      "destination",
    ],
    ...(
      [
        ["an inline dial to a country that is not allowed", "+442079460000"],
        ["an inline dial to a satellite", "+881612345678"],
        ["an inline dial to a premium number", "+254900123456"],
      ] as const
    ).map(
      ([what, number]) =>
        [
          what,
          { ...good, actions: [{ wait: { seconds: 1 } }, { dial: { number } }] },
          ...([422, "calls.destination_not_allowed", "actions[1].dial.number", "destination"] as const),
        ] as [string, object, number, string, string, string],
    ),
    [
      "an inline dial that shows somebody else's number",
      { ...good, actions: [{ dial: { number: otienosPhone, callerId: "+254200000002" } }] },
      403,
      "calls.caller_id_not_owned",
      "actions[0].dial.callerId",
      "not_owned",
    ],
    [
      "a URL that leads inside",
      { ...good, events_url: "http://169.254.169.254/" },
      422,
      "webhooks.url_not_allowed",
      "events_url",
      "url",
    ],
    [
      "an inline stream that leads inside",
      { ...good, actions: [{ wait: { seconds: 1 } }, { stream: { url: "wss://169.254.169.254/" } }] },
      422,
      "webhooks.url_not_allowed",
      "actions[1].stream.url",
      "url",
    ],
    [
      "a voice URL on the loopback",
      { ...good, voice_callback_url: "http://127.0.0.1:8080/" },
      422,
      "webhooks.url_not_allowed",
      "voice_callback_url",
      "url",
    ],
  ];

  for (const [what, request, status, code, field, fieldCode] of cases) {
    it(`${what} is refused by name, and nothing is stored`, async () => {
      const before = await placed();

      const answer = await place(request);

      assert.equal(answer.status, status, answer.text);
      assert.equal(answer.body.error.code, code);
      assert.equal(answer.body.message, answer.body.error.message);
      assert.equal(answer.body.error.request_id, answer.headers.get("x-request-id"));
      const found = answer.body.error.fields.find((one: { field: string }) => one.field === field);
      assert.ok(found, answer.text);
      assert.equal(found.code, fieldCode);
      assert.equal(await placed(), before);
    });
  }

  it("a destination without a rate is refused", async () => {
    await api.store.write((tx) =>
      tx.run("UPDATE workspaces SET allowed_countries = ? WHERE id = ?", [
        '["KE","AQ","UG","TZ","GB"]',
        otieno.id,
      ]),
    );
    await api.store.write((tx) =>
      tx.run("DELETE FROM rates WHERE prefix <> '254' AND direction = 'outbound'"),
    );

    const { status, body } = await place({ from: otieno.number, to: "+256772123456" }, otieno.key);

    assert.equal(status, 422);
    assert.equal(body.error.code, "calls.destination_not_allowed");
    assert.match(body.error.message, /no rate/);
    const inline = await place(
      { from: otieno.number, to: otienosPhone, actions: [{ dial: { number: "+256772123456" } }] },
      otieno.key,
    );
    assert.deepEqual(
      [inline.status, inline.body.error.fields[0].field, inline.body.error.message],
      [422, "actions[0].dial.number", body.error.message],
    );
  });

  for (const [what, more, message] of [
    [
      "of two numbers names both",
      { actions: [{ stream: { url: "wss://bot.example/", outputSamplingRate: 44_100 } }] },
      "actions[0].stream.outputSamplingRate must be one of 8000, 16000.",
    ],
    [
      "of a yes, a no and words names all",
      { record: "yes" },
      "record must be one of true, false, from-answer, from-ringing.",
    ],
    [
      "of one number or several names the field as it was written",
      { to: "0712345678" },
      "to must be E.164: + and 8 to 15 digits.",
    ],
    [
      "that is an unknown verb says so",
      { actions: [{ sing: {} }] },
      /^actions\[0\]\.sing is an unknown verb; known are say, play/,
    ],
    ["that is empty says so", { actions: [] }, "actions must have at least 1 item."],
  ] as const)
    it(`a wrong choice ${what}`, async () => {
      const { error } = (await place({ ...good, ...more })).body;
      if (typeof message === "string") assert.equal(error.message, message);
      else assert.match(error.message, message);
    });

  it("a body that is not JSON, not UTF-8 or cut short is malformed", async () => {
    for (const body of ['{"from":', "from=+254", "{'from':1}", "\u0000", '{"a":1}}', "NaN"]) {
      const answer = await place(body);
      assert.equal(answer.status, 400, body);
      assert.equal(answer.body.error.code, "validation.malformed_json", body);
    }
    const latin1 = await fetch(`${api.url}/v1/calls`, {
      method: "POST",
      headers: { authorization: `Bearer ${wanjiru.key}`, "content-type": "application/json" },
      body: Buffer.from('{"client_request_id":"\xe9"}', "latin1"),
    });
    assert.equal(latin1.status, 400);
    assert.equal(
      ((await latin1.json()) as { error: { code: string } }).error.code,
      "validation.malformed_json",
    );
  });

  it("256 KiB is read, and one byte more is not", async () => {
    const padded = (bytes: number) => {
      const text = JSON.stringify({ ...good, client_request_id: "" });
      return text.replace('""', `"${"x".repeat(bytes - text.length)}"`);
    };

    const most = await place(padded(256 * 1024));
    const more = await place(padded(256 * 1024 + 1));

    assert.equal(most.body.error.fields[0].field, "client_request_id");
    assert.equal(more.status, 413);
    assert.equal(more.body.error.code, "validation.body_too_large");
  });

  it("a body of arrays in arrays is refused without harm", async () => {
    const { status, body } = await place("[".repeat(100_000) + "]".repeat(100_000));

    assert.equal(status, 400);
    assert.equal(body.error.fields[0].code, "depth");
  });

  it("a body of more fields or values than any request has is refused as one, not field by field", async () => {
    const names = Array.from({ length: 20_000 }, (_, index) => `k${index.toString(36)}`);
    const fields = (count: number) => Object.fromEntries(names.slice(0, count).map((name) => [name, 1]));
    const rows: [body: object, field: string][] = [
      [fields(20_000), "body"],
      [fields(501), "body"],
      [{ from: nairobi, to: otienosPhone, metadata: fields(501) }, "metadata"],
      [{ from: nairobi, to: otienosPhone, actions: Array<object>(60).fill(fields(200)) }, "body"],
      [{ from: nairobi, to: Array<number>(100_000).fill(1) }, "body"],
    ];
    for (const [body, field] of rows) {
      const answer = await api.ask("POST", "/v1/calls", { key: wanjiru.key, body });
      assert.equal(answer.status, 400);
      const { code, fields: told } = answer.body.error;
      assert.deepEqual(
        [code, told.length, told[0].field, told[0].code],
        ["validation.invalid", 1, field, "length"],
      );
    }
  });

  it("a form is not JSON", async () => {
    const { status, body } = await api.ask("POST", "/v1/calls", {
      key: wanjiru.key,
      body: "from=%2B254",
      headers: { "content-type": "application/x-www-form-urlencoded" },
    });

    assert.equal(status, 415);
    assert.equal(body.error.code, "validation.unsupported_media_type");
  });

  it("an empty wallet places no call", async () => {
    const njeri = await api.workspace({ name: "Njeri", number: "+254200000003", balanceMinor: 0 });

    const { status, body } = await place({ from: njeri.number, to: otienosPhone }, njeri.key);

    assert.equal(status, 402);
    assert.equal(body.error.code, "wallet.insufficient_funds");
  });

  it("a frozen workspace places no call", async () => {
    const njeri = await api.workspace({ name: "Njeri", number: "+254200000004" });
    await api.store.write((tx) => tx.run("UPDATE workspaces SET frozen_at_ms = 1 WHERE id = ?", [njeri.id]));

    const { status, body } = await place({ from: njeri.number, to: otienosPhone }, njeri.key);

    assert.equal(status, 403);
    assert.equal(body.error.code, "workspace.frozen");
  });

  it("the calls that a workspace may have, and place in a second, are counted", async () => {
    const njeri = await api.workspace({ name: "Njeri", number: "+254200000005" });
    const limits = (concurrent: number, perSecond: number) =>
      api.store.write((tx) =>
        tx.run("UPDATE workspaces SET concurrent_calls = ?, calls_per_second = ? WHERE id = ?", [
          concurrent,
          perSecond,
          njeri.id,
        ]),
      );
    const ask = () => place({ from: njeri.number, to: otienosPhone }, njeri.key);
    await limits(1, 100);
    const [first, second] = [await ask(), await ask()];
    await limits(100, 1);
    const third = await ask();

    assert.equal(first.status, 201);
    assert.equal(second.body.error.code, "calls.concurrency_limit");
    assert.equal(third.body.error.code, "calls.rate_limit");
    assert.equal(third.headers.get("retry-after"), "1");
  });

  it("what is not a path, a method or an id is said to be so", async () => {
    const { key } = wanjiru;
    const rows: [method: string, path: string, status: number, code: string][] = [
      ["GET", "/v1/nothing", 404, "not_found"],
      ["GET", "/nothing", 404, "not_found"],
      ["GET", "/v1/calls/", 404, "not_found"],
      ["PUT", "/v1/calls", 405, "method_not_allowed"],
      ["DELETE", "/v1/wallet", 405, "method_not_allowed"],
      ["GET", "/v1/calls/call_01j00000000000000000000001", 404, "calls.not_found"],
      ["GET", "/v1/calls/call_1", 404, "calls.not_found"],
      ["GET", "/v1/calls/%00", 404, "calls.not_found"],
      ["GET", "/v1/calls/%E0%A4%A", 404, "not_found"],
      ["GET", "/v1/calls/__proto__", 404, "calls.not_found"],
      ["GET", "/v1/calls?limit=0", 400, "validation.invalid"],
      ["GET", "/v1/calls?limit=101", 400, "validation.invalid"],
      ["GET", "/v1/calls?limit=1&limit=2", 400, "validation.invalid"],
      ["GET", "/v1/calls?status=gone", 400, "validation.invalid"],
      ["GET", "/v1/calls?from=yesterday", 400, "validation.invalid"],
      ["GET", "/v1/calls?sort=up", 400, "validation.unknown_field"],
      ["GET", "/v1/calls?__proto__=1", 400, "validation.unknown_field"],
      ["GET", "/v1/calls?cursor=nonsense", 400, "validation.invalid"],
    ];
    for (const [method, path, status, code] of rows) {
      const answer = await api.ask(method, path, { key });
      assert.deepEqual([answer.status, answer.body.error.code], [status, code], `${method} ${path}`);
    }
  });

  it("one workspace's ids mean nothing in another", async () => {
    const { body: call } = await place({ ...good, record: true });
    const { body: webhook } = await api.ask("POST", "/v1/webhooks", {
      key: wanjiru.key,
      body: { url: "https://93.184.215.14/events", events: ["*"] },
    });
    const { body: sent } = await api.ask("POST", `/v1/webhooks/${webhook.id}/test`, { key: wanjiru.key });
    const { body: seen } = await api.ask("GET", `/v1/calls/${call.id}`, { key: wanjiru.key });
    const recording = seen.call.legs[0].recording_ids[0];
    const rows: [method: string, path: string, body: unknown, code: string][] = [
      ["GET", `/v1/calls/${call.id}`, undefined, "calls.not_found"],
      ["GET", `/v1/calls/${call.id}/events`, undefined, "calls.not_found"],
      ["POST", `/v1/calls/${call.id}/hangup`, undefined, "calls.not_found"],
      ["PATCH", `/v1/calls/${call.id}/recording`, { state: "off" }, "calls.not_found"],
      ["GET", `/v1/calls/${call.id}/recording`, undefined, "calls.not_found"],
      ["GET", `/v1/calls/${call.id}/recordings`, undefined, "calls.not_found"],
      ["GET", `/v1/recordings/${recording}`, undefined, "recordings.not_found"],
      ["DELETE", `/v1/recordings/${recording}`, undefined, "recordings.not_found"],
      ["GET", `/v1/webhooks/${webhook.id}`, undefined, "webhooks.not_found"],
      ["PATCH", `/v1/webhooks/${webhook.id}`, { enabled: false }, "webhooks.not_found"],
      ["DELETE", `/v1/webhooks/${webhook.id}`, undefined, "webhooks.not_found"],
      ["POST", `/v1/webhooks/${webhook.id}/rotate-secret`, undefined, "webhooks.not_found"],
      ["POST", `/v1/webhooks/${webhook.id}/test`, undefined, "webhooks.not_found"],
      ["GET", `/v1/webhooks/deliveries/${sent.delivery_id}`, undefined, "webhooks.delivery_not_found"],
      ["POST", `/v1/numbers/${wanjiru.numberId}/rotate-signing-secret`, undefined, "numbers.not_found"],
      [
        "POST",
        `/v1/webhooks/deliveries/${sent.delivery_id}/replay`,
        undefined,
        "webhooks.delivery_not_found",
      ],
    ];

    for (const [method, path, body, code] of rows) {
      const answer = await api.ask(method, path, { key: otieno.key, body });
      assert.deepEqual([answer.status, answer.body.error.code], [404, code], `${method} ${path}`);
    }
    for (const path of ["/v1/calls", "/v1/recordings", "/v1/webhooks", "/v1/webhooks/deliveries"]) {
      const { body } = await api.ask("GET", path, { key: otieno.key });
      assert.deepEqual(body.data, [], path);
    }
    const { body: own } = await api.ask("GET", `/v1/calls/${call.id}`, { key: wanjiru.key });
    assert.equal(own.call.status, "initiated", "nobody touched it");
  });

  describe("in every field of text", () => {
    const hostile = [
      "\r",
      "\n",
      "\r\n",
      "\u0000",
      "{",
      "}",
      "[",
      "]",
      "<",
      ">",
      ",",
      ";",
      "|",
      "${x}",
      '"',
      "'",
      "\\",
      "`",
      "%0d%0a",
      "^^",
      "😀",
    ];
    const fields = {
      from: nairobi,
      to: otienosPhone,
      caller_id: nairobi,
      voice_callback_url: "https://93.184.215.14/voice",
      events_url: "https://93.184.215.14/events",
      record: "from-answer",
      client_request_id: "order 17",
      "metadata.branch": "Kisumu",
      "metadata.<key>": "branch",
      "actions.play.url": "https://93.184.215.14/a.wav",
      "actions.dial.number": otienosPhone,
      "actions.dial.callerId": nairobi,
    };

    for (const [field, value] of Object.entries(fields)) {
      it(`${field} ends as what was sent, or is refused`, async () => {
        await api.store.write((tx) =>
          tx.run("UPDATE workspaces SET concurrent_calls = 10000, calls_per_second = 10000"),
        );
        for (const text of hostile.flatMap((one) => [one, `${value}${one}`, `${one}${value}`])) {
          const answer = await place({ ...good, ...withText(field, text) });
          if (answer.status === 201) {
            const { body } = await api.ask("GET", `/v1/calls/${answer.body.id}`, { key: wanjiru.key });
            const kept = await api.store.read((tx) =>
              tx.get<Record<string, string>>("SELECT * FROM calls WHERE id = ?", [answer.body.id]),
            );
            assert.equal(keptText(field, body.call, kept!), text, JSON.stringify(text));
          } else {
            assert.match(answer.body.error.code, /^(validation|calls|webhooks)\./, JSON.stringify(text));
            assert.ok(answer.status < 500, answer.text);
            const named = answer.body.error.fields.map((one: { field: string }) => one.field);
            assert.ok(
              named.some((name: string) => name.startsWith(field.replace(/\..*/, ""))),
              answer.text,
            );
          }
        }
      }).timeout(60_000);
    }

    it("a line break or NUL never gets into a label, a number or a URL", async () => {
      for (const control of ["\r", "\n", "\u0000", "\u0085", "\u007f"]) {
        for (const field of [
          "from",
          "to",
          "caller_id",
          "voice_callback_url",
          "events_url",
          "client_request_id",
        ] as const) {
          const { status } = await place({ ...good, [field]: `${fields[field]}${control}` });
          assert.equal(status, 400, `${field} ${JSON.stringify(control)}`);
        }
      }
    });
  });

  function withText(field: string, text: string): object {
    if (field === "metadata.branch") return { metadata: { branch: text } };
    if (field === "metadata.<key>") return { metadata: { [text]: "Kisumu" } };
    switch (field) {
      case "actions.play.url":
        return { actions: [{ play: { url: text } }] };
      case "actions.dial.number":
        return { actions: [{ dial: { number: text } }] };
      case "actions.dial.callerId":
        return { actions: [{ dial: { number: otienosPhone, callerId: text } }] };
      default:
        return { [field]: text };
    }
  }

  function keptText(field: string, call: Kept, row: Record<string, string>): unknown {
    switch (field) {
      case "metadata.branch":
        return call.metadata["branch"];
      case "metadata.<key>":
        return Object.keys(call.metadata)[0];
      case "client_request_id":
        return call["client_request_id"];
      case "voice_callback_url":
        return row["voiceCallbackUrl"];
      case "events_url":
        return row["eventsUrl"];
      case "actions.play.url":
        return JSON.parse(row["document"]!).actions[0].play.url;
      case "actions.dial.number":
        return JSON.parse(row["document"]!).actions[0].dial.number;
      case "actions.dial.callerId":
        return JSON.parse(row["document"]!).actions[0].dial.callerId;
      default:
        return call[field];
    }
  }
});
