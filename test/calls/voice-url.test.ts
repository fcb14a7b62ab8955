import assert from "node:assert/strict";
import { createServer } from "node:net";
import { Webhook } from "standardwebhooks";
import { SautikitError } from "../../engine/errors.ts";
import { intentsOfCall } from "../../engine/store/calls.ts";
import { deliveriesOf } from "../../engine/store/deliveries.ts";
import { verifySautikit } from "../../engine/webhooks/signing.ts";
import { freePort } from "../peers/free-ports.ts";
import { sideBySide } from "../peers/side-by-side.ts";
import { describeOnSwitch } from "../peers/switch-under-test.ts";
import { VoiceServer, type AskedQuestion, type Reply } from "../peers/voice-server.ts";
import { eventOf, kindsOf, world, type SeenCall, type World } from "./world.ts";

const talksOn = "+254700000001";
const otieno = "+254700000002";
const busy = "+254700000486";

const triesOf = (call: SeenCall) =>
  call.events
    .filter(({ kind }) => kind.startsWith("voice_url."))
    .map(
      ({ kind, payload }) =>
        `${kind} ${String(payload["asked"])} ${String(payload["status"] ?? payload["fault"])}`,
    );

describeOnSwitch("a voice URL", function () {
  this.timeout(40_000);
  let w: World;
  let numbers = 0;
  let awayUntilMs = 0;
  let refusedWrites = 0;
  const servers: VoiceServer[] = [];
  before(async () => {
    w = await world({
      expectedErrors: /could not be stored|a question could not be put|could not be delivered/,
      tapStore: (store) => ({
        write(work) {
          if (Date.now() >= awayUntilMs) return store.write(work);
          refusedWrites++;
          return Promise.reject(new SautikitError("database.unavailable"));
        },
      }),
    });
  });
  after(async () => {
    for (const server of servers) await server.close();
    await w.end();
  });
  const concurrently = sideBySide();

  /** Wanjiru calls Otieno, and this server says what her calls do. */
  async function calling(
    answers: (question: AskedQuestion) => Reply | object,
    more: Partial<Parameters<World["place"]>[0]> & { fallback?: (server: VoiceServer) => string } = {},
  ) {
    const { fallback, ...call } = more;
    const server = await VoiceServer.open(answers);
    servers.push(server);
    const number = await w.number(
      `+2542000002${String(++numbers).padStart(2, "0")}`,
      fallback?.(server) ?? null,
    );
    const id = await w.place({ to: talksOn, voiceCallbackUrl: server.url(), ...call }, number);
    return { id, server, ...number };
  }
  const hangUp = { actions: [{ hangup: {} }] };
  const answering =
    (kind: string, reply: Reply | object) =>
    ({ body }: AskedQuestion) =>
      body.kind === kind ? reply : { text: "OK" };

  concurrently("is asked when the call is answered, and its document runs", async () => {
    const { id, server, e164, secret } = await calling(
      answering("call.answered", { actions: [{ wait: { seconds: 1 } }, { hangup: {} }] }),
    );
    const call = await w.ended(id);
    assert.deepEqual(
      kindsOf(call).filter((kind) => /^(action|voice|document)/.test(kind)),
      ["voice_url.answered", "action.started", "action.started"],
    );
    const [asked, ...again] = server.of("call.answered");
    assert.equal(again.length, 0, "the question is the event's delivery too");
    assert.equal(asked!.body["CallId"], id);
    assert.equal(asked!.body["From"], e164);
    assert.equal(asked!.body["To"], talksOn);
    assert.equal(asked!.body.data!["call_id"], id);
    assert.equal(typeof asked!.body.data?.["answered_at"], "string");
    const { headers, text } = asked!;
    const nowSeconds = Math.floor(Date.now() / 1000);
    assert.ok(verifySautikit(String(headers["x-sautikit-signature"]), text, secret, nowSeconds));
    new Webhook(secret).verify(text, headers as Record<string, string>);
    const told = eventOf(call, "voice_url.answered").payload;
    assert.equal(told["status"], 200);
    assert.equal(told["event_id"], asked!.body.event_id);
    assert.match(String(told["answer"]), /^\{"actions"/);
    assert.equal(typeof told["latency_ms"], "number");
  });

  concurrently("that answers OK leaves the call as it is", async () => {
    const { id, server, workspaceId } = await calling(() => ({ text: "OK" }));
    await server.until("call.answered");
    await w.event(id, "voice_url.answered");
    await w.clock.sleep(1_000);
    const call = await w.view(id);
    assert.equal(call.status, "answered");
    assert.deepEqual(kindsOf(call).at(-1), "voice_url.answered");
    await w.hangUp(id, workspaceId);
    await w.ended(id);
  });

  for (const [what, text, noDocument, jsonError] of [
    ["a web page", "<html></html>", "text", undefined],
    ["nothing", "", "empty", undefined],
    ["JSON without actions", '{"ok":true}', "no_actions", undefined],
    ["a list", "[1]", "no_actions", undefined],
    ["a web page of 300 KiB", `<html>${"y".repeat(300 * 1024)}</html>`, "text", undefined],
    ["JSON with a comma too many", '{"actions":[\n{"hangup":{}},]}', "broken_json", /^Unexpected token/],
    ["half of a document", '{"actions":[{"hangup":{}}', "broken_json", /at position 25 /],
  ] as const)
    concurrently(
      `that answers ${what} leaves the call as it is, and the event says what it was`,
      async () => {
        const { id, workspaceId } = await calling(() => ({ text }));
        const call = await w.event(id, "voice_url.answered");
        const { no_document, json_error } = eventOf(call, "voice_url.answered").payload;
        assert.equal(no_document, noDocument);
        if (jsonError === undefined) assert.equal(json_error, undefined);
        else assert.match(String(json_error), jsonError);
        assert.ok(!kindsOf(call).includes("document.invalid"));
        await w.hangUp(id, workspaceId);
        assert.equal((await w.ended(id)).hangup_cause, "normal_clearing");
      },
    );

  concurrently("that answers with a byte order mark before its document has it run", async () => {
    const { id } = await calling(
      answering("call.answered", { text: `\uFEFF${JSON.stringify({ actions: [{ hangup: {} }] })}` }),
    );
    assert.ok(kindsOf(await w.ended(id)).includes("action.started"));
  });

  for (const [what, reply, path, code, reason] of [
    ["an unknown verb", { actions: [{ sing: {} }] }, "actions[0].sing", "unknown", /unknown verb/],
    [
      "a wrong option",
      { actions: [{ wait: { seconds: 1 } }, { wait: { seconds: 0 } }] },
      "actions[1].wait.seconds",
      "range",
      /^must be at least 1$/,
    ],
    [
      "a wrong type",
      { actions: [{ getDigits: { numDigits: "1" } }] },
      "actions[0].getDigits.numDigits",
      "type",
      /^must be a number$/,
    ],
    [
      "too little",
      { actions: [{ getDigits: { nested: [{ say: {} }] } }] },
      "actions[0].getDigits.nested[0].say.text",
      "required",
      /^is missing$/,
    ],
    [
      "a misspelt key, and so without the right one",
      { actions: [{ say: { txt: "Karibu" } }] },
      "actions[0].say.txt",
      "unknown",
      /^is not known here$/,
    ],
    [
      "a key without end",
      { actions: [{ wait: { seconds: 1, ["y".repeat(100_000)]: 1 } }] },
      `actions[0].wait.${"y".repeat(64)}…`,
      "unknown",
      /^.{1,300}$/s,
    ],
    [
      "half a surrogate pair as a verb",
      { text: '{"actions":[{"\\ud83d":{}}]}' },
      "actions[0].\uFFFD",
      "unknown",
      /unknown verb/,
    ],
    ["no list", { actions: "play" }, "actions", "type", /^must be an array$/],
    ["an empty list", { actions: [] }, "actions", "length", /^must have at least 1 item$/],
    [
      "too much",
      { text: `{"actions":[{"wait":{"seconds":1}}],"x":"${"y".repeat(300_000)}"}` },
      "body",
      "length",
      /256 KiB/,
    ],
    [
      "more fields than any document has",
      {
        actions: [
          {
            stream: {
              url: "wss://bot.example",
              metadata: Object.fromEntries(Array.from({ length: 10_000 }, (_, index) => [`k${index}`, []])),
            },
          },
        ],
      },
      "actions",
      "length",
      /500 fields/,
    ],
  ] as const)
    concurrently(`that answers ${what} is told where and why, and the call is hung up`, async () => {
      const { id } = await calling(answering("call.answered", reply));
      const call = await w.ended(id);
      const { payload } = eventOf(call, "document.invalid");
      assert.equal(payload["path"], path);
      assert.equal(payload["code"], code);
      assert.match(String(payload["reason"]), reason);
      assert.equal(eventOf(call, "voice_url.answered").payload["no_document"], null);
      const kinds = kindsOf(call);
      assert.ok(kinds.indexOf("document.invalid") < kinds.indexOf("say.finished"), "an apology is heard");
    });

  concurrently(
    "that fails is asked twice with one event_id, then the call is hung up, and the event comes by the outbox",
    async () => {
      const { id, server, workspaceId } = await calling(
        answering("call.answered", { status: 500, text: "oops" }),
      );
      const call = await w.ended(id);
      assert.deepEqual(triesOf(call), [
        "voice_url.failed call.answered 500",
        "voice_url.failed call.answered 500",
      ]);
      assert.equal(eventOf(call, "voice_url.failed").payload["answer"], "oops");
      const asked = server.of("call.answered");
      assert.equal(asked.length, 2);
      assert.equal(asked[0]!.body.event_id, asked[1]!.body.event_id);
      const queued = await w.store.read((tx) => deliveriesOf(tx, workspaceId, { callId: id }, 100));
      assert.deepEqual(
        queued.filter(({ kind }) => kind === "call.answered").map(({ eventId, url }) => [eventId, url]),
        [[asked[0]!.body.event_id, server.url()]],
      );
    },
  );

  concurrently("that fails twice hands over to the fallback URL", async () => {
    const { id, server, workspaceId } = await calling(
      ({ path, body }) =>
        body.kind !== "call.answered" ? { text: "OK" } : path === "/fallback" ? hangUp : { status: 503 },
      { fallback: (voice) => voice.url("/fallback") },
    );
    const call = await w.ended(id);
    assert.deepEqual(triesOf(call), [
      "voice_url.failed call.answered 503",
      "voice_url.failed call.answered 503",
      "voice_url.answered call.answered 200",
    ]);
    const asked = server.of("call.answered");
    assert.deepEqual(
      asked.map(({ path }) => path),
      ["/voice", "/voice", "/fallback"],
    );
    // The voice URL itself has never heard of it.
    const queued = await w.store.read((tx) => deliveriesOf(tx, workspaceId, { callId: id }, 100));
    assert.deepEqual(
      queued.filter(({ kind }) => kind === "call.answered").map(({ eventId, url }) => [eventId, url]),
      [[asked[0]!.body.event_id, server.url()]],
    );
    assert.ok(kindsOf(call).includes("action.started"));
  });

  concurrently("is not followed to where it redirects", async () => {
    const { id, server } = await calling(({ path }) =>
      path === "/voice" ? { status: 302, headers: { Location: "/elsewhere" } } : hangUp,
    );
    const call = await w.ended(id);
    assert.deepEqual(triesOf(call), [
      "voice_url.failed call.answered 302",
      "voice_url.failed call.answered 302",
    ]);
    assert.deepEqual([...new Set(server.asked.map(({ path }) => path))], ["/voice"]);
  });

  concurrently("that takes longer than 5 s has failed", async () => {
    const { id } = await calling(answering("call.answered", "never"));
    const call = await w.ended(id);
    assert.deepEqual(triesOf(call), [
      "voice_url.failed call.answered timeout",
      "voice_url.failed call.answered timeout",
    ]);
    const [first] = call.events.filter(({ kind }) => kind === "voice_url.failed");
    assert.ok(Number(first!.payload["latency_ms"]) >= 5_000);
  });

  concurrently("that nobody serves ends the call", async () => {
    const { id } = await calling(() => hangUp, { voiceCallbackUrl: `http://127.0.0.1:${await freePort()}/` });
    assert.deepEqual(triesOf(await w.ended(id)), [
      "voice_url.failed call.answered refused",
      "voice_url.failed call.answered refused",
    ]);
  });

  concurrently("that speaks no HTTP ends the call", async () => {
    const strange = createServer((socket) =>
      socket.on("error", () => undefined).end("SSH-2.0-OpenSSH_9.2\r\n"),
    );
    strange.listen(0, "127.0.0.1");
    try {
      await new Promise((resolve) => strange.once("listening", resolve));
      const { port } = strange.address() as { port: number };
      const { id } = await calling(() => hangUp, { voiceCallbackUrl: `http://127.0.0.1:${port}/` });
      assert.deepEqual(triesOf(await w.ended(id)).length, 2);
    } finally {
      strange.close();
    }
  });

  concurrently("is not asked while a document runs, and then by the step that waits for it", async () => {
    const { id, server } = await calling(answering("call.dial_completed", hangUp), {
      actions: [{ dial: { number: busy } }],
    });
    const call = await w.ended(id);
    assert.equal(triesOf(call).join(), "voice_url.answered call.dial_completed 200");
    const [asked] = server.of("call.dial_completed");
    assert.equal(asked!.body.data?.["dial_status"], "busy");
    assert.ok(!kindsOf(call).includes("document.ended"), "the answer's document took its place");
  });

  concurrently("is told of the dial as an event where an action follows it", async () => {
    const { id, server, workspaceId } = await calling(() => ({ text: "OK" }), {
      actions: [{ dial: { number: busy } }, { wait: { seconds: 1 } }],
    });
    const call = await w.ended(id);
    assert.deepEqual(triesOf(call), []);
    assert.deepEqual(call.events.at(-1)?.kind, "call.completed");
    const queued = await w.store.read((tx) => deliveriesOf(tx, workspaceId, { callId: id }, 100));
    assert.deepEqual(queued.map(({ kind }) => kind).sort(), [
      ...["call.answered", "call.completed", "call.dial_completed", "call.started"],
    ]);
    assert.deepEqual([...new Set(queued.map(({ url }) => url))], [server.url()]);
  });

  concurrently("answers after a talk, while the caller waits", async () => {
    const { id, server } = await calling(
      answering("call.dial_completed", { actions: [{ play: { url: w.promptUrl } }] }),
      {
        actions: [{ dial: { number: otieno, maxDuration: 10 } }],
      },
    );
    const bridged = await w.event(id, "leg.bridged");
    assert.equal(bridged.legs.length, 2);
    const call = await w.ended(id, 30_000);
    assert.equal(server.of("call.dial_completed")[0]!.body.data?.["dial_status"], "completed");
    assert.ok(kindsOf(call).includes("play.finished"));
    assert.deepEqual(kindsOf(call).includes("document.ended"), true);
  });

  concurrently("hears of nothing but its questions where there is an events URL", async () => {
    const events = await VoiceServer.open(() => ({ text: "OK" }));
    servers.push(events);
    const { id, server, workspaceId } = await calling(answering("call.answered", hangUp), {
      eventsUrl: events.url(),
    });
    await w.ended(id);
    const queued = await w.store.read((tx) => deliveriesOf(tx, workspaceId, { callId: id }, 100));
    assert.deepEqual([...new Set(queued.map(({ url }) => url))], [events.url()]);
    assert.deepEqual(
      queued.map(({ kind }) => kind).sort(),
      ["call.answered", "call.completed", "call.started"],
      "an event each, the question's too",
    );
    assert.equal(server.of("call.answered").length, 1);
  });

  concurrently("hands on by redirect, at most twenty times in a row", async () => {
    const { id, server } = await calling(({ path, body }) => {
      if (body.kind !== "call.answered" && body.kind !== "call.redirected") return { text: "OK" };
      const hop = Number(/\/hop(\d+)/.exec(path)?.[1] ?? 0);
      return { actions: [{ redirect: { url: server.url(`/hop${hop + 1}`) } }] };
    });
    const call = await w.ended(id);
    const { payload } = eventOf(call, "document.invalid");
    assert.equal(payload["path"], "actions[0].redirect");
    assert.match(String(payload["reason"]), /21st redirect/);
    assert.equal(server.of("call.redirected").length, 20);
  });

  concurrently("counts redirects anew once something else was done", async () => {
    const { id, server } = await calling(({ path, body }) => {
      if (body.kind !== "call.answered" && body.kind !== "call.redirected") return { text: "OK" };
      const hop = Number(/\/hop(\d+)/.exec(path)?.[1] ?? 0);
      if (hop === 25) return hangUp;
      const between = hop === 12 ? [{ wait: { seconds: 1 } }] : [];
      return { actions: [...between, { redirect: { url: server.url(`/hop${hop + 1}`) } }] };
    });
    const call = await w.ended(id);
    assert.ok(!kindsOf(call).includes("document.invalid"));
    assert.equal(server.of("call.redirected").length, 25);
  });

  concurrently("that has the same refused number dialled over and over comes to an end", async () => {
    const { id, server } = await calling(({ body }) =>
      body.kind === "call.answered" || body.kind === "call.dial_completed"
        ? { actions: [{ dial: { number: "+12125550100" } }] }
        : { text: "OK" },
    );
    const call = await w.ended(id);
    assert.match(String(eventOf(call, "document.invalid").payload["reason"]), /^is the 31st in a row/);
    assert.equal(server.of("call.dial_completed").length, 30);
  });

  concurrently("that cannot be asked at all has failed", async () => {
    const { id, server, workspaceId, e164 } = await calling(({ body }) =>
      body.kind === "call.answered"
        ? { actions: [{ wait: { seconds: 2 } }, { redirect: { url: "http://127.0.0.1:9/" } }] }
        : { text: "OK" },
    );
    await w.event(id, "action.started");
    await w.store.write((tx) =>
      tx.run("UPDATE numbers SET voice_signing_secret = 'broken' WHERE e164 = ?", [e164]),
    );
    const call = await w.ended(id);
    assert.ok(kindsOf(call).includes("call.redirected"));
    assert.ok(!kindsOf(call).some((kind) => kind === "document.invalid"));
    const left = await w.store.read((tx) => intentsOfCall(tx, id));
    assert.deepEqual(
      left.filter(({ commands }) => commands.includes('"ask"')),
      [],
    );
    assert.ok(server.of("call.answered").length === 1 && workspaceId);
  });

  concurrently("may be asked by GET, with what matters in the query", async () => {
    const { id, server, e164, secret } = await calling(({ path, body }) =>
      body.kind === "call.answered"
        ? { actions: [{ redirect: { url: server.url("/next?menu=2"), method: "GET" } }] }
        : path.startsWith("/next")
          ? hangUp
          : { text: "OK" },
    );
    await w.ended(id);
    const asked = server.asked.find(({ method }) => method === "GET");
    assert.ok(asked);
    const { searchParams } = new URL(asked.path, "http://localhost");
    assert.deepEqual(Object.fromEntries(searchParams), { menu: "2", CallId: id, From: e164, To: talksOn });
    const signature = String(asked.headers["x-sautikit-signature"]);
    assert.ok(verifySautikit(signature, "", secret, Math.floor(Date.now() / 1000)));
  });

  concurrently("may be asked by GET at a URL as long as a document may name", async () => {
    const longest = () => server.url("/next?menu=").padEnd(2048, "2");
    const { id, server } = await calling(({ path, body }) =>
      body.kind === "call.answered"
        ? { actions: [{ redirect: { url: longest(), method: "GET" } }] }
        : path.startsWith("/next")
          ? hangUp
          : { text: "OK" },
    );
    const call = await w.ended(id);
    assert.deepEqual(triesOf(call), [
      "voice_url.answered call.answered 200",
      "voice_url.answered call.redirected 200",
    ]);
    const asked = server.asked.find(({ method }) => method === "GET");
    assert.equal(new URL(String(asked?.path), "http://localhost").searchParams.get("CallId"), id);
  });

  it("that failed is told of, though the database was away when that was to be stored", async () => {
    const { id, server, workspaceId } = await calling(({ body }) => {
      if (body.kind !== "call.answered") return { text: "OK" };
      // Asked the second time: the fact follows at once.
      if (server.of("call.answered").length > 0) awayUntilMs = Date.now() + 400;
      return { status: 500 };
    });
    const call = await w.ended(id);
    assert.ok(refusedWrites > 0);
    assert.equal(kindsOf(call).filter((kind) => kind === "voice_url.failed").length, 2);
    assert.equal(server.of("call.answered").length, 2);
    const queued = await w.store.read((tx) => deliveriesOf(tx, workspaceId, { callId: id }, 100));
    assert.ok(queued.some(({ kind }) => kind === "call.answered"));
  });

  it("is asked again by the next controller, with the same event_id, where the first was killed", async () => {
    let answers = false;
    const { id, server } = await calling(({ body }) =>
      body.kind === "call.answered" ? (answers ? hangUp : "never") : { text: "OK" },
    );
    await server.until("call.answered");
    answers = true;
    await w.control();
    await w.ended(id);
    const asked = server.of("call.answered");
    assert.equal(asked.length, 2);
    assert.equal(asked[0]!.body.event_id, asked[1]!.body.event_id);
    assert.equal(asked[0]!.text, asked[1]!.text);
  });
});
